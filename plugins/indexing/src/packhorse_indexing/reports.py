"""What is known of the indexing of repositories: how far, how fresh, what is left out and why. Nothing is changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from packhorse.errors import NotFoundError
from packhorse_indexing import why
from packhorse_indexing.models import Freshness, Report, progress
from packhorse_indexing.refresh import difference
from packhorse_indexing.store import catalog, files, jobs
from packhorse_indexing.why import Why

if TYPE_CHECKING:
    from uuid import UUID

    from packhorse.database.pool import Database
    from packhorse_indexing.lookout import Lookout
    from packhorse_indexing.models import Job, Repository
    from packhorse_indexing.store.files import Omission

STALENESS_SECONDS = 3.0
"""A folder that takes longer to look at, on a busy machine perhaps, is not waited for."""


class Reports:
    """What there is to say, from the database and a look at the folders."""

    def __init__(self, database: Database, lookout: Lookout, max_file_bytes: int) -> None:
        self._database = database
        self._lookout = lookout
        self._max_file_bytes = max_file_bytes

    async def job(self, job_id: UUID) -> Job:
        """Return a job.

        Raises:
            NotFoundError: there is none of this id.
        """
        async with self._database.connection() as connection:
            found = await jobs.job(connection, job_id)
        if found is None:
            raise NotFoundError(
                f"There is no job {job_id}: it is long over, or its repository was removed.",
                remedy="Ask for the status of the repository instead.",
            )
        return found

    async def last_indexed(self) -> Repository | None:
        """Return the repository that was asked to be indexed last; None when nothing is indexed."""
        async with self._database.connection() as connection:
            return await catalog.last_requested(connection)

    async def jobs_at_work(self) -> list[Job]:
        """Return the jobs that are not over, the oldest first."""
        async with self._database.connection() as connection:
            return await jobs.unfinished(connection)

    async def report(self, repository: Repository, job: Job | None = None) -> Report:
        """Say how far the indexing of a repository is, how fresh its index, and what it leaves out.

        `job` is the one to speak of, by default the latest.

        Raises:
            NotFoundError: the repository was removed meanwhile.
        """
        async with self._database.connection() as connection:
            job = job or await jobs.latest(connection, repository.id)
            covered = next(iter(await catalog.coverage(connection, [repository.id])), None)
            reasons = await files.reasons(connection, repository)
        if covered is None:
            raise NotFoundError(f"{repository.path} was removed from the index.", remedy="Index it again.")
        running = covered.running or repository.indexed_at is None
        return Report(
            repository=repository,
            coverage=covered,
            job=job,
            progress=None if job is None or job.finished else progress(job),
            freshness=Freshness(changes=None) if running else await self.staleness(repository),
            reasons=reasons,
        )

    async def staleness(self, repository: Repository) -> Freshness:
        """Compare a folder with its index, for a few seconds at most, without doing anything about it."""
        try:
            look = await asyncio.wait_for(self._lookout.look(repository), STALENESS_SECONDS)
        except TimeoutError:  # first, for it is an OSError too
            return Freshness(changes=None, note=f"Comparing {repository.path} with its index takes a while.")
        except OSError as error:
            return Freshness(changes=None, note=f"{repository.path} cannot be read now ({error.strerror}).")
        if look is None or not (look.changes or look.moved):
            return Freshness(changes=None if look is None else 0)
        return Freshness(changes=look.changes, note=f"{difference(repository, look)}.")

    async def omissions(
        self, repository: Repository, *, reason: str | None = None, after: str = "", limit: int = 100
    ) -> list[Omission]:
        """Return files that are not indexed, by path from `after` on; `reason` is one of `reasons.REASONS`."""
        async with self._database.connection() as connection:
            return await files.omissions(connection, repository, reason=reason, after=after, limit=limit)

    async def why(self, repository: Repository, path: str) -> Why:
        """Say why a path, absolute or from the repository's folder, is or is not indexed.

        Raises:
            InvalidInputError: it is not beneath the folder.
        """
        inside = why.relative(repository.path, path)
        async with self._database.connection() as connection:
            listed = await files.file(connection, repository.id, inside)
            indexed, left_out = await files.beneath(connection, repository.id, inside)
        if listed is not None:
            return await asyncio.to_thread(why.from_list, listed, repository.path, inside)
        if indexed or left_out:
            return Why(inside, indexed > 0, None, f"Of {inside}, {indexed} files are indexed and {left_out} are not.")
        return await asyncio.to_thread(why.from_folder, repository.path, inside, self._max_file_bytes)
