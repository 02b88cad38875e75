"""The index as other plugins see it; ask for it with `context.service(Index)`."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from packhorse.database import reading
from packhorse.errors import ConflictError, InvalidInputError, NotFoundError
from packhorse_indexing import history
from packhorse_indexing.clone.address import FOLDER, is_url, parse
from packhorse_indexing.clone.copying import remove
from packhorse_indexing.lookout import Lookout
from packhorse_indexing.models import (
    Coverage,
    EmbedderChangedError,
    Freshness,
    IndexResult,
    Job,
    Repository,
    ResultStatus,
    progress,
)
from packhorse_indexing.refresh import Refresher
from packhorse_indexing.reports import Reports
from packhorse_indexing.roots import resolve_root
from packhorse_indexing.store import catalog, files
from packhorse_indexing.store import jobs as job_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from loguru import Logger
    from numpy.typing import NDArray

    from packhorse.database.pool import Database
    from packhorse_indexing.embedders import Embedder
    from packhorse_indexing.jobs import Jobs, OnProgress
    from packhorse_indexing.lookout import Look
    from packhorse_indexing.settings import IndexingSettings

FORGET_SECONDS = 20.0
LOOK_SECONDS, SHORTEST_LOOK = 5.0, 1.0
"""A folder that takes longer to look at, on a slow network drive perhaps, is left to the worker: the second, for those
who wait for less, so that whoever only asks now and then is told at last that all is done."""


class Index:
    """The repositories and their state, indexing them, and the embedder for queries."""

    def __init__(
        self,
        database: Database,
        settings: IndexingSettings,
        embedder: Embedder,
        jobs: Jobs,
        logger: Logger,
        data_dir: Path,
    ) -> None:
        self._data_dir = data_dir
        self._log = logger
        self._database = database
        self._settings = settings
        self._jobs = jobs
        self.embedder = embedder
        """The configured embedder; compare its name with a repository's before comparing vectors."""
        self._lookout = Lookout(database, settings.max_file_bytes)
        self.refresher = Refresher(self._lookout, jobs, self._has_our_vectors, logger)
        """What `refresh` goes by; the watcher tells it of changes."""
        self.reports = Reports(database, self._lookout, settings.max_file_bytes)
        """What is known of repositories, jobs and files that are left out."""

    async def repositories(self) -> list[Repository]:
        """Return every indexed folder, by path."""
        async with reading(self._database) as connection:
            return await catalog.repositories(connection)

    async def find(self, reference: str) -> Repository:
        """Return the repository that an id, an absolute path or the unique name of its folder means.

        Raises:
            NotFoundError: there is none.
            InvalidInputError: several folders have this name.
        """
        [(repository, _)] = await self.covered([reference])
        return repository

    async def covered(self, references: Sequence[str]) -> list[tuple[Repository, Coverage]]:
        """Return the repository that each reference means, once, or all without any, and how complete its index is.

        Raises:
            NotFoundError: one means none.
            InvalidInputError: one means several.
        """
        found: dict[UUID, tuple[Repository, Coverage]] = {}
        meant = [await _meant(reference) for reference in references] or [catalog.ALL]
        async with reading(self._database) as connection:
            for which in meant:
                rows = await catalog.covered(connection, which)
                found |= {repository.id: (repository, coverage) for repository, coverage in rows}
                if len(rows) != 1 and references:
                    known = [one for one, _ in rows] or await catalog.repositories(connection)
                    raise _unclear(references[meant.index(which)], known, len(rows))
        return list(found.values())

    async def index(
        self, path: str, *, force: bool = False, wait: float | None = None, on_progress: OnProgress | None = None
    ) -> IndexResult:
        """Bring the index of a folder up to date and return the result, or `running` after `wait` seconds.

        Args:
            path: its absolute path, or the https URL of a git repository, whose clone is made or renewed first.
            force: make everything anew that the repository lists, with the configured embedder.
            wait: how long to wait; None: until it is done. Whoever stops waiting does not stop the job.
            on_progress: told how far it is.

        Raises:
            InvalidInputError: the path may not be indexed, or the URL not be cloned.
            NotFoundError: there is no such folder.
            EmbedderChangedError: its vectors were made by another embedder and `force` is not given.
        """
        until = None if wait is None else time.monotonic() + wait
        repository = await self._repository(path)
        if not force and not self._has_our_vectors(repository):
            raise EmbedderChangedError(repository.path, repository.embedder, self.embedder.name)
        is_clone = repository.url is not None
        patience = LOOK_SECONDS if wait is None else min(LOOK_SECONDS, max(SHORTEST_LOOK, wait))
        look = None if force or is_clone else await self._look(repository, patience)
        if look is not None and look.is_conclusive and not look.changes and look.plan.unchanged:
            done = await self._lookout.record_unchanged(repository, look)
            if done is not None:
                return await self._result(repository, await self._jobs.follow(done, 0))
        job_id, is_new = await self._jobs.request(repository.id, force=force, renew=is_clone)
        hint = look.hint(job_id) if look is not None and is_new else None
        left = None if until is None else max(0.0, until - time.monotonic())
        return await self._result(repository, await self._jobs.follow(job_id, left, on_progress, hint))

    async def _look(self, repository: Repository, seconds: float) -> Look | None:
        """Look at a folder that was indexed before; what comes to nothing here is the worker's to find out."""
        if repository.indexed_at is None:
            return None
        try:
            return await asyncio.wait_for(self._lookout.look(repository), seconds)
        except (OSError, TimeoutError):
            return None

    def _has_our_vectors(self, repository: Repository) -> bool:
        return (repository.embedder, repository.dimensions) == (self.embedder.name, self.embedder.dimensions)

    async def ensure_indexed(self, path: str, on_progress: OnProgress | None = None) -> Repository:
        """Return the repository of a folder, indexing it first if it never was, however long that takes.

        Raises:
            NotFoundError: there is no such folder, or nothing in it to index.
            InvalidInputError, EmbedderChangedError: as for `index`.
        """
        root = await self._allowed(path)
        repository = await self._known(root)
        if repository is None or repository.indexed_at is None:
            result = await self.index(root, on_progress=on_progress)
            if result.status == "failed":
                raise NotFoundError(f"{root} could not be indexed: {' '.join(result.errors)}")
            repository = await self.find(str(result.repository_id))
        return repository

    def allowed_folder(self, path: str) -> str:
        """Return the real path of a folder that may be indexed; for plugins that let a client name a folder.

        Raises:
            InvalidInputError: it is not absolute, not a folder, or not allowed.
            NotFoundError: it does not exist.
        """
        return resolve_root(path, self._settings.allowed_roots)

    async def refresh(self, repository: Repository, budget_seconds: float = 0.15) -> Freshness:
        """Bring a small change of a repository into its index before a search answers from it.

        Returns after `budget_seconds` at the latest, and then says how stale the index is; the work goes on. It never
        raises for what the folder or the index is like.
        """
        return await self.refresher.refresh(repository, budget_seconds)

    async def changed_since(self, repository: Repository, revision: str) -> list[str]:
        """Return the indexed files whose content the history does not hold at a revision of git, new files included.

        It compares what is indexed, committed or not, with git's objects; nothing of the repository is run.

        Raises:
            InvalidInputError: the folder has no history, or not this revision.
            UnavailableError: git is missing, fails or takes too long.
        """
        async with reading(self._database) as connection:
            files = await catalog.contents(connection, repository.id)
        return sorted(await asyncio.to_thread(history.changed_files, repository.path, revision, files))

    async def coverage(self, repository_ids: Sequence[UUID]) -> list[Coverage]:
        """Return how complete the index of each of these repositories is; one query of well under a millisecond."""
        async with reading(self._database) as connection:
            return await catalog.coverage(connection, repository_ids)

    async def embed_query(self, text: str, stored: str | None = None) -> NDArray[np.float32]:
        """Embed a question, shape (dimensions,), to compare with vectors that the embedder named `stored` made.

        Raises:
            EmbedderChangedError: that is another embedder than the configured one.
            UnavailableError: the embedder does not answer.
        """
        if stored is not None and stored != self.embedder.name:
            raise EmbedderChangedError("the repository", stored, self.embedder.name)
        return await self.embedder.embed_query(text)

    async def cancel(self, job_id: UUID) -> bool:
        """Ask that a job stop after its present batch; what is committed stays. False when it is over already."""
        return await self._jobs.cancel(job_id)

    async def follow(self, job_id: UUID, wait: float | None, on_progress: OnProgress | None = None) -> Job:
        """Return a job when it is over, or as it is after `wait` seconds.

        Raises:
            NotFoundError: there is none, or it was removed with its repository.
        """
        return await self._jobs.follow(job_id, wait, on_progress)

    async def forget(self, reference: str) -> Repository:
        """Remove a repository from the index, stopping its job, and the clone when it is one; see `find`.

        Raises:
            ConflictError: its job does not stop.
        """
        repository = await self.find(reference)
        async with self._database.connection() as connection:
            await job_store.cancel_repository(connection, repository.id)
        try:
            async with self._database.connection(deadline=FORGET_SECONDS + 10) as connection:
                await catalog.forget_repository(connection, repository, FORGET_SECONDS)
        except psycopg.errors.LockNotAvailable:
            raise ConflictError(
                f"{repository.path} is still being indexed and was not removed.", remedy="Try again in a moment."
            ) from None
        if repository.url is not None:
            try:
                await asyncio.to_thread(remove, Path(repository.path), self._data_dir.resolve())
            except OSError as error:
                self._log.warning("The clone {} was not deleted: {}", repository.path, error)
        return repository

    async def _repository(self, path: str) -> Repository:
        """Return the repository of a folder, adding it, and its pool, when it is new."""
        from packhorse_indexing.scan import identify

        if is_url(path):
            address = parse(path, self._settings.clone_hosts)
            root = str(address.folder(self._data_dir.resolve()))
            return await self._known(root) or await self._add_repository(root, f"url:{address.url}", address.url)
        root = await self._allowed(path)
        return await self._known(root) or await self._add_repository(
            root, await asyncio.to_thread(identify, Path(root))
        )

    async def _known(self, root: str) -> Repository | None:
        async with self._database.connection() as connection:
            return await catalog.repository_by_path(connection, root)

    async def _allowed(self, path: str) -> str:
        """Return the real path of a folder that may be indexed, or is a clone of ours."""
        clones = self._data_dir.resolve() / FOLDER
        if Path(path).is_relative_to(clones):
            known = await self._known(str(Path(path)))
            if known is not None and known.url is not None:
                return known.path
        return await asyncio.to_thread(resolve_root, path, self._settings.allowed_roots)

    async def _add_repository(self, root: str, identity: str, url: str | None = None) -> Repository:
        try:
            async with self._database.connection() as connection:
                await catalog.create_repository(
                    connection, root, identity, self.embedder.name, self.embedder.dimensions, url
                )
                repository = await catalog.repository_by_path(connection, root)
        except psycopg.errors.ForeignKeyViolation:
            repository = None
        if repository is None:
            raise ConflictError(
                f"{root} was being removed from the index at the same time.", remedy="Index it again now."
            )
        return repository

    async def _result(self, repository: Repository, job: Job) -> IndexResult:
        async with self._database.connection() as connection:
            covered = next(iter(await catalog.coverage(connection, [repository.id])), None)
            reasons = await files.reasons(connection, repository) if job.finished else {}
        end = job.finished_at or datetime.now(UTC)
        errors = list(job.errors)
        if job.status == "cancelled":
            errors.append("It was cancelled; what was done until then stays, and the next run goes on from there.")
        indexed = 0 if covered is None else covered.files_indexed
        return IndexResult(
            repository_id=repository.id,
            job_id=job.id,
            path=repository.path,
            status=_result_status(job, indexed),
            files_indexed=indexed,
            files_skipped=job.files_skipped,
            chunks_created=job.chunks_created,
            duration_seconds=round((end - (job.started_at or job.requested_at)).total_seconds(), 3),
            errors=errors,
            progress=None if job.finished else progress(job),
            reasons=reasons,
        )


