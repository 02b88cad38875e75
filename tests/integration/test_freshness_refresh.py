"""Freshness: a look instead of a worker when nothing changed, and searches that bring small changes up to date."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fix_index import Repository, RunningIndex, contents
from packhorse_indexing import refresh
from packhorse_indexing.models import Freshness
from packhorse_indexing.scan import Limits, Scan, scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from packhorse_indexing.models import Repository as Indexed

pytestmark = pytest.mark.integration

PATIENT = 60.0


@pytest.fixture
def project(make_repository: Callable[..., Repository]) -> Repository:
    repository = make_repository().init()
    for number in range(6):
        repository.write(f"src/file_{number}.py", f"def function_{number}():\n    return {number}\n")
    repository.commit()
    return repository


async def indexed(indexing: RunningIndex, project: Repository) -> Indexed:
    """Index a repository until nothing of it is racy any more, and return it."""
    await indexing.index.index(str(project))
    await indexing.query("UPDATE indexing.job SET requested_at = requested_at - interval '1 minute'")
    await asyncio.sleep(2.1)  # a file that was written just now is read once more
    await indexing.index.index(str(project))
    return await indexing.index.find(str(project))


async def workers(indexing: RunningIndex) -> list[int]:
    return [worker for (worker,) in await indexing.query("SELECT DISTINCT worker FROM indexing.job WHERE worker > 0")]


async def paths(indexing: RunningIndex, repository: Indexed) -> set[str]:
    return {
        path
        for (path,) in await indexing.query("SELECT path FROM indexing.file WHERE repository_id = %s", repository.id)
    }


async def test_an_unchanged_folder_is_answered_without_a_worker(indexing: RunningIndex, project: Repository) -> None:
    await indexed(indexing, project)
    result = await indexing.index.index(str(project))
    assert (result.status, result.files_indexed, result.chunks_created) == ("success", 6, 0)
    assert await indexing.query("SELECT worker, status FROM indexing.job WHERE id = %s", result.job_id) == [
        (None, "success")
    ]


async def test_a_commit_without_changes_moves_the_revision(indexing: RunningIndex, project: Repository) -> None:
    before = await indexed(indexing, project)
    project.commit("nothing")
    await indexing.index.index(str(project))
    after = await indexing.index.find(str(project))
    assert (after.branch, after.revision) == ("main", project.git("rev-parse", "HEAD"))
    assert after.revision != before.revision
    assert after.indexed_at is not None
    assert before.indexed_at is not None
    assert after.indexed_at > before.indexed_at


async def test_looks_leave_a_bounded_number_of_jobs(indexing: RunningIndex, project: Repository) -> None:
    await indexed(indexing, project)
    for _ in range(55):
        await indexing.index.index(str(project))
    [[jobs]] = await indexing.query("SELECT count(*) FROM indexing.job")
    assert jobs <= 51


async def test_the_worker_waits_for_the_next_order_and_need_not_scan(
    indexing: RunningIndex, project: Repository
) -> None:
    repository = await indexed(indexing, project)
    first = await workers(indexing)
    project.write("src/new.py", "def new():\n    return 1\n")
    (project.root / "src/file_0.py").unlink()
    result = await indexing.index.index(str(project))
    assert (result.status, result.files_indexed) == ("success", 6)
    assert await paths(indexing, repository) == {"src/new.py", *(f"src/file_{n}.py" for n in range(1, 6))}
    assert len(set(first + await workers(indexing))) == 1


async def test_a_hint_that_is_out_of_date_is_not_followed(indexing: RunningIndex, project: Repository) -> None:
    """Another process indexed in between: the worker looks for itself."""
    repository = await indexed(indexing, project)
    project.write("src/new.py", "def new():\n    return 1\n")
    look = await indexing.index._lookout.look(repository)
    assert look is not None
    assert look.changes == 1
    (project.root / "src/new.py").unlink()
    project.write("src/other.py", "def other():\n    return 1\n")
    await indexing.index.index(str(project))
    job_id, is_new = await indexing.index._jobs.request(repository.id, force=False)
    assert is_new
    hint = look.hint(job_id)
    assert hint is not None
    assert (await indexing.index._jobs.follow(job_id, None, None, hint)).status == "success"
    assert await paths(indexing, repository) == {"src/other.py", *(f"src/file_{n}.py" for n in range(6))}


async def test_a_look_that_is_out_of_date_is_not_recorded(indexing: RunningIndex, project: Repository) -> None:
    repository = await indexed(indexing, project)
    look = await indexing.index._lookout.look(repository)
    assert look is not None
    project.write("src/new.py", "def new():\n    return 1\n")
    await indexing.index.index(str(project))
    assert await indexing.index._lookout.record_unchanged(repository, look) is None


async def test_a_search_brings_a_small_change_up_to_date(indexing: RunningIndex, project: Repository) -> None:
    repository = await indexed(indexing, project)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    project.write("src/new.py", "def new():\n    return 1\n")
    await asyncio.sleep(0.5)  # a look is taken for granted for a moment
    assert await indexing.index.refresh(repository, PATIENT) == Freshness(updated=True)
    assert "src/new.py" in await paths(indexing, repository)
    assert await indexing.index.refresh(await indexing.index.find(str(project)), PATIENT) in {
        Freshness(),
        Freshness(updated=True),  # the new file is still racy
    }


async def test_what_takes_longer_than_the_budget_is_said_and_goes_on(
    indexing: RunningIndex, project: Repository
) -> None:
    repository = await indexed(indexing, project)
    project.write("src/new.py", "def new():\n    return 1\n")
    impatient = await indexing.index.refresh(repository, 0.0)
    assert not impatient.updated
    assert impatient.note is not None
    assert str(project) in impatient.note
    assert (await indexing.index.refresh(repository, PATIENT)).updated
    assert "src/new.py" in await paths(indexing, repository)


async def test_a_folder_that_takes_long_to_look_at_is_not_waited_for_again(
    indexing: RunningIndex, project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = await indexed(indexing, project)
    look = indexing.index.refresher._lookout.look

    async def slow(repository: Indexed, **options: bool) -> Any:
        began = time.monotonic()
        found = await look(repository, **options)
        await asyncio.sleep(0.3)
        return replace(found, seconds=time.monotonic() - began, may_glance=False)

    monkeypatch.setattr(indexing.index.refresher._lookout, "look", slow)
    assert (await indexing.index.refresh(repository, PATIENT)) == Freshness()
    indexing.index.refresher.disturb(repository.id)
    began = time.monotonic()
    freshness = await indexing.index.refresh(repository, 0.25)
    assert time.monotonic() - began < 0.2
    assert freshness.note is not None
    assert "still being compared" in freshness.note
    assert (await indexing.index.refresh(repository, PATIENT)) == Freshness()


async def scans(indexing: RunningIndex, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Note the folders that are scanned from now on in this process, in a list that grows."""
    scanned: list[Path] = []

    def noted(path: Path, limits: Limits) -> Scan:
        scanned.append(path)
        return scan(path, limits)

    monkeypatch.setattr("packhorse_indexing.lookout.scan", noted)
    return scanned


