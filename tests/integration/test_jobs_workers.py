"""Jobs: durable, resumed after any death, one worker for a pool, cancelled between batches."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fix_index import Repository, RunningIndex, contents
from packhorse.errors import NotFoundError, UnavailableError
from packhorse_indexing.launch import MAX_COMPUTING, MAX_FAILURES, Launcher
from packhorse_indexing.settings import IndexingSettings
from packhorse_indexing.store import catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from packhorse_indexing.models import IndexResult, Progress

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def large(make_repository: Callable[..., Repository]) -> Repository:
    """A repository that takes several batches."""
    import fastmcp
    import rich

    repository = make_repository("large").init()
    for package in (fastmcp, rich):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, repository.root / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    repository.commit()
    return repository


async def worker_of(indexing: RunningIndex, *, chunks: int = 0) -> int:
    """Wait for a job at work that has made some chunks, and return its worker's process id."""
    for _ in range(1500):
        rows = await indexing.query(
            "SELECT worker FROM indexing.job WHERE status = 'running' AND worker IS NOT NULL AND chunks_created >= %s",
            chunks,
        )
        if rows:
            return int(rows[0][0])
        await asyncio.sleep(0.01)
    raise AssertionError("no worker began")


async def start(indexing: RunningIndex, repository: Repository, **options: Any) -> IndexResult:
    """Ask for a run without waiting for it."""
    result = await indexing.index.index(str(repository), wait=0, **options)
    assert result.status == "running"
    assert result.progress is not None
    return result


