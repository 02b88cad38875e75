"""The plain data of a scan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from packhorse_indexing.decode import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packhorse_indexing.scan.git import Repository


@dataclass(frozen=True, slots=True)
class Limits:
    """What a scan is allowed: files up to `max_bytes`, and `git_seconds` for each call of git."""

    max_bytes: int = MAX_BYTES
    git_seconds: float = 20.0


class FileEntry(NamedTuple):
    """A file to index: its path relative to the root, `/`-separated, and its stat signature."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Skip:
    """A path that is not indexed, and why; a path that ends in `/` stands for all beneath it.

    The reason is one of `ignored`, `secret`, `generated`, `too large`, `symlink`, `special file`, `unreadable` and
    `encoding` (a name that is not UTF-8, shown with escapes).
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where a git repository stands: `branch` is None when detached, `revision` None before the first commit."""

    branch: str | None
    revision: str | None


@dataclass(frozen=True, slots=True)
class Scan:
    """The files of a folder, those left out, and its place in a git history.

    `family` is the same for the worktrees and clones of one history: `git:<root commit>`, or `folder:<path>`.
    `folders` are those that are not ignored, the root being empty, each with the ignore files in it and `.git`.
    """

    files: list[FileEntry] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    head: Head | None = None
    family: str = ""
    repository: Repository | None = None
    folders: Mapping[str, frozenset[str]] = field(default_factory=dict)
