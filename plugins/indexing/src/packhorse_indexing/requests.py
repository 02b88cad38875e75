"""What the tools and the commands ask of the index, each with its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from packhorse.errors import InvalidInputError, NotFoundError
from packhorse_indexing.answers import (
    CancelAnswer,
    OmittedFile,
    RemovedAnswer,
    RepositoriesAnswer,
    RepositoryAnswer,
    StatusAnswer,
    WhyAnswer,
    cancel_answer,
    repository_answer,
    status_answer,
)
from packhorse_indexing.reasons import REASONS, known

if TYPE_CHECKING:
    from packhorse_indexing.models import Job, Repository
    from packhorse_indexing.service import Index

CANCEL_SECONDS = 5.0
"""How long a job is given to stop before the answer is `cancelling`."""

_NOTHING = "Index a folder first with index_repository (`packhorse index PATH`)."


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """What is asked of a status: of which repository or job, which files left out, and of which path the reason."""

    repository: str | None = None
    job: str | None = None
    skipped: str | None = None
    path: str | None = None
    limit: int = 50
    cursor: str | None = None


async def describe(index: Index, repositories: list[Repository] | None = None) -> list[RepositoryAnswer]:
    """Return repositories, by default all, with how complete they are."""
    chosen = await index.repositories() if repositories is None else repositories
    coverage = {one.repository_id: one for one in await index.coverage([one.id for one in chosen])}
    return [repository_answer(one, coverage[one.id]) for one in chosen if one.id in coverage]


async def around(index: Index, folder: str) -> str:
    """Return the path of the innermost repository that a folder is in, or the folder itself when it is in none."""
    real = await asyncio.to_thread(Path(folder).resolve)
    found = [one.path for one in await index.repositories() if real.is_relative_to(one.path)]
    return max(found, key=len, default=folder)


async def page(index: Index, limit: int, cursor: str | None) -> RepositoriesAnswer:
    """Return up to `limit` repositories by path, those after the path `cursor`."""
    everything = await index.repositories()
    rest = [one for one in everything if cursor is None or one.path > cursor]
    following = rest[limit - 1].path if len(rest) > limit else None
    return RepositoriesAnswer(
        repositories=await describe(index, rest[:limit]), total_count=len(everything), next_cursor=following
    )


async def status(index: Index, request: StatusRequest) -> StatusAnswer:
    """Tell the state of a repository's indexing.

    Raises:
        NotFoundError: there is no such repository or job.
        InvalidInputError: the reason is none, the path is not of the repository, or the name is ambiguous.
    """
    reason = _reason(request.skipped)
    job = await index.reports.job(_uuid(request.job)) if request.job else None
    repository = await _repository(index, request.repository, job)
    answer = status_answer(await index.reports.report(repository, job))
    if request.path is not None:
        why = await index.reports.why(repository, request.path)
        answer.why = WhyAnswer(path=why.path, indexed=why.indexed, reason=why.reason, explanation=why.explanation)
    if request.skipped is not None:
        found = await index.reports.omissions(
            repository, reason=reason, after=request.cursor or "", limit=request.limit + 1
        )
        shown = found[: request.limit]
        answer.files = [OmittedFile(path=one.path, reason=one.reason, detail=one.detail) for one in shown]
        answer.next_cursor = shown[-1].path if len(found) > len(shown) else None
    return answer


async def cancel(index: Index, repository: str | None, job: str | None) -> CancelAnswer:
    """Stop a job, by default the one at work, and tell how it stands a few seconds later.

    Raises:
        NotFoundError: there is no such job or repository, or nothing is at work.
        InvalidInputError: several jobs are at work and none is named.
    """
    found = await _job(index, repository, job)
    of = await index.find(str(found.repository_id))
    asked = await index.cancel(found.id)
    if asked:
        found = await index.follow(found.id, CANCEL_SECONDS)
    return cancel_answer(found, of, was_over=not asked)


async def remove(index: Index, repository: str) -> RemovedAnswer:
    """Remove a repository from the index.

    Raises:
        NotFoundError: there is none.
        ConflictError: its job does not stop.
    """
    removed = await index.forget(repository)
    kept = "its clone was deleted" if removed.url else "its files are untouched"
    return RemovedAnswer(
        repository_id=removed.id, path=removed.path, summary=f"{removed.path} is no longer indexed; {kept}."
    )


async def _repository(index: Index, reference: str | None, job: Job | None) -> Repository:
    if reference:
        repository = await index.find(reference)
        if job is not None and job.repository_id != repository.id:
            raise InvalidInputError(f"The job {job.id} is not of {repository.path}.", remedy="Give one of the two.")
        return repository
    if job is not None:
        return await index.find(str(job.repository_id))
    latest = await index.reports.last_indexed()
    if latest is None:
        raise NotFoundError("Nothing is indexed yet.", remedy=_NOTHING)
    return latest


async def _job(index: Index, reference: str | None, job: str | None) -> Job:
    if job:
        return await index.reports.job(_uuid(job))
    at_work = await index.reports.jobs_at_work()
    if reference:
        repository = await index.find(reference)
        at_work = [one for one in at_work if one.repository_id == repository.id][:1]
        if not at_work:
            raise NotFoundError(f"{repository.path} is not being indexed.", remedy="There is nothing to cancel.")
    if not at_work:
        raise NotFoundError("Nothing is being indexed.", remedy="There is nothing to cancel.")
    if len(at_work) > 1:
        listed = ", ".join(str(one.id) for one in at_work[:10])
        raise InvalidInputError(
            f"{len(at_work)} jobs are at work: {listed}.", remedy="Give a job_id or a repository_id."
        )
    return at_work[0]


def _reason(text: str | None) -> str | None:
    if text is None or text.strip().lower() == "all":
        return None
    reason = known(text)
    if reason is None:
        raise InvalidInputError(f"{text!r} is no reason.", remedy=f"There are: all, {', '.join(REASONS)}.")
    return reason


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInputError(
            f"{text!r} is no job's id.", remedy="Give the job_id that index_repository answered."
        ) from None