async def test_a_glance_stands_in_for_a_look(
    indexing: RunningIndex, project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = await indexed(indexing, project)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    scanned = await scans(indexing, monkeypatch)
    for _ in range(3):
        indexing.index.refresher.disturb(repository.id)
        assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    assert not scanned
    project.write("src/new.py", "def new():\n    return 1\n")
    indexing.index.refresher.disturb(repository.id)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness(updated=True)
    assert scanned


async def test_a_glance_is_not_taken_for_the_list_of_another_job(
    indexing: RunningIndex, project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has indexed in between, and the folder is again what it was before."""
    repository = await indexed(indexing, project)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    await indexing.query(
        "UPDATE indexing.job SET id = gen_random_uuid() WHERE repository_id = %s AND finished_at IS NOT NULL",
        repository.id,
    )
    await indexing.query(
        """
        DELETE FROM indexing.listing l USING indexing.path p
        WHERE p.pool_id = l.pool_id AND p.id = l.path_id AND p.path = 'src/file_0.py'
        """
    )
    indexing.index.refresher.disturb(repository.id)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness(updated=True)
    assert "src/file_0.py" in await paths(indexing, repository)


async def test_a_look_is_made_again_whatever_glances_say(
    indexing: RunningIndex, project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = await indexed(indexing, project)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    monkeypatch.setattr("packhorse_indexing.lookout.is_unchanged", lambda *_: True)
    project.write("src/new.py", "def new():\n    return 1\n")
    indexing.index.refresher.disturb(repository.id)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    monkeypatch.setattr("packhorse_indexing.refresh.FULL_LOOK", 0.0)
    indexing.index.refresher.disturb(repository.id)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()  # beside it, the look has begun
    async with asyncio.timeout(PATIENT):
        while "src/new.py" not in await paths(indexing, repository):
            await asyncio.sleep(0.05)


async def test_after_a_branch_switch_the_answer_is_right_or_says_that_it_is_not_yet(
    indexing: RunningIndex, project: Repository
) -> None:
    repository = await indexed(indexing, project)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    project.git("checkout", "-q", "-b", "other")
    project.git("rm", "-q", "src/file_0.py")
    project.commit()
    # At once: what was taken for granted is not when HEAD has moved.
    said = await indexing.index.refresh(repository, 0.0)
    assert said.note is not None
    assert (await indexing.index.refresh(repository, PATIENT)).updated
    assert "src/file_0.py" not in await paths(indexing, repository)
    after = await indexing.index.find(str(project))
    assert after.branch == "other"
    project.git("checkout", "-q", "main")
    assert (await indexing.index.refresh(after, PATIENT)).updated
    assert "src/file_0.py" in await paths(indexing, repository)


async def test_who_asks_late_in_a_rest_begins_the_next_look_and_does_not_wait_for_it(
    indexing: RunningIndex, project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = await indexed(indexing, project)
    refresher = indexing.index.refresher
    monkeypatch.setattr(refresh, "REST", 1e6)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    look, begun, held = refresher._lookout.look, asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any, **options: Any) -> Any:
        begun.set()
        await held.wait()
        return await look(*arguments, **options)

    monkeypatch.setattr(refresher._lookout, "look", slow)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    assert not refresher._running, "it is early"
    monkeypatch.setattr(refresh, "EARLY", (1e6, 1.0))
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    await asyncio.wait_for(begun.wait(), PATIENT)
    held.set()
    await asyncio.wait_for(asyncio.gather(*refresher._running.values()), PATIENT)


async def test_a_look_that_began_before_something_changed_is_not_taken_for_granted(
    indexing: RunningIndex, project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = await indexed(indexing, project)
    refresher = indexing.index.refresher
    monkeypatch.setattr(refresh, "REST", 1e6)
    look = refresher._lookout.look

    async def disturbed(*arguments: Any, **options: Any) -> Any:
        found = await look(*arguments, **options)
        refresher.disturb(repository.id)
        return found

    monkeypatch.setattr(refresher._lookout, "look", disturbed)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    assert repository.id not in refresher._fresh
    monkeypatch.setattr(refresher._lookout, "look", look)
    assert await indexing.index.refresh(repository, PATIENT) == Freshness()
    assert repository.id in refresher._fresh


async def test_many_searches_at_once_look_once(indexing: RunningIndex, project: Repository) -> None:
    repository = await indexed(indexing, project)
    project.write("src/new.py", "def new():\n    return 1\n")
    answers = await asyncio.gather(*(indexing.index.refresh(repository, PATIENT) for _ in range(8)))
    assert all(answer.updated for answer in answers)
    [[jobs]] = await indexing.query("SELECT count(*) FROM indexing.job WHERE requested_at > now() - interval '30 s'")
    assert jobs == 2  # that of `indexed`, and this one


async def test_a_folder_that_is_gone_is_said(indexing: RunningIndex, project: Repository) -> None:
    repository = await indexed(indexing, project)
    shutil.rmtree(project.root)
    found = await indexing.index.refresh(repository, PATIENT)
    assert found.changes is None
    assert found.note is not None
    assert "cannot be read" in found.note
    assert len(await paths(indexing, repository)) == 6


async def test_a_repository_of_another_embedder_is_not_touched(run_index: Any, project: Repository) -> None:
    async with run_index() as indexing:
        repository = await indexed(indexing, project)
    project.write("src/new.py", "def new():\n    return 1\n")
    async with run_index(embedder="ollama", embedder_url="http://127.0.0.1:9") as indexing:
        found = await indexing.index.refresh(repository, PATIENT)
        assert (found.changes, found.updated) == (1, False)
        assert found.note is not None
        assert "force_reindex" in found.note
        assert "src/new.py" not in await paths(indexing, repository)


async def test_a_removed_repository_is_no_reason_to_fail(indexing: RunningIndex, project: Repository) -> None:
    repository = await indexed(indexing, project)
    await indexing.index.forget(str(project))
    assert await indexing.index.refresh(repository, PATIENT) == Freshness(changes=None)


async def test_refreshed_is_the_same_as_rebuilt(indexing: RunningIndex, project: Repository) -> None:
    repository = await indexed(indexing, project)
    project.write("src/file_1.py", "def changed():\n    return 'changed'\n")
    (project.root / "src/file_2.py").rename(project.root / "src/renamed.py")
    await indexing.index.refresh(repository, PATIENT)
    refreshed = await contents(indexing, repository.id)
    await indexing.index.index(str(project), force=True)
    assert refreshed == await contents(indexing, repository.id)
