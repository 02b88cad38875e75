"""Listing the files of a folder without git: a walk that obeys every `.gitignore` on its way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from packhorse_indexing.scan.beneath import open_beneath
from packhorse_indexing.scan.ignore import GIT, Rules
from packhorse_indexing.scan.model import Skip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pathspec import GitIgnoreSpec

_INTERNAL = frozenset({".git", ".hg", ".svn", ".jj", ".bzr"})
_MAX_DEPTH = 200


def walk(root_fd: int, start: str = "", base: Iterable[GitIgnoreSpec] = ()) -> tuple[list[str], list[Skip]]:
    """List the files beneath an open folder, and the folders left out on the way.

    `start` is a folder beneath it to begin in; the paths are relative to the root all the same, file names that are
    not UTF-8 in Python's surrogates. Links, devices and the like are listed, never opened or followed. A repository
    inside has ignore rules of its own, as git has it; `base` counts for less than any rule of the folder itself.
    """
    rules = {start: Rules(root_fd, GIT, start, base)}
    files: list[str] = []
    skipped: list[Skip] = []
    pending = [(start, start, 0)]
    while pending:
        folder, top, depth = pending.pop()
        try:
            entries = _entries(root_fd, folder)
        except OSError:
            skipped.append(Skip(shown(folder + "/"), "unreadable"))
            continue
        if folder != top and any(name == ".git" for name, _ in entries):
            top, rules[folder] = folder, Rules(root_fd, GIT, folder)
        for name, is_folder in entries:
            path = f"{folder}/{name}" if folder else name
            inner = path[len(top) + 1 :] if top else path
            if name in _INTERNAL:
                continue
            if not is_folder:
                if rules[top].ignores(inner):
                    skipped.append(Skip(shown(path), "ignored"))
                else:
                    files.append(path)
            elif rules[top].ignores_folder(inner):
                skipped.append(Skip(shown(path + "/"), "ignored"))
            elif depth >= _MAX_DEPTH:
                skipped.append(Skip(shown(path + "/"), "unreadable"))
            else:
                pending.append((path, top, depth + 1))
    return files, skipped


def shown(path: str) -> str:
    """Return a path as it can be stored and shown, bytes that are not UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _entries(root_fd: int, folder: str) -> list[tuple[str, bool]]:
    """Read the names in a folder and whether each is a folder itself, without following links on the way there."""
    descriptor = open_beneath(root_fd, folder) if folder else os.dup(root_fd)
    try:
        with os.scandir(descriptor) as entries:
            return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    finally:
        os.close(descriptor)
