"""A scan's footprint: what `stat` said of all that decided which files it found, so that the next may be spared.

New, removed and renamed files change the folder that they are in, and what is written changes itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packhorse_indexing.scan import git, names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from packhorse_indexing.scan.model import Head, Scan

    _Mark = tuple[int, int, int] | None
    """Modified and changed, in nanoseconds, and the inode; None: it is not there, or may not be seen."""

_MAY_BE_TAKEN_IN = frozenset({"too large", "unreadable"})


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a scan went by, but for the files that it found; `marks` are of paths relative to the root, or absolute."""

    root: Path
    repository: git.Repository | None
    head: Head | None
    marks: Mapping[str, _Mark]

    def holds(self, root_fd: int) -> bool:
        """Tell whether all of it is as it was; nothing is read but where HEAD is."""
        repository = git.find(self.root)
        if repository != self.repository or (repository and git.head(repository)) != self.head:
            return False
        return all(_mark(root_fd, path) == mark for path, mark in self.marks.items())


def take(root_fd: int, root: Path, found: Scan, settled_ns: int) -> Footprint | None:
    """Return the footprint of a scan made just now of a resolved folder.

    None when something in it was modified after `settled_ns`, so shortly before the scan that it may have changed
    since and look the same.
    """
    marks = {path: _mark(root_fd, path) for path in _paths(root, found)}
    if any(mark is not None and max(mark[:2]) > settled_ns for mark in marks.values()):
        return None
    return Footprint(root, found.repository, found.head, marks)


def _mark(root_fd: int, path: str) -> _Mark:
    # A link in the folder is never followed, but that of somebody's own settings may be one to be.
    try:
        status = os.stat(path, dir_fd=root_fd, follow_symlinks=path.startswith("/"))
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _paths(root: Path, found: Scan) -> Iterator[str]:
    for folder, noted in found.folders.items():
        yield folder or "."
        inside = f"{folder}/" if folder else ""
        for name in noted - {".git"}:
            yield inside + name
        if folder and ".git" in noted and found.repository:
            # What git takes for a repository of its own is not listed file by file.
            yield from (f"{folder}/.git", f"{folder}/.git/HEAD")
    for skip in found.skipped:
        if skip.reason in _MAY_BE_TAKEN_IN or skip.path.rpartition("/")[2].lower() in names.MAY_HOLD_TOKENS:
            yield skip.path.rstrip("/")
    if found.repository:
        yield from map(str, git.decisive_files(found.repository, root))
