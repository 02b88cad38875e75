"""The folders that a scan goes through: each is read once, for what it holds and for the ignore files in it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from packhorse_indexing.scan.beneath import open_beneath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

GIT = (".gitignore",)
TOOLS = (".mcpignore", ".cursorignore", ".rooignore", ".contextignore")
"""Ignore files of this server and of other tools that give code to a model; their syntax is git's."""

INTERNAL = frozenset({".git", ".hg", ".svn", ".jj", ".bzr"})
_NOTED = frozenset({*GIT, *TOOLS, ".git"})
_NOTHING: frozenset[str] = frozenset()


class Folders:
    """Reads the folders beneath an open root."""

    def __init__(self, root_fd: int) -> None:
        self.root_fd = root_fd
        self._inner: dict[str, list[str]] = {}
        self.noted: dict[str, frozenset[str]] = {}
        """The folders that were read, or could not be, the root being empty, each with its ignore files and `.git`."""

    def read(self, folder: str) -> list[tuple[str, bool]]:
        """Return the names in a folder, sorted, and whether each is a folder itself; follow no link on the way there.

        Raises:
            OSError: it cannot be read.
        """
        return sorted(self._entries(folder))

    def ignore_files(self, folder: str) -> frozenset[str]:
        """Return the names of ignore files that there may be in a folder, and perhaps `.git`."""
        if folder not in self.noted:
            self._note(folder)
        return self.noted[folder]

    def complete(self, paths: Iterable[str], is_ignored: Callable[[str], bool]) -> None:
        """Read the folders of these paths too, and those in them that are not ignored, however little is in them."""
        wanted = {""}
        for path in paths:
            folder = path.rpartition("/")[0]
            while folder not in wanted:
                wanted.add(folder)
                folder = folder.rpartition("/")[0]
        for folder in wanted:
            self.ignore_files(folder)
        while self._inner:
            folder, names = self._inner.popitem()
            for name in names:
                path = f"{folder}/{name}" if folder else name
                if path not in self.noted and name not in INTERNAL and not is_ignored(path):
                    self._note(path)

    def _note(self, folder: str) -> None:
        with suppress(OSError):
            self._inner[folder] = [name for name, is_folder in self._entries(folder) if is_folder]

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        self.noted[folder] = _NOTED  # what cannot be listed can be opened by its name, perhaps
        descriptor = open_beneath(self.root_fd, folder) if folder else os.dup(self.root_fd)
        try:
            with os.scandir(descriptor) as found:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        finally:
            os.close(descriptor)
        self.noted[folder] = _NOTED.intersection([name for name, _ in entries]) or _NOTHING
        return entries
