"""What changed lately, as a signal for search: among places that answer equally well people want the living one.

A repository's list of recent files is read once for each commit that it stands at, in a task of its own. Search waits a
tenth of a second at most and leaves alone who is late too often, so the first ones after a commit do without.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.errors import PackhorseError
from packhorse_git_history.repository import GitFolder, find

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from packhorse_git_history.git import History
    from packhorse_search.signals import Place

_STRONGEST = 0.5  # of 1, what a plugin may say at most
_HALF = 10  # commits after which half of that is left
_PATIENCE = 0.03  # seconds that a search waits for git


class Recency:
    """The files of the last commits of each repository that was searched."""

    def __init__(self, history: History, commits: int) -> None:
        self._history = history
        self._commits = commits
        self._known: dict[str, tuple[str, asyncio.Task[dict[str, float]]]] = {}
        self._reading: set[asyncio.Task[dict[str, float]]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, history: History, commits: int) -> AsyncIterator[Recency]:
        """Begin with nothing read, and end what is being read."""
        recency = cls(history, commits)
        try:
            yield recency
        finally:
            for task in recency._reading:
                task.cancel()
            await asyncio.gather(*recency._reading, return_exceptions=True)

    async def signals(self, places: Sequence[Place]) -> dict[Place, float]:
        """Return how lately each place's file changed: from 0.5 for the last commit to nothing."""
        if not self._commits:
            return {}
        recent = {path: await self._recent(path) for path in {place.repository_path for place in places}}
        found = {place: recent[place.repository_path].get(place.file_path, 0.0) for place in places}
        return {place: value for place, value in found.items() if value}

    async def _recent(self, path: str) -> dict[str, float]:
        folder = await asyncio.to_thread(find, Path(path))
        if folder is None or folder.head is None:
            return {}
        head, task = self._known.get(path, ("", None))
        if task is None or head != folder.head:
            task = asyncio.create_task(self._read(folder, folder.head))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
            self._known[path] = (folder.head, task)
        done, _ = await asyncio.wait({task}, timeout=_PATIENCE)
        return task.result() if done else {}

    async def _read(self, folder: GitFolder, head: str) -> dict[str, float]:
        try:
            output = await self._history.run(
                *(folder, head, "log", "--no-ext-diff", "--no-textconv", "--no-renames", "--name-only", "-z"),
                *("--format=%x01", f"--max-count={self._commits}", head, "--"),
            )
        except PackhorseError:
            return {}  # an unreadable history is for file_history to explain
        return _by_file(output.decode("utf-8", "surrogateescape"), folder.prefix)


def _by_file(output: str, prefix: str) -> dict[str, float]:
    """Return the signal of each file below `prefix`, from names that end in NUL after a mark for each commit."""
    found: dict[str, float] = {}
    for age, commit in enumerate(output.split("\x01")[1:]):
        for name in commit.split("\x00"):
            path = name.strip("\n")
            if path.startswith(prefix) and path != prefix:
                found.setdefault(path.removeprefix(prefix), _STRONGEST * 0.5 ** (age / _HALF))
    return found
