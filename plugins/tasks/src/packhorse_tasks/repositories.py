"""Looks at a repository on disk without running anything of it: which references exist, what is checked out.

A hostile repository may hold anything under `.git`: named pipes, huge files, references that climb out. So files are
opened without blocking, read only when regular and only so far, and nothing is taken from them but a name and a hash.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.errors import InvalidInputError, NotFoundError, PackhorseError
from packhorse_tasks.validation import quoted, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packhorse.context import PluginContext

_HASH = re.compile(r"[0-9a-f]{40}")
_REFERENCE = re.compile(r"ref: (refs/[^\x00-\x20\x7f~^:?*\[\\]+)")
_SMALL = 4_096
_PACKED = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Head:
    """What is checked out: `branch` is None on a detached head, `commit` is None before the first commit."""

    branch: str | None
    commit: str | None


def resolve_repository(path: str) -> Path:
    """Return the repository's folder, symlinks resolved.

    Raises:
        InvalidInputError: the path is not absolute.
        NotFoundError: there is no such folder.
    """
    text("repo_path", path, limit=_SMALL)
    if not Path(path).is_absolute():
        raise InvalidInputError(
            f"repo_path {quoted(path)} is not absolute.", remedy="Give it from the root, without ~."
        )
    try:
        folder = Path(path).resolve()
        if folder.is_dir():
            return folder
    except (OSError, ValueError):
        pass
    raise NotFoundError(f"repo_path {quoted(path)} is no folder.")


def confined(context: PluginContext, path: str) -> str:
    """Return the real path of a folder that a client may name.

    Where the indexing plugin runs, its rules hold for tasks too: the configured roots, or else no folder of the system,
    of credentials or of another user. Where it does not, any folder is taken; nothing but names is read of it.

    Raises:
        InvalidInputError: the path is not absolute, or not allowed.
        NotFoundError: there is no such folder.
    """
    folder = str(resolve_repository(path))
    try:
        from packhorse_indexing.service import Index
    except ImportError:
        return folder
    index = context.find_service(Index)
    return folder if index is None else index.allowed_folder(folder)


def missing_in_confines(context: PluginContext, repository: str, references: Sequence[str]) -> list[str]:
    """Return the missing references as below, and none for a folder that may not be looked at, or not any more."""
    try:
        return missing_references(confined(context, repository), references)
    except PackhorseError:
        return []


def missing_references(repository: str, references: Sequence[str]) -> list[str]:
    """Return those of the relative paths that lead to nothing in the repository; none when that is not there."""
    root = Path(repository)
    if not repository or not root.is_dir():
        return []
    return [reference for reference in references if not os.path.lexists(root / reference)]


def read_head(repository: Path) -> Head:
    """Read which branch and commit are checked out from the files under `.git`.

    Raises:
        NotFoundError: the folder is no git repository, or keeps its references in a way that is not known here.
    """
    git = _git_directory(repository)
    head = _read(git / "HEAD")
    if _HASH.fullmatch(head):
        return Head(None, head)
    found = _REFERENCE.fullmatch(head)
    if found is None or ".." in found[1] or found[1] == "refs/heads/.invalid":
        raise NotFoundError(
            f"What is checked out in {repository} cannot be read from its files.",
            remedy="Give branch and commit yourself.",
        )
    name = found[1]
    return Head(name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else None, _commit_of(git, name))


def _git_directory(repository: Path) -> Path:
    git = repository / ".git"
    if git.is_dir():
        return git
    pointer = _read(git)
    if pointer.startswith("gitdir: "):
        return (repository / pointer.removeprefix("gitdir: ")).resolve()
    raise NotFoundError(
        f"{repository} is no git repository: it has no .git.", remedy="Give branch and commit yourself."
    )


def _commit_of(git: Path, name: str) -> str | None:
    """Follow a reference through the worktree's own files, those of its main repository, and the packed ones."""
    shared = _read(git / "commondir")
    for folder in (git, (git / shared).resolve()) if shared else (git,):
        loose = _read(folder / name)
        if _HASH.fullmatch(loose):
            return loose
        for line in _read(folder / "packed-refs", limit=_PACKED).splitlines():
            commit, _, packed = line.partition(" ")
            if packed == name and _HASH.fullmatch(commit):
                return commit
    return None


def _read(path: Path, *, limit: int = _SMALL) -> str:
    """Return the beginning of a regular file, stripped; empty when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(limit).decode("utf-8", "replace").strip()
