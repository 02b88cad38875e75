"""The watcher: tells of changes in indexed folders as they happen, so that they are indexed before anybody searches."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packhorse.errors import PackhorseError
from packhorse_indexing.scan import GIT, TOOLS, Rules, open_root

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from loguru import Logger

    from packhorse_indexing.models import Repository
    from packhorse_indexing.service import Index

LOOK_AGAIN = 5.0
"""Seconds between two looks at which repositories there are."""

SETTLE_MS, REACT_MS = 200, 1600
"""Changes are gathered until there is none for the first of these, and no longer than the second."""

UPDATE_SECONDS = 600.0
_HEADS = ("HEAD", "index", "packed-refs")


class Watcher:
    """Watches every repository that is indexed; where that is not possible, searches look for themselves as before."""

    def __init__(self, index: Index, logger: Logger) -> None:
        self._index = index
        self._log = logger
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._refused: set[UUID] = set()

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                try:
                    self._follow(await self._index.repositories())
                except PackhorseError as error:
                    self._log.warning("The watcher does not know what is indexed: {}", error)
                await asyncio.sleep(LOOK_AGAIN)
        finally:
            self._follow([])

    def _follow(self, repositories: list[Repository]) -> None:
        """Watch these repositories and no others."""
        wanted = {one.id: one for one in repositories if one.indexed_at is not None}
        for repository_id, task in list(self._tasks.items()):
            if repository_id not in wanted or task.done():
                task.cancel()
                del self._tasks[repository_id]
        for repository_id, repository in wanted.items():
            if repository_id not in self._tasks and repository_id not in self._refused and _is_folder(repository.path):
                self._tasks[repository_id] = asyncio.create_task(
                    self._watch(repository), name=f"indexing: watch {repository.path}"
                )

    async def _watch(self, repository: Repository) -> None:
        """Bring one repository up to date after each change; end when its folder is gone or cannot be watched."""
        from watchfiles import awatch

        refresher = self._index.refresher
        changes = awatch(
            repository.path, watch_filter=None, debounce=REACT_MS, step=SETTLE_MS, ignore_permission_denied=True
        )
        waiting: asyncio.Future[Any] | None = None
        try:
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0)  # it begins to watch: nothing is missed between the look and the first change
            if not waiting.done():
                refresher.watched.add(repository.id)
                await self._update(repository)
            while _is_folder(repository.path):
                found = await waiting
                waiting = asyncio.ensure_future(anext(changes))
                if await asyncio.to_thread(matters, repository.path, [path for _, path in found]):
                    refresher.disturb(repository.id)
                    await self._update(repository)
        except FileNotFoundError:
            return  # it is watched again if it comes back
        except OSError as error:
            self._refused.add(repository.id)
            self._log.warning(
                "{} is not watched ({}); searches look at it themselves. If the limit of inotify is reached, raise "
                "fs.inotify.max_user_watches.",
                repository.path,
                error,
            )
        finally:
            if waiting is not None:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            await changes.aclose()
            refresher.watched.discard(repository.id)
            refresher.disturb(repository.id)

    async def _update(self, repository: Repository) -> None:
        with suppress(PackhorseError):
            current = await self._index.find(str(repository.id))
            await self._index.refresh(current, UPDATE_SECONDS)


def matters(root: str, paths: Iterable[str]) -> bool:
    """Say whether one of these changed paths can change what is indexed of a folder: not what is ignored."""
    try:
        descriptor = open_root(Path(root))
    except OSError:
        return True
    try:
        rules = Rules(descriptor, (*GIT, *TOOLS))
        return any(_matters(rules, os.path.relpath(path, root)) for path in paths)
    finally:
        os.close(descriptor)


def _matters(rules: Rules, path: str) -> bool:
    parts = path.split("/")
    if ".git" in parts:
        inner = parts[parts.index(".git") + 1 :]
        return inner[:1] == ["refs"] or (len(inner) == 1 and inner[0] in _HEADS)
    return not rules.ignores(path)


def _is_folder(path: str) -> bool:
    return Path(path).is_dir()