async def test_who_never_waits_is_told_at_last_that_all_is_done(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    small = make_repository()
    small.write("one.py", "one = 1\n")
    begun = await start(indexing, small)
    await indexing.index.follow(begun.job_id, None)
    polled = await indexing.index.index(str(small), wait=0)
    assert (polled.status, polled.files_indexed) == ("success", 1)


async def test_a_request_that_does_not_wait_answers_running_with_its_job(
    indexing: RunningIndex, large: Repository
) -> None:
    begun = await start(indexing, large)
    joined = await indexing.index.index(str(large))
    assert joined.job_id == begun.job_id
    assert joined.status == "success"
    assert joined.progress is None


async def test_progress_grows_and_names_the_job(indexing: RunningIndex, large: Repository) -> None:
    seen: list[Progress] = []

    async def watch(progress: Progress) -> None:
        seen.append(progress)

    result = await indexing.index.index(str(large), on_progress=watch)
    assert {one.job_id for one in seen} == {result.job_id}
    fractions = [one.fraction for one in seen]
    assert fractions == sorted(fractions)
    assert any(0 < one.fraction < 1 and one.seconds_left is not None for one in seen)
    assert all(one.message for one in seen)


async def test_what_is_committed_can_be_read_while_the_rest_is_at_work(
    indexing: RunningIndex, large: Repository
) -> None:
    await start(indexing, large)
    await worker_of(indexing, chunks=1)
    [found] = await indexing.index.repositories()
    [coverage] = await indexing.index.coverage([found.id])
    assert coverage.files_indexed > 0
    assert coverage.chunks == coverage.embedded > 0
    if coverage.running:
        assert not coverage.complete
        assert 0 < coverage.fraction < 1
    await indexing.index.index(str(large))


async def test_a_killed_worker_is_replaced_and_nothing_is_done_twice(indexing: RunningIndex, large: Repository) -> None:
    begun = await start(indexing, large)
    os.kill(await worker_of(indexing, chunks=1), signal.SIGKILL)
    [[saved]] = await indexing.query("SELECT count(*) FROM indexing.chunk")
    killed_at = time.monotonic()
    result = await indexing.index.index(str(large))
    assert (result.job_id, result.status) == (begun.job_id, "success")
    assert time.monotonic() - killed_at < 60
    [[chunks, made]] = await indexing.query("SELECT count(*), max(id) FROM indexing.chunk")
    assert saved >= 1000
    # Had the first batch been made again, its ids would be spent twice.
    assert made == chunks == result.chunks_created
    incremental = await contents(indexing, result.repository_id)
    assert (await indexing.index.index(str(large), force=True)).status == "success"
    assert incremental == await contents(indexing, result.repository_id)


async def test_a_worker_killed_again_and_again_still_ends_with_a_whole_index(
    indexing: RunningIndex, large: Repository
) -> None:
    await start(indexing, large)
    following = asyncio.create_task(indexing.index.index(str(large)))
    for pause in (0.0, 0.4, 0.9):
        pid = await worker_of(indexing)
        await asyncio.sleep(pause)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            break
        await asyncio.sleep(0.2)
    result = await following
    assert result.status in {"success", "partial"}
    assert result.files_indexed == len((await contents(indexing, result.repository_id)).keys()) - result.files_skipped


async def test_a_job_that_nobody_follows_is_taken_over_when_its_worker_dies(
    indexing: RunningIndex, large: Repository
) -> None:
    begun = await start(indexing, large)
    dead = await worker_of(indexing, chunks=1)
    os.kill(dead, signal.SIGKILL)
    killed_at = time.monotonic()
    while await worker_of(indexing) == dead:
        await asyncio.sleep(0.01)
    assert time.monotonic() - killed_at < 4  # 2 s, and as much again for a machine that does other things too
    assert await finished(indexing, begun.job_id) == "success"


async def finished(indexing: RunningIndex, job_id: UUID) -> str:
    """Wait for a job without following it, and return how it ended."""
    for _ in range(1200):
        [[status]] = await indexing.query("SELECT status FROM indexing.job WHERE id = %s", job_id)
        if status not in {"queued", "running"}:
            return str(status)
        await asyncio.sleep(0.05)
    raise AssertionError("the job does not end")


async def test_a_job_outlives_the_process_that_asked_for_it(
    packhorse_environment: dict[str, str], run_index: Any, large: Repository
) -> None:
    """The client's server is killed; the worker goes on."""
    command = [sys.executable, "-m", "packhorse", "index", str(large), "--json"]
    environment = packhorse_environment | {"PACKHORSE_PLUGINS": "packhorse-indexing"}
    async with run_index() as indexing:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        worker = await worker_of(indexing)
        process.kill()
        await process.wait()
        os.kill(worker, 0)
        [[job_id]] = await indexing.query("SELECT id FROM indexing.job")
        assert await finished(indexing, job_id) == "success"


async def test_eight_processes_that_ask_at_once_get_one_job_and_one_worker(
    packhorse_environment: dict[str, str], run_index: Any, large: Repository
) -> None:
    import json

    command = [sys.executable, "-m", "packhorse", "index", str(large), "--json"]
    environment = packhorse_environment | {"PACKHORSE_PLUGINS": "packhorse-indexing"}
    async with run_index() as indexing:
        processes = [
            await asyncio.create_subprocess_exec(
                *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            for _ in range(8)
        ]
        answers = []
        for process in processes:
            out, err = await process.communicate()
            assert process.returncode == 0, err.decode()
            answers.append(json.loads(out))
        [[files]] = await indexing.query("SELECT count(blob_id) FROM indexing.file")
        assert {(answer["status"], answer["files_indexed"]) for answer in answers} == {("success", files)}
        [[chunks, made]] = await indexing.query("SELECT count(*), max(id) FROM indexing.chunk")
        assert made == chunks
        [[repositories, pools]] = await indexing.query(
            "SELECT (SELECT count(*) FROM indexing.repository), (SELECT count(*) FROM indexing.pool)"
        )
        assert (repositories, pools) == (1, 1)


async def test_a_cancelled_job_stops_between_batches_and_the_next_run_goes_on(
    indexing: RunningIndex, large: Repository
) -> None:
    begun = await start(indexing, large)
    await worker_of(indexing, chunks=1)
    assert await indexing.index.cancel(begun.job_id)
    assert await finished(indexing, begun.job_id) in {"cancelled", "success"}
    assert not await indexing.index.cancel(begun.job_id)
    [[before]] = await indexing.query("SELECT count(*) FROM indexing.chunk")
    result = await indexing.index.index(str(large))
    [[chunks]] = await indexing.query("SELECT count(*) FROM indexing.chunk")
    assert result.status == "success"
    assert result.chunks_created == chunks - before


async def test_a_job_cancelled_before_it_began_says_so(indexing: RunningIndex, large: Repository) -> None:
    begun = await start(indexing, large)
    await indexing.query("UPDATE indexing.job SET cancel = true")
    assert await finished(indexing, begun.job_id) == "cancelled"


async def test_a_forced_request_follows_a_run_that_is_not_forced(indexing: RunningIndex, large: Repository) -> None:
    begun = await start(indexing, large)
    await worker_of(indexing)
    forced = await indexing.index.index(str(large), force=True)
    assert forced.job_id != begun.job_id
    assert forced.status == "success"
    assert forced.chunks_created > 0


async def test_a_forced_run_that_dies_does_not_begin_anew(indexing: RunningIndex, large: Repository) -> None:
    first = await indexing.index.index(str(large))
    [[chunks]] = await indexing.query("SELECT max(id) FROM indexing.chunk")
    await start(indexing, large, force=True)
    os.kill(await worker_of(indexing, chunks=1), signal.SIGKILL)
    result = await indexing.index.index(str(large), force=True)
    assert result.status == "success"
    [[rows, smallest, largest]] = await indexing.query("SELECT count(*), min(id), max(id) FROM indexing.chunk")
    assert (rows, smallest, largest) == (first.chunks_created, chunks + 1, 2 * chunks)


async def test_a_job_that_outlived_too_many_workers_fails(indexing: RunningIndex, large: Repository) -> None:
    begun = await start(indexing, large)
    pid = await worker_of(indexing)
    await indexing.query("UPDATE indexing.job SET attempts = 100, cancel = false")
    os.kill(pid, signal.SIGKILL)
    status = await finished(indexing, begun.job_id)
    if status == "failed":  # the worker may have committed a batch first, which is progress
        [[errors]] = await indexing.query("SELECT errors FROM indexing.job WHERE id = %s", begun.job_id)
        assert "without progress" in errors[0]


async def test_workers_that_cannot_start_are_reported_with_their_log(packhorse_settings: Any, tmp_path: Path) -> None:
    """The database is gone for good: a worker ends with an error, and whoever follows is told where to look."""
    from loguru import logger

    broken = packhorse_settings.model_copy(update={"db_pool_size": "not a number"})
    launcher = Launcher(broken, IndexingSettings(), logger)
    with pytest.raises(UnavailableError, match=f"{MAX_FAILURES} times") as caught:
        for _ in range(3000):
            await launcher.ensure(1)
            await asyncio.sleep(0.02)
    assert "logs" in caught.value.remedy


async def test_many_repositories_at_once_take_turns(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    """Memory is bounded: two workers, however many repositories are asked for."""
    repositories = [make_repository() for _ in range(5)]
    for number, repository in enumerate(repositories):
        repository.write("module.py", f"def remember_{number}(value):\n    return value\n")
    workers = indexing.index._jobs._launcher._workers
    at_work = []
    runs = [asyncio.create_task(indexing.index.index(str(repository))) for repository in repositories]
    while not all(run.done() for run in runs):
        at_work.append(sum(not worker.idle and worker.process.poll() is None for worker in workers.values()))
        await asyncio.sleep(0.01)
    assert [run.result().status for run in runs] == ["success"] * 5
    assert 1 <= max(at_work) <= MAX_COMPUTING


async def test_a_removed_repository_ends_its_job(indexing: RunningIndex, large: Repository) -> None:
    begun = await start(indexing, large)
    await worker_of(indexing)
    forgotten = await indexing.index.forget(str(large))
    assert forgotten.path == str(large.root)
    assert await indexing.index.repositories() == []
    for table in ("pool", "job", "file", "blob", "segment", "chunk", "embedding", "posting", "definition"):
        assert await indexing.query(f"SELECT count(*) FROM indexing.{table}") == [(0,)], table
    with pytest.raises(NotFoundError):
        await indexing.index._jobs.follow(begun.job_id, None)
    assert (await indexing.index.index(str(large))).status == "success"


async def test_a_worker_that_loses_its_connection_goes_on_by_itself(indexing: RunningIndex, large: Repository) -> None:
    """As when PostgreSQL is killed and started again."""
    begun = await start(indexing, large)
    pid = await worker_of(indexing, chunks=1)
    await indexing.query(
        """
        SELECT pg_terminate_backend(l.pid) FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.classid = %s::bigint::oid
        """,
        catalog.POOL_LOCK,
    )
    assert await finished(indexing, begun.job_id) == "success"
    [[again]] = await indexing.query("SELECT worker FROM indexing.job")
    assert again == pid
    [[chunks, made]] = await indexing.query("SELECT count(*), max(id) FROM indexing.chunk")
    assert chunks == made


async def test_a_folder_that_vanishes_before_its_job_begins_fails_with_a_remedy(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository()
    repository.write("a.py", "x = 1\n")
    first = await indexing.index.index(str(repository))
    shutil.rmtree(repository.root)
    job_id, _ = await indexing.index._jobs.request(first.repository_id, force=False)
    job = await indexing.index._jobs.follow(job_id, None)
    assert job.status == "failed"
    assert "packhorse forget" in job.errors[0]
    assert (await contents(indexing, first.repository_id)).keys() == {"a.py"}


async def test_a_defect_in_a_run_is_reported_without_its_details(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository()
    repository.write("a.py", "x = 1\n")
    await indexing.query("ALTER TABLE indexing.segment RENAME TO elsewhere")
    result = await indexing.index.index(str(repository))
    assert result.status == "failed"
    assert result.errors == ["It stopped at a defect (UndefinedTable); the log says more."]
    await indexing.query("ALTER TABLE indexing.elsewhere RENAME TO segment")
    assert (await indexing.index.index(str(repository))).status == "success"