async def _meant(reference: str) -> catalog.Which:
    if "\x00" in reference:
        return catalog.by_ids(())  # PostgreSQL has no such texts
    try:
        return catalog.by_id(UUID(reference))
    except ValueError:
        if is_url(reference):
            return catalog.by_url(parse(reference).url)
        if not reference.startswith("/"):
            return catalog.by_name(reference)
        return catalog.by_path(await asyncio.to_thread(_real, reference))


def _unclear(reference: str, known: Sequence[Repository], found: int) -> InvalidInputError | NotFoundError:
    """Return the error for a reference that means several repositories, or none of those that are known."""
    if found:
        return InvalidInputError(
            f"Several repositories are named {reference}: {', '.join(one.path for one in known)}.",
            remedy="Give the id or the path.",
        )
    names = ", ".join(one.path for one in known[:20]) or "nothing is indexed yet"
    return NotFoundError(
        f"There is no indexed repository {reference!r}; indexed: {names}.",
        remedy="Index its folder first with index_repository (`packhorse index PATH`).",
    )


def _result_status(job: Job, files: int) -> ResultStatus:
    match job.status:
        case "queued" | "running":
            return "running"
        case "cancelled":
            return "partial" if files else "failed"
        case _:
            return job.status


def _real(path: str) -> str:
    return str(Path(path).resolve())
