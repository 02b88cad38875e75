"""What an answer says about progress and coverage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from packhorse_indexing.models import Coverage, Job, fraction, progress

pytestmark = pytest.mark.unit

START = datetime(2026, 1, 1, tzinfo=UTC)


def job(**changes: object) -> Job:
    values: dict[str, object] = {
        "id": uuid4(), "repository_id": uuid4(), "pool_id": 1, "status": "running", "force": False, "phase": "index",
        "files_total": 100, "files_done": 25, "files_skipped": 0, "chunks_created": 40, "embed_total": 0,
        "embed_done": 0, "errors": [], "requested_at": START, "started_at": START, "heartbeat_at": START,
        "finished_at": None,
    }  # fmt: skip
    return Job(**(values | changes))  # type: ignore[arg-type]  # the table above has the types


def coverage(**changes: object) -> Coverage:
    values: dict[str, object] = {
        "repository_id": uuid4(), "files": 3, "files_indexed": 2, "chunks": 5, "embedded": 5, "indexed_at": START,
        "job_id": uuid4(), "job_status": "success", "job_phase": "index", "job_files": 2, "job_done": 2,
    }  # fmt: skip
    return Coverage(**(values | changes))  # type: ignore[arg-type]  # the table above has the types


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_the_time_left_follows_from_the_pace_of_the_phase() -> None:
    """However long the job waited, looked for files or lay dead before it."""
    seen = progress(job(phase_at=at(90), reported_at=at(100)), now=at(100))
    assert (seen.fraction, seen.seconds_left) == (0.25, 30.0)
    assert seen.message == "indexing: 25 of 100 files, 40 chunks, about 30 s left"
    embedding = job(phase="embed", embed_done=10, embed_total=40, phase_at=at(0), reported_at=at(5))
    assert progress(embedding, now=at(5)).seconds_left == 15.0


def test_files_that_were_found_unchanged_make_no_pace() -> None:
    """Nine tenths that took no time say nothing of the last tenth."""
    seen = progress(
        job(files_done=95, files_unchanged=90, phase_at=START, reported_at=at(10)),
        now=at(10),
    )
    assert seen.seconds_left == 10.0
    assert progress(job(files_unchanged=25, phase_at=START, reported_at=START)).seconds_left is None


def test_the_time_left_counts_down_between_two_reports() -> None:
    running = job(phase_at=START, reported_at=at(10))
    assert progress(running, now=at(25)).seconds_left == 15.0
    assert progress(running, now=at(99)).seconds_left == 0.0


def test_the_pace_of_reading_says_nothing_of_an_embedder_that_comes_after_it() -> None:
    assert progress(job(embed_total=10, phase_at=START, reported_at=START), now=START).seconds_left is None


def test_nothing_is_promised_before_anything_is_done() -> None:
    seen = progress(job(phase="scan", files_done=0))
    assert (seen.fraction, seen.seconds_left, seen.message) == (0.0, None, "looking for files")
    fetching = progress(job(phase="fetch", files_done=0))
    assert (fetching.fraction, fetching.seconds_left, fetching.message) == (0.0, None, "fetching the repository")


def test_reading_is_half_of_the_work_when_chunks_wait_for_an_embedder() -> None:
    assert fraction("index", 50, 100, 0, 0) == 0.5
    assert fraction("index", 50, 100, 0, 10) == 0.25
    assert fraction("embed", 100, 100, 5, 10) == 0.75
    assert fraction("embed", 0, 0, 0, 0) == 1.0
    assert fraction("index", 0, 0, 0, 0) == 1.0
    assert "embedding" in progress(job(phase="embed", embed_total=10)).message


@pytest.mark.parametrize(
    "lacking",
    [{"indexed_at": None}, {"job_status": "running"}, {"job_status": "queued"}, {"embedded": 4}],
    ids=["never complete", "running", "queued", "waiting for vectors"],
)
def test_an_index_is_complete_only_when_nothing_is_lacking(lacking: dict[str, object]) -> None:
    assert coverage().complete
    assert not coverage(**lacking).complete


def test_coverage_tells_how_far_the_job_at_work_is() -> None:
    assert coverage().fraction == 1.0
    assert coverage(job_status="running", job_files=4, job_done=1).fraction == 0.25
    assert coverage(indexed_at=None).age_seconds is None
    assert (coverage().age_seconds or 0) > 0
