"""The scan: which files of a folder are indexed, which are not and why, and where its history stands."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse_indexing.scan import git, names
from packhorse_indexing.scan.beneath import UnreadableFileError, open_root, read_file
from packhorse_indexing.scan.folders import GIT, TOOLS, Folders
from packhorse_indexing.scan.ignore import Rules, parse
from packhorse_indexing.scan.model import FileEntry, Limits, Scan, Skip
from packhorse_indexing.scan.walk import shown, walk

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    from packhorse_indexing.scan.model import Head

_MAX_RULES = 1_000_000


def scan(root: Path, limits: Limits | None = None, *, ignored: bool = False) -> Scan:
    """List the files of a folder.

    With git, what it tracks and what it would; without, or when git fails, a walk that obeys the same rules. With
    `ignored`, what git ignores is reported too, which costs a second look at the folder; the rest always is.

    Raises:
        OSError: `root` is no folder that can be read.
    """
    limits = limits or Limits()
    root = Path(os.path.realpath(root))
    repository = git.find(root)
    head = git.head(repository) if repository else None
    root_fd = open_root(root)
    folders = Folders(root_fd)
    try:
        found, skipped, by_git = _list(folders, root, repository, limits, ignored)
        sieve = _Sieve(folders, limits)
        for path in found:
            sieve.add(path)
        if repository and by_git:
            _complete(folders, root, repository, found)
    finally:
        os.close(root_fd)
    identity = (
        git.family(repository, head.revision, limits.git_seconds)
        if repository and head
        else f"folder:{shown(str(root))}"
    )
    left_out = sorted(skipped + sieve.skipped, key=lambda skip: skip.path)
    return Scan(sieve.files, left_out, head, identity, repository, folders.noted)


def head_of(root: Path) -> Head | None:
    """Return where the history of a folder stands, from a few small files; None without git."""
    repository = git.find(Path(os.path.realpath(root)))
    return git.head(repository) if repository else None


def identify(root: Path, limits: Limits | None = None) -> str:
    """Return the `family` of a folder without scanning it."""
    root = Path(os.path.realpath(root))
    repository = git.find(root)
    if repository is None:
        return f"folder:{shown(str(root))}"
    return git.family(repository, git.head(repository).revision, (limits or Limits()).git_seconds)


def _list(
    folders: Folders, root: Path, repository: git.Repository | None, limits: Limits, ignored: bool
) -> tuple[list[str], list[Skip], bool]:
    """Return the paths, what is left out, and whether it was git that listed them."""
    if repository is None:
        return *walk(folders), False
    try:
        listed, closed = git.list_files(repository, root, limits.git_seconds)
        hidden = git.list_ignored(repository, root, limits.git_seconds) if ignored else []
    except git.GitUnavailableError:
        return *walk(folders, base=_base(repository)), False
    if not listed and root != repository.top:
        # A folder that its own repository ignores was asked for all the same.
        return *walk(folders), False
    skipped = [Skip(shown(os.fsdecode(path)), "ignored") for path in hidden]
    skipped += [Skip(shown(os.fsdecode(path)), "unreadable") for path in closed]
    return list(map(os.fsdecode, listed)), skipped, True


def _complete(folders: Folders, root: Path, repository: git.Repository, found: list[str]) -> None:
    """Note the folders that git goes through, which it does not list."""
    above = os.path.relpath(root, repository.top)
    if above == os.curdir:
        rules = Rules(folders.root_fd, GIT, base=_base(repository), folders=folders)
        folders.complete(found, rules.ignores_folder)
        return
    try:
        top_fd = open_root(repository.top)
    except OSError:
        return
    try:
        outer = Rules(top_fd, GIT, base=_base(repository))
        folders.complete(found, lambda folder: outer.ignores_folder(f"{above}/{folder}"))
    finally:
        os.close(top_fd)


def _base(repository: git.Repository) -> list[GitIgnoreSpec]:
    texts = (git.read(path, _MAX_RULES) for path in git.excludes(repository))
    return [parse(text.decode("utf-8", "surrogateescape").splitlines()) for text in texts if text]


class _Sieve:
    """Sorts paths into files to index and files left out."""

    def __init__(self, folders: Folders, limits: Limits) -> None:
        self._root_fd = folders.root_fd
        self._folders = folders
        self._limits = limits
        self._rules = Rules(folders.root_fd, TOOLS, folders=folders)
        self.files: list[FileEntry] = []
        self.skipped: list[Skip] = []

    def add(self, path: str) -> None:
        """Take a path in, or note why it is left out; one that has vanished is neither."""
        path = path.rstrip("/")
        try:
            status = os.stat(path, dir_fd=self._root_fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError):
            self._skip(path, "unreadable")
            return
        if stat.S_ISDIR(status.st_mode):
            self._add_repository(path)
            return
        reason = self._reason(path, status)
        if reason is not None:
            self._skip(path, reason)
            return
        self.files.append(FileEntry(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))

    def _add_repository(self, folder: str) -> None:
        """Take in a submodule or an embedded repository, which git lists as a folder.

        A folder that has taken the place of a tracked file is no repository, and git lists what is in it.
        """
        if not _exists(self._root_fd, f"{folder}/.git"):
            self._folders.ignore_files(folder)
            return
        files, skipped = walk(self._folders, folder)
        self.skipped += skipped
        for path in files:
            self.add(path)

    def _skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skip(shown(path), reason))

    def _reason(self, path: str, status: os.stat_result) -> str | None:
        if not path.isascii() and _is_not_utf8(path):
            return "encoding"
        if not stat.S_ISREG(status.st_mode):
            return "symlink" if stat.S_ISLNK(status.st_mode) else "special file"
        if self._rules.ignores(path):
            return "ignored"
        if self._is_secret(path):
            return "secret"
        if names.is_generated(path):
            return "generated"
        return "too large" if status.st_size > self._limits.max_bytes else None

    def _is_secret(self, path: str) -> bool:
        if path.rpartition("/")[2].lower() not in names.MAY_HOLD_TOKENS:
            return names.is_secret(path)
        try:
            return names.holds_token(read_file(self._root_fd, path))
        except UnreadableFileError:
            return True


def _exists(root_fd: int, path: str) -> bool:
    try:
        os.stat(path, dir_fd=root_fd, follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_not_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return True
    return False
