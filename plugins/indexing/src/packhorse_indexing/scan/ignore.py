"""Rules of ignore files, nested as git nests them: the deepest file that says anything about a path decides."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from packhorse_indexing.scan.beneath import UnreadableFileError, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GIT = (".gitignore",)
TOOLS = (".mcpignore", ".cursorignore", ".rooignore", ".contextignore")
"""Ignore files of this server and of other tools that give code to a model; their syntax is git's."""

_MAX_BYTES = 1_000_000


class Rules:
    """The rules of ignore files of certain names in a folder and everywhere beneath, read as they are needed."""

    def __init__(self, root_fd: int, names: Sequence[str], top: str = "", base: Iterable[GitIgnoreSpec] = ()) -> None:
        """Take the rules in files of `names` from the folder `top` of an open root on.

        Paths are relative to `top`; `base` counts for less than any rule found there.
        """
        self._root_fd = root_fd
        self._top = top + "/" if top else ""
        self._names = names
        self._base = list(base)
        self._specs: dict[str, GitIgnoreSpec | None] = {}
        self._folders: dict[str, bool] = {"": False}

    def ignores(self, path: str) -> bool:
        """Tell whether a file is ignored, itself or through a folder that it is in."""
        folder = path.rpartition("/")[0]
        return self.ignores_folder(folder) or self._decide(path)

    def ignores_folder(self, folder: str) -> bool:
        """Tell whether a folder (no slash at its end; the root is empty) is ignored with all beneath it."""
        known = self._folders.get(folder)
        if known is None:
            known = self.ignores_folder(folder.rpartition("/")[0]) or self._decide(folder + "/")
            self._folders[folder] = known
        return known

    def _decide(self, path: str) -> bool:
        folder = path.rstrip("/")
        while folder:
            folder = folder.rpartition("/")[0]
            spec = self._spec(folder)
            if spec is not None:
                decision = spec.check_file(path[len(folder) + 1 :] if folder else path).include
                if decision is not None:
                    return decision
        for spec in self._base:
            decision = spec.check_file(path).include
            if decision is not None:
                return decision
        return False

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            prefix = folder + "/" if folder else ""
            lines = [line for name in self._names for line in self._lines(self._top + prefix + name)]
            self._specs[folder] = parse(lines) if lines else None
        return self._specs[folder]

    def _lines(self, path: str) -> list[str]:
        # Most folders have none: a stat is cheaper than the refused opening.
        try:
            status = os.stat(path, dir_fd=self._root_fd, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                return []
            return read_file(self._root_fd, path, _MAX_BYTES).decode("utf-8", "surrogateescape").splitlines()
        except (OSError, UnreadableFileError):
            return []


def parse(lines: Iterable[str]) -> GitIgnoreSpec:
    """Parse rules; a line that is no pattern is left out, as git does."""
    valid: list[str] = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        valid.append(line)
    return GitIgnoreSpec.from_lines(valid)
