"""Asking for a job and following it; the work itself happens in a worker process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from packhorse.errors import DatabaseError, NotFoundError, PackhorseError
from packhorse_indexing.models import Progress, progress
from packhorse_indexing.store import catalog, freshness
from packhorse_indexing.store import jobs as store

if TYPE_CHECKING:
    from uuid import UUID

    from loguru import Logger

    from packhorse.database.pool import Database
    from packhorse_indexing.launch import Launcher
    from packhorse_indexing.models import Job
    from packhorse_indexing.orders import Hint

OnProgress = Callable[[Progress], Awaitable[None]]
"""Told how far a job is, a few times a second at most."""

FIRST_POLL, SLOWEST_POLL = 0.02, 0.25
WATCH = 1.0
"""Seconds between two looks for jobs whose worker died; the next worker is at it within 2 s, its start included."""

RETRY_PENDING = 300.0
COLLECT = 3600.0
_GRACE = 2.0


class Jobs:
    """The jobs of all repositories, as one server or command sees them."""

    def __init__(self, database: Database, launcher: Launcher, logger: Logger) -> None:
        self._database = database
        self._launcher = launcher
        self._log = logger

    async def request(self, repository_id: UUID, *, force: bool, renew: bool = False) -> tuple[UUID, bool]:
        """Create a job, or join the unfinished one; return its id and whether it is new. `renew`: the clone first.

        Raises:
            NotFoundError: the repository was removed.
        """
        async with self._database.connection() as connection:
            requested = await store.request(connection, repository_id, force=force, renew=renew)
        if requested is None:
            raise NotFoundError(f"There is no repository {repository_id}.", remedy="Index its folder again.")
        return requested

    async def follow(
        self, job_id: UUID, wait: float | None, on_progress: OnProgress | None = None, hint: Hint | None = None
    ) -> Job:
        """Return the job when it has finished, or as it is after `wait` seconds (None: however long it takes).

        Sees to it that a worker is at it, also when one dies; `hint` spares the first one its scan. Stopping to
        follow does not stop the job.

        Raises:
            NotFoundError: the job was removed with its repository.
            UnavailableError: no worker stays alive.
        """
        until = None if wait is None else time.monotonic() + wait
        pause, told = FIRST_POLL, None
        while True:
            heard = self._launcher.heard
            async with self._database.connection() as connection:
                found = await store.follow(connection, job_id)
            if found is None:
                raise NotFoundError(f"The job {job_id} is gone: its repository was removed.")
            job, has_worker = found
            if job.finished:
                return job
            if has_worker:
                self._launcher.settle(job.pool_id)
            else:
                await self._launcher.ensure(job.pool_id, hint)
                hint = None
            now = progress(job)
            if on_progress is not None and (told is None or now.fraction != told.fraction or now.phase != told.phase):
                await on_progress(now)
                told = now
            left = SLOWEST_POLL if until is None else until - time.monotonic()
            if left <= 0:
                return job
            await self._launcher.wait(heard, min(pause, left))
            pause = min(pause * 1.5, SLOWEST_POLL)

    async def cancel(self, job_id: UUID) -> bool:
        """Ask that a job stop after its present batch; False when it is over already."""
        async with self._database.connection() as connection:
            return await store.cancel(connection, job_id)

    async def watch(self, embedder: str, retention_days: float) -> None:
        """Take over, for ever, the jobs whose worker died and whom nobody follows, and retry what waits for vectors.

        Pools with content that is past its retention get a worker too, which collects it. `embedder` is the configured
        one's name: what another one began is not ours to go on with.
        """
        await asyncio.sleep(_GRACE)
        retry_at = time.monotonic()
        collect_at = retry_at + RETRY_PENDING
        while True:
            pools: list[int] = []
            try:
                if time.monotonic() >= retry_at:
                    retry_at = time.monotonic() + RETRY_PENDING
                    await self._retry_pending(embedder)
                async with self._database.connection() as connection:
                    pools = await store.abandoned_pools(connection)
                    if time.monotonic() >= collect_at:
                        collect_at = time.monotonic() + COLLECT
                        pools += await freshness.pools_to_collect(connection, retention_days)
                for pool_id in pools:
                    await self._launcher.ensure(pool_id)
            except DatabaseError as error:
                self._log.warning("Unfinished jobs cannot be looked up: {}", error)
            except PackhorseError as error:
                self._log.warning("An unfinished job cannot be taken over: {}", error)
            await asyncio.sleep(WATCH)

    async def _retry_pending(self, embedder: str) -> None:
        """Ask for a run of each repository with chunks that wait for their embedder; it embeds them first thing."""
        async with self._database.connection() as connection:
            for repository_id in await catalog.repositories_with_pending(connection, embedder):
                await store.request(connection, repository_id, force=False)
