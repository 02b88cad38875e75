"""Rules of ignore files, nested as git nests them: the deepest file that says anything about a path decides."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from packhorse_indexing.scan.beneath import UnreadableFileError, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packhorse_indexing.scan.folders import Folders

    _Chain = tuple[tuple[int, GitIgnoreSpec], ...]

MAX_BYTES = 1_000_000
"""Of an ignore file; a larger one is none."""


class Rules:
    """The rules of ignore files of certain names in a folder and everywhere beneath, read as they are needed."""

    def __init__(
        self,
        root_fd: int,
        names: Sequence[str],
        top: str = "",
        base: Iterable[GitIgnoreSpec] = (),
        folders: Folders | None = None,
    ) -> None:
        """Take the rules in files of `names` from the folder `top` of an open root on.

        Paths are relative to `top`; `base` counts for less than any rule found there; `folders` knows which of the
        files there are.
        """
        self._root_fd = root_fd
        self._top = top + "/" if top else ""
        self._names = names
        self._base = list(base)
        self._read = folders
        self._folders: dict[str, bool] = {"": False}
        self._chains: dict[str, _Chain] = {}

    def ignores(self, path: str) -> bool:
        """Tell whether a file is ignored, itself or through a folder that it is in."""
        folder = path.rpartition("/")[0]
        return self.ignores_folder(folder) or self.ignores_in(folder, path)

    def ignores_folder(self, folder: str) -> bool:
        """Tell whether a folder (no slash at its end; the root is empty) is ignored with all beneath it."""
        unknown = []
        # A loop, because a hostile path has more folders than a stack has room for.
        while (known := self._folders.get(folder)) is None:
            unknown.append(folder)
            folder = folder.rpartition("/")[0]
        for inner in reversed(unknown):
            known = known or self.ignores_in(inner.rpartition("/")[0], inner + "/")
            self._folders[inner] = known
        return known

    def ignores_in(self, folder: str, path: str) -> bool:
        """Tell whether a path in a folder that is not ignored is; it ends in a slash when it is a folder."""
        for start, spec in self._chain(folder):
            decision = spec.check_file(path[start:]).include
            if decision is not None:
                return decision
        for spec in self._base:
            decision = spec.check_file(path).include
            if decision is not None:
                return decision
        return False

    def _chain(self, folder: str) -> _Chain:
        """Return the rules that hold in a folder, the deepest first, with where the paths that they mean begin."""
        unknown = []
        while (known := self._chains.get(folder)) is None:
            unknown.append(folder)
            if not folder:
                known = ()
                break
            folder = folder.rpartition("/")[0]
        for inner in reversed(unknown):
            spec = self._spec(inner)
            if spec is not None:
                known = ((len(inner) + 1 if inner else 0, spec), *known)
            self._chains[inner] = known
        return known

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        prefix = folder + "/" if folder else ""
        names: Iterable[str] = self._names
        if self._read is not None:
            there = self._read.ignore_files(self._top + folder if folder else self._top[:-1])
            if not there:
                return None
            names = [name for name in names if name in there]
        lines = [line for name in names for line in self._lines(self._top + prefix + name)]
        return parse(lines) if lines else None

    def _lines(self, path: str) -> list[str]:
        # Most folders have none: a stat is cheaper than the refused opening.
        try:
            status = os.stat(path, dir_fd=self._root_fd, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                return []
            return read_file(self._root_fd, path, MAX_BYTES).decode("utf-8", "surrogateescape").splitlines()
        except (OSError, UnreadableFileError):
            return []


def parse(lines: Iterable[str]) -> GitIgnoreSpec:
    """Parse rules; a line that is no pattern is left out, as git does."""
    lines = list(lines)
    with suppress(ValueError):
        return GitIgnoreSpec.from_lines(lines)
    valid: list[str] = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        valid.append(line)
    return GitIgnoreSpec.from_lines(valid)
