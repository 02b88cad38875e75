"""What clients and scripts are told: the structured answers of the tools, which `--json` prints too."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel

from packhorse.redaction import visible
from packhorse_indexing.models import ResultStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packhorse_indexing.models import Coverage, IndexResult, Job, Report, Repository

Sentence = Annotated[str, AfterValidator(visible)]
"""What is said to a reader; it may name a folder or a branch, whose hidden characters are escaped."""


class IndexAnswer(BaseModel):
    """The result of `index_repository` and of `packhorse index --json`."""

    repository_id: UUID
    status: ResultStatus
    files_indexed: int
    files_skipped: int
    chunks_created: int
    duration_seconds: float
    errors: list[str]
    job_id: UUID
    path: str
    skipped: dict[str, int]
    summary: Sentence


class RepositoryAnswer(BaseModel):
    """A repository as `list_repositories`, the resources and `packhorse repositories --json` show it."""

    repository_id: UUID
    path: str
    url: str | None
    name: str
    branch: str | None
    revision: str | None
    indexed_at: datetime | None
    embedder: str
    files: int
    files_indexed: int
    chunks: int
    chunks_embedded: int
    status: str
    percent: float


class RepositoriesAnswer(BaseModel):
    """The result of `list_repositories`."""

    repositories: list[RepositoryAnswer]
    total_count: int
    next_cursor: str | None = None


class OmittedFile(BaseModel):
    """A file that is not indexed, and why."""

    path: str
    reason: str
    detail: str | None = None


class WhyAnswer(BaseModel):
    """Why one path is, or is not, indexed."""

    path: str
    indexed: bool
    reason: str | None
    explanation: str


class StatusAnswer(BaseModel):
    """The result of `get_indexing_status` and of `packhorse status --json`."""

    repository_id: UUID
    path: str
    status: str
    phase: str | None
    percent: float
    seconds_left: int | None
    files_total: int
    files_done: int
    files_indexed: int
    files_skipped: int
    skipped: dict[str, int]
    chunks: int
    chunks_embedded: int
    chunks_waiting: int
    indexed_at: datetime | None
    changes: int | None
    freshness: str
    errors: list[str]
    job_id: UUID | None
    summary: Sentence
    files: list[OmittedFile] | None = None
    next_cursor: str | None = None
    why: WhyAnswer | None = None


class CancelAnswer(BaseModel):
    """The result of `cancel_indexing` and of `packhorse cancel --json`."""

    job_id: UUID
    repository_id: UUID
    path: str
    status: str
    summary: Sentence


class RemovedAnswer(BaseModel):
    """The result of `remove_repository` and of `packhorse forget --json`."""

    repository_id: UUID
    path: str
    summary: Sentence


def index_answer(result: IndexResult) -> IndexAnswer:
    """Return a result as clients see it."""
    return IndexAnswer(
        repository_id=result.repository_id,
        status=result.status,
        files_indexed=result.files_indexed,
        files_skipped=result.files_skipped,
        chunks_created=result.chunks_created,
        duration_seconds=result.duration_seconds,
        errors=result.errors,
        job_id=result.job_id,
        path=result.path,
        skipped=dict(result.reasons),
        summary=_summary(result),
    )


def _summary(result: IndexResult) -> str:
    left_out = said(result.reasons)
    files = f"{result.files_indexed} files indexed, {result.files_skipped} left out, {result.chunks_created} new chunks"
    files += f" ({left_out})" if left_out else ""
    match result.status:
        case "running":
            done = (
                "" if result.progress is None else f" {result.progress.message}, {result.progress.fraction:.0%} done."
            )
            return (
                f"Still indexing {result.path}:{done} Search covers what is indexed so far; "
                f"get_indexing_status tells how far it is, cancel_indexing stops it."
            )
        case "success":
            return f"{result.path} is indexed: {files}."
        case "partial":
            return f"{result.path} is indexed with {len(result.errors)} problems: {files}."
        case "failed":
            return f"{result.path} could not be indexed: {' '.join(result.errors)}"


def said(reasons: Mapping[str, int]) -> str:
    """Return why files are left out, with their numbers, in a few words; empty when none is."""
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items())


def repository_answer(repository: Repository, coverage: Coverage) -> RepositoryAnswer:
    """Return a repository as clients see it."""
    return RepositoryAnswer(
        repository_id=repository.id,
        path=repository.path,
        url=repository.url,
        name=repository.name,
        branch=repository.branch,
        revision=repository.revision,
        indexed_at=repository.indexed_at,
        embedder=repository.embedder,
        files=coverage.files,
        files_indexed=coverage.files_indexed,
        chunks=coverage.chunks,
        chunks_embedded=coverage.embedded,
        status=coverage.job_status or "queued",
        percent=round(100 * coverage.fraction, 1),
    )


def status_answer(report: Report) -> StatusAnswer:
    """Return a report as clients see it."""
    coverage, job, at_work = report.coverage, report.job, report.progress
    total, done = _files(report)
    return StatusAnswer(
        repository_id=report.repository.id,
        path=report.repository.path,
        status=job.status if job else "never indexed",
        phase=at_work.phase if at_work else None,
        percent=round(100 * (at_work.fraction if at_work else done / total if total else 0.0), 1),
        seconds_left=None if at_work is None or at_work.seconds_left is None else round(at_work.seconds_left),
        files_total=total,
        files_done=done,
        files_indexed=coverage.files_indexed,
        files_skipped=coverage.files - coverage.files_indexed,
        skipped=dict(report.reasons),
        chunks=coverage.chunks,
        chunks_embedded=coverage.embedded,
        chunks_waiting=coverage.chunks - coverage.embedded,
        indexed_at=coverage.indexed_at,
        changes=report.freshness.changes,
        freshness=_freshness(report),
        errors=job.errors if job else [],
        job_id=job.id if job else None,
        summary=_status_summary(report),
    )


def _files(report: Report) -> tuple[int, int]:
    """Return how many files the latest job found, and how many of them it dealt with."""
    job = report.job
    if job is None or not job.files_total:
        return report.coverage.files, report.coverage.files
    return job.files_total, job.files_done


def _freshness(report: Report) -> str:
    if report.freshness.note:
        return report.freshness.note
    if report.progress is not None:
        return "It is being brought up to date."
    if report.coverage.indexed_at is None:
        return "It was never indexed to its end."
    return "It is up to date." if report.freshness.changes == 0 else "Whether it is up to date is not known."


def _status_summary(report: Report) -> str:
    coverage, job, path = report.coverage, report.job, report.repository.path
    if job is None:
        return f"{path} was never indexed."
    if report.progress is not None:
        queued = " (waiting for its turn)" if job.status == "queued" else ""
        return f"{path}{queued}: {report.progress.message}; {report.progress.fraction:.0%} done."
    left_out = said(report.reasons)
    waiting = coverage.chunks - coverage.embedded
    return (
        f"{path}: {job.status}; {coverage.files_indexed} files and {coverage.chunks} chunks indexed, "
        f"{coverage.files - coverage.files_indexed} files left out{f' ({left_out})' if left_out else ''}"
        f"{f', {waiting} chunks wait for their embedding' if waiting else ''}. {_freshness(report)}"
    )


def cancel_answer(job: Job, repository: Repository, *, was_over: bool) -> CancelAnswer:
    """Return what became of a job that was to stop."""
    status: str
    if was_over:
        status, summary = job.status, f"It was over already ({job.status}): nothing was cancelled."
    elif job.status == "cancelled":
        status, summary = "cancelled", "It has stopped; what was done stays and can be searched. Index again to go on."
    elif job.finished:
        status, summary = job.status, f"It ended before it could be stopped ({job.status})."
    else:
        status, summary = "cancelling", "It stops after the batch at work; get_indexing_status tells when it has."
    return CancelAnswer(
        job_id=job.id, repository_id=repository.id, path=repository.path, status=status, summary=summary
    )
