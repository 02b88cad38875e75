"""Listing the files of a folder without git: a walk that obeys every `.gitignore` on its way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from packhorse_indexing.scan.folders import GIT, INTERNAL
from packhorse_indexing.scan.ignore import Rules
from packhorse_indexing.scan.model import Skip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pathspec import GitIgnoreSpec

    from packhorse_indexing.scan.folders import Folders

_MAX_DEPTH = 200


def walk(folders: Folders, start: str = "", base: Iterable[GitIgnoreSpec] = ()) -> tuple[list[str], list[Skip]]:
    """List the files beneath an open folder, and the folders left out on the way.

    `start` is a folder beneath it to begin in; the paths are relative to the root all the same, file names that are
    not UTF-8 in Python's surrogates. Links, devices and the like are listed, never opened or followed. A repository
    inside has ignore rules of its own, as git has it; `base` counts for less than any rule of the folder itself.
    """
    rules = {start: Rules(folders.root_fd, GIT, start, base, folders)}
    files: list[str] = []
    skipped: list[Skip] = []
    pending = [(start, start, 0)]
    while pending:
        folder, top, depth = pending.pop()
        try:
            entries = folders.read(folder)
        except OSError:
            skipped.append(Skip(shown(folder + "/"), "unreadable"))
            continue
        if folder != top and ".git" in folders.noted[folder]:
            top, rules[folder] = folder, Rules(folders.root_fd, GIT, folder, folders=folders)
        ignores, within = rules[top].ignores_in, folder[len(top) + 1 :] if top else folder
        for name, is_folder in entries:
            path = f"{folder}/{name}" if folder else name
            inner = path[len(top) + 1 :] if top else path
            if name in INTERNAL:
                continue
            if not is_folder:
                if ignores(within, inner):
                    skipped.append(Skip(shown(path), "ignored"))
                else:
                    files.append(path)
            elif ignores(within, inner + "/"):
                skipped.append(Skip(shown(path + "/"), "ignored"))
            elif depth >= _MAX_DEPTH:
                skipped.append(Skip(shown(path + "/"), "unreadable"))
            else:
                pending.append((path, top, depth + 1))
    return files, skipped


def shown(path: str) -> str:
    """Return a path as it can be stored and shown, bytes that are not UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
