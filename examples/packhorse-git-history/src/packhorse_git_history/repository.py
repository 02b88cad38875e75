"""Finding a repository's objects and its present commit by reading files; git is not asked."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

_SMALL = 4_096  # bytes of a file that holds one line
_PACKED = 32_000_000  # bytes of packed-refs
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"refs/(?!.*(?:\.\.|//|/\.|@\{))[^\x00-\x20\x7f~^:?*\[\\]+")


@dataclass(frozen=True, slots=True)
class GitFolder:
    """Where a repository keeps its objects, its present commit (None before the first), and its list of cut commits.

    `prefix` is the indexed folder's path within the work tree, with a `/` at its end, or empty.
    """

    objects: Path
    head: str | None
    shallow: Path | None
    prefix: str


def find(folder: Path) -> GitFolder | None:
    """Return the git folder of an indexed folder or of one above it; None when there is none."""
    for top in (folder, *folder.parents):
        own = _own(top / ".git")
        if own is not None:
            common = _common(own)
            shallow = common / "shallow"
            inside = folder.relative_to(top).as_posix()
            prefix = "" if inside == "." else f"{inside}/"
            return GitFolder(common / "objects", _head(own, common), shallow if shallow.is_file() else None, prefix)
    return None


def _own(marker: Path) -> Path | None:
    line = _line(marker)  # a file in worktrees and submodules
    if line.startswith("gitdir:"):
        marker = Path(os.path.normpath(marker.parent / line.removeprefix("gitdir:").strip()))
    return marker if (marker / "HEAD").is_file() else None


def _common(own: Path) -> Path:
    line = _line(own / "commondir")
    return Path(os.path.normpath(own / line)) if line else own


def _head(own: Path, common: Path) -> str | None:
    line = _line(own / "HEAD")
    if not line.startswith("ref:"):
        return line if _COMMIT.fullmatch(line) else None
    ref = line.removeprefix("ref:").strip()
    if not _REF.fullmatch(ref):
        return None
    for folder in (own, common):
        loose = _line(folder / ref)
        if _COMMIT.fullmatch(loose):
            return loose
    packed = _read(common / "packed-refs", _PACKED)
    match = re.search(rb"^([0-9a-f]{40,64}) " + re.escape(os.fsencode(ref)) + rb"$", packed, re.MULTILINE)
    return match[1].decode() if match else None


def _line(path: Path) -> str:
    return _read(path, _SMALL).decode("utf-8", "surrogateescape").strip()


def _read(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file of limited size, else nothing; a pipe in its place is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        status = os.fstat(descriptor)
        usable = stat.S_ISREG(status.st_mode) and status.st_size <= limit
        return os.read(descriptor, limit) if usable else b""
    finally:
        os.close(descriptor)
