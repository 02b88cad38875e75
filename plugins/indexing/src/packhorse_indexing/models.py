"""The plain data that the index hands out: repositories, jobs, results, coverage; and its own errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from packhorse.errors import ConflictError
from packhorse.redaction import visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

JobStatus = Literal["queued", "running", "success", "partial", "failed", "cancelled"]
ResultStatus = Literal["success", "partial", "failed", "running"]
Phase = Literal["fetch", "scan", "index", "embed"]

UNFINISHED: tuple[JobStatus, ...] = ("queued", "running")


class EmbedderChangedError(ConflictError):
    """The vectors of a repository were made by another embedder than the one that is configured."""

    code = "embedder_changed"

    def __init__(self, path: str, stored: str, configured: str) -> None:
        super().__init__(
            f"The index of {path} was made with the embedder {stored}, but {configured} is configured; "
            "their vectors cannot be compared.",
            remedy="Index it with force_reindex=true (`packhorse index --force`) to embed everything anew, or set "
            "PACKHORSE_INDEXING_EMBEDDER and its model back.",
            stored=stored,
            configured=configured,
        )


@dataclass(frozen=True, slots=True)
class Repository:
    """An indexed folder. `path` is absolute and resolved; `branch` and `revision` are as of the last indexing.

    `indexed_at` is the end of its last complete run, None when there was none yet. `embedder` and `dimensions` are
    those of the vectors of its pool.
    """

    id: UUID
    pool_id: int
    path: str
    branch: str | None
    revision: str | None
    indexed_at: datetime | None
    embedder: str
    dimensions: int
    url: str | None = None
    """Of the git repository that the folder is our clone of; None: the folder is the user's."""

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of indexing, as its row says; `errors` are sentences."""

    id: UUID
    repository_id: UUID
    pool_id: int
    status: JobStatus
    force: bool
    phase: Phase
    files_total: int
    files_done: int
    files_skipped: int
    chunks_created: int
    embed_total: int
    embed_done: int
    errors: list[str]
    requested_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None
    files_unchanged: int = 0
    phase_at: datetime | None = None
    reported_at: datetime | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status not in UNFINISHED


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: `fraction` in 0..1; `seconds_left` from its pace so far, None when that does not say."""

    job_id: UUID
    phase: Phase
    files_done: int
    files_total: int
    chunks: int
    fraction: float
    seconds_left: float | None

    @property
    def message(self) -> str:
        """The same in a few words."""
        if self.phase == "fetch":
            return "fetching the repository"
        if self.phase == "scan":
            return "looking for files"
        what = "embedding" if self.phase == "embed" else "indexing"
        left = "" if self.seconds_left is None else f", about {self.seconds_left:.0f} s left"
        return f"{what}: {self.files_done} of {self.files_total} files, {self.chunks} chunks{left}"


@dataclass(frozen=True, slots=True)
class IndexResult:
    """The outcome of a request to index, or its state when the wait was over first (`status` is `running`).

    `files_indexed` is what the repository lists after the run, `chunks_created` what this run made.
    """

    repository_id: UUID
    job_id: UUID
    path: str
    status: ResultStatus
    files_indexed: int
    files_skipped: int
    chunks_created: int
    duration_seconds: float
    errors: list[str]
    progress: Progress | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Why files are left out, with the numbers of them; see `packhorse_indexing.reasons`."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a repository the index covers, as of the last committed batch, and its latest job.

    `files` counts indexed and skipped ones, `embedded` those of the `chunks` that have their vector.
    """

    repository_id: UUID
    files: int
    files_indexed: int
    chunks: int
    embedded: int
    indexed_at: datetime | None
    job_id: UUID | None
    job_status: JobStatus | None
    job_phase: Phase | None = field(default=None, repr=False)
    job_files: int | None = field(default=None, repr=False)
    job_done: int | None = field(default=None, repr=False)
    job_embed_total: int | None = field(default=None, repr=False)
    job_embed_done: int | None = field(default=None, repr=False)

    @property
    def running(self) -> bool:
        """Whether a job is at work or waits for its turn."""
        return self.job_status in UNFINISHED

    @property
    def complete(self) -> bool:
        """Whether the last run ended well and nothing runs or waits for an embedder."""
        return self.indexed_at is not None and not self.running and self.embedded == self.chunks

    @property
    def fraction(self) -> float:
        """How far the job at work is, in 0..1; 1 when none is."""
        if not self.running or self.job_phase is None:
            return 1.0
        return fraction(
            self.job_phase,
            self.job_done or 0,
            self.job_files or 0,
            self.job_embed_done or 0,
            self.job_embed_total or 0,
        )

    @property
    def age_seconds(self) -> float | None:
        """Seconds since the last complete run."""
        return None if self.indexed_at is None else (datetime.now(UTC) - self.indexed_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Freshness:
    """Whether an index says what its folder holds.

    `changes` counts the files that may differ, None when that is not known; `updated` says that the index was brought
    up to date while the caller waited; `note` is a sentence for the reader when it is not up to date, with the hidden
    characters of the names in it escaped.
    """

    changes: int | None = 0
    updated: bool = False
    note: str | None = None

    def __post_init__(self) -> None:
        if self.note is not None:
            object.__setattr__(self, "note", visible(self.note))


@dataclass(frozen=True, slots=True)
class Report:
    """All that there is to say of a repository's indexing: `job` is its latest, `progress` is there while that runs."""

    repository: Repository
    coverage: Coverage
    job: Job | None
    progress: Progress | None
    freshness: Freshness
    reasons: Mapping[str, int]


def fraction(phase: Phase, files_done: int, files_total: int, embed_done: int, embed_total: int) -> float:
    """Return how far a job is, in 0..1; reading is the first half when chunks wait for an embedder's turn after it."""
    if phase in {"fetch", "scan"}:
        return 0.0
    if phase == "embed":
        return 0.5 + 0.5 * (embed_done / embed_total if embed_total else 1.0)
    return (files_done / files_total if files_total else 1.0) * (0.5 if embed_total else 1.0)


def progress(job: Job, now: datetime | None = None) -> Progress:
    """Return how far a job is, and when it should be done at the pace of its present phase.

    The pace is that of what there was to do, not of files that were found unchanged; a pace of reading says nothing
    of an embedder's whose turn comes after.
    """
    done = fraction(job.phase, job.files_done, job.files_total, job.embed_done, job.embed_total)
    return Progress(
        job.id, job.phase, job.files_done, job.files_total, job.chunks_created, done, _seconds_left(job, now)
    )


def _seconds_left(job: Job, now: datetime | None) -> float | None:
    if job.phase == "embed":
        made, left = job.embed_done, job.embed_total - job.embed_done
    elif job.phase == "index" and not job.embed_total:
        made, left = job.files_done - job.files_unchanged, job.files_total - job.files_done
    else:
        return None
    if made <= 0 or job.phase_at is None or job.reported_at is None:
        return None
    pace = (job.reported_at - job.phase_at).total_seconds() / made
    return max(0.0, pace * left - ((now or datetime.now(UTC)) - job.reported_at).total_seconds())
