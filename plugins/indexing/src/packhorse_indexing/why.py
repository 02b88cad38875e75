"""Why a path is, or is not, indexed: what the list says of it, and otherwise what a look at the file does."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.errors import InvalidInputError
from packhorse_indexing.chunking import NOTEBOOK, detect
from packhorse_indexing.decode import Skipped, decode
from packhorse_indexing.reasons import REASONS
from packhorse_indexing.scan import UnreadableFileError, ignoring_rule, open_root, read_file
from packhorse_indexing.scan import names as by_name

if TYPE_CHECKING:
    from packhorse_indexing.store.files import ListedFile

_INTERNAL = "internal"
_MISSING = "missing"
_NEW = "not indexed yet"


@dataclass(frozen=True, slots=True)
class Why:
    """The answer about one path: `reason` is one of `REASONS`, or a word for what is no file; None: it is indexed."""

    path: str
    indexed: bool
    reason: str | None
    explanation: str


def relative(root: str, path: str) -> str:
    """Return a path, absolute or relative to a repository's folder, as the list has it.

    Raises:
        InvalidInputError: it is empty, leads out of the folder, or holds what no path can.
    """
    if "\x00" in path or not path.strip():
        raise InvalidInputError("The path is empty or contains a NUL character.")
    inside = os.path.relpath(os.path.join(root, path), root)  # noqa: PTH118 - links are not to be resolved
    if inside == ".." or inside.startswith("../"):
        raise InvalidInputError(f"{path} is not in {root}.", remedy="Give a path beneath the repository's folder.")
    return inside


def from_list(listed: ListedFile, root: str, path: str) -> Why:
    """Say what the last run found."""
    if listed.skipped is None:
        how = f"indexed as {listed.language}, {listed.chunks} chunks"
        lines = f"; cut by lines, because {listed.fallback}" if listed.fallback else ""
        return Why(path, True, None, f"{path} is {how}{lines}.")
    if listed.skipped == "ignored":
        return _ignored(Path(root), path) or _because(path, "ignored")
    through = f" (it is in {listed.path})" if listed.path.endswith("/") and path != listed.path.rstrip("/") else ""
    return Why(path, False, listed.skipped, f"{path} is not indexed: {REASONS[listed.skipped]}{through}.")


def from_folder(root: str, path: str, max_bytes: int) -> Why:
    """Say what a look at the folder finds of a path that is not on the list."""
    top = Path(root)
    return _from_above(top, path) or _from_file(top, path, max_bytes)


def _from_above(top: Path, path: str) -> Why | None:
    """Say what it is in the way to a path that keeps it out, itself included."""
    parts = path.split("/")
    if ".git" in parts:
        return Why(path, False, _INTERNAL, f"{path} is not indexed: it is git's own.")
    for count in range(1, len(parts) + 1):
        status = _status(top / "/".join(parts[:count]))
        if status is None:
            return Why(path, False, _MISSING, f"There is no {'/'.join(parts[:count])} in {top}.")
        if stat.S_ISLNK(status.st_mode):
            return _because(path, "symlink")
    return None


def _from_file(top: Path, path: str, max_bytes: int) -> Why:
    """Say what keeps a path out that leads to something."""
    status = _status(top / path)
    is_folder = status is not None and stat.S_ISDIR(status.st_mode)
    ignored = _ignored(top, path + "/" if is_folder else path)
    if ignored is not None:
        return ignored
    if is_folder:
        return Why(path, False, _NEW, f"{path} is a folder, and no file of it is listed.")
    reason = _reason(top, path, max_bytes)
    if reason is not None:
        return _because(path, reason)
    return Why(path, False, _NEW, f"{path} is newer than the index: index again.")


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (OSError, ValueError):
        return None


def _reason(root: Path, path: str, max_bytes: int) -> str | None:
    if by_name.is_secret(path):
        return "secret"
    if by_name.is_generated(path):
        return "generated"
    descriptor = open_root(root)
    try:
        data = read_file(descriptor, path, max_bytes)
    except UnreadableFileError as error:
        return error.reason
    finally:
        os.close(descriptor)
    if path.rpartition("/")[2].lower() in by_name.MAY_HOLD_TOKENS and by_name.holds_token(data):
        return "secret"
    decoded = decode(data, max_bytes=max_bytes, long_lines=detect(path, b"") == NOTEBOOK)
    return decoded.reason if isinstance(decoded, Skipped) else None


def _ignored(root: Path, path: str) -> Why | None:
    rule = ignoring_rule(root, path)
    if rule is None:
        return None
    through = "" if rule.matched.rstrip("/") == path.rstrip("/") else f", which matches {rule.matched}"
    where = f"line {rule.line} of {rule.file}, {rule.pattern!r}{through}"
    shown = path.rstrip("/")
    return Why(shown, False, "ignored", f"{shown} is not indexed: it is ignored by {where}.")


def _because(path: str, reason: str) -> Why:
    return Why(path, False, reason, f"{path} is not indexed: {REASONS.get(reason, reason)}.")
