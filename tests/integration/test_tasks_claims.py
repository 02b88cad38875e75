"""Claims: one holder at a time, whoever else tries, and whoever is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from packhorse.errors import ConflictError, NotFoundError, PackhorseError
from packhorse_tasks import store
from packhorse_tasks.drafts import draft
from packhorse_tasks.search import Filter
from packhorse_tasks.tracker import Tracker

pytestmark = pytest.mark.integration

CLAIM_ALL = """
import asyncio, sys
from packhorse.database import Database
from packhorse.errors import NotFoundError
from packhorse.settings import load_settings
from packhorse_tasks.tracker import Tracker

async def main(name):
    database = Database(load_settings())
    await database.open()
    tracker = Tracker(database)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        while True:
            print((await tracker.claim(None, name, lease=3600)).id, flush=True)
    except NotFoundError:
        print("none left", flush=True)
    await database.close()

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
async def tracker(packhorse_client, packhorse_database):
    async with packhorse_client("tasks"):
        yield Tracker(packhorse_database)


async def holders(tracker: Tracker) -> dict[str, list[str]]:
    """Return who claimed each task according to the audit."""
    page = await tracker.list(Filter(), limit=100)
    found: dict[str, list[str]] = {}
    for task in page.tasks:
        history = await tracker.history(await tracker.resolve(task.id))
        found[task.id] = [str(e.changes["claimed_by"][1]) for e in history if e.changes.get("claimed_by", [0, None])[1]]
    return found


@pytest.mark.slow
async def test_ten_processes_claim_a_hundred_tasks_each_exactly_once_though_some_are_killed(
    tracker: Tracker, packhorse_environment: dict[str, str]
) -> None:
    for i in range(100):
        await tracker.create(draft(title=f"T{i}"), actor="x")
    environment = {**os.environ, **packhorse_environment}
    processes = await asyncio.to_thread(start, environment)
    try:
        said = await asyncio.to_thread(race, processes)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    told = [task for lines in said for task in lines if task != "none left"]
    assert max(Counter(told).values()) == 1
    claimed = await holders(tracker)
    assert {len(who) for who in claimed.values()} == {1}
    for i, lines in enumerate(said):
        assert all(claimed[task] == [f"agent-{i}"] for task in lines if task != "none left")
    assert (await tracker.list(Filter(status="in-progress"))).total_count == 100


def start(environment: dict[str, str]) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM_ALL, f"agent-{i}"],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for i in range(10)
    ]


def race(processes: list[subprocess.Popen[str]]) -> list[list[str]]:
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes[:3]:
        assert process.stdout is not None
        first = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
        process.first = first  # type: ignore[attr-defined] # what it told before it died
    said = []
    for process in processes:
        lines = process.communicate()[0].split("\n")
        said.append([line for line in [getattr(process, "first", ""), *lines] if len(line) in (36, 9)])
    return said


async def test_a_claimed_task_names_its_holder_to_the_next(tracker: Tracker) -> None:
    task = await tracker.create(draft(title="T"), actor="x")
    claimed = await tracker.claim(task.uuid, "ada", lease=60)
    assert (claimed.status, claimed.assignee, claimed.claimed_by) == ("in-progress", "ada", "ada")
    with pytest.raises(ConflictError, match="is claimed by ada until 20") as caught:
        await tracker.claim(task.uuid, "bob")
    assert caught.value.details["holder"] == "ada"


async def test_of_twenty_who_want_one_task_one_gets_it(tracker: Tracker) -> None:
    task = await tracker.create(draft(title="T"), actor="x")
    outcomes = await asyncio.gather(
        *(tracker.claim(task.uuid, f"agent-{i}") for i in range(20)), return_exceptions=True
    )
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert all(isinstance(outcome, ConflictError) for outcome in outcomes if isinstance(outcome, Exception))


async def test_a_lease_that_has_run_out_leaves_the_task_to_others(tracker: Tracker) -> None:
    task = await tracker.create(draft(title="T"), actor="x")
    await tracker.claim(task.uuid, "ada", lease=1)
    assert (await tracker.list(Filter(ready=True))).total_count == 0
    await asyncio.sleep(1.1)
    assert (await tracker.list(Filter(ready=True))).total_count == 1
    assert (await tracker.claim(None, "bob")).claimed_by == "bob"
    assert (await tracker.history(task.uuid))[-1].changes["claimed_by"] == ["ada", "bob"]


async def test_claiming_again_extends_the_lease_and_is_no_change(tracker: Tracker) -> None:
    task = await tracker.create(draft(title="T"), actor="x")
    first = await tracker.claim(task.uuid, "ada", lease=10)
    again = await tracker.claim(task.uuid, "ada", lease=1000)
    assert str(again.claimed_until) > str(first.claimed_until)
    assert again.version == first.version


async def test_only_the_holder_releases(tracker: Tracker) -> None:
    task = await tracker.create(draft(title="T"), actor="x")
    with pytest.raises(ConflictError, match="it is not claimed"):
        await tracker.claim(task.uuid, "ada", lease=0)
    await tracker.claim(task.uuid, "ada")
    with pytest.raises(ConflictError, match="it is claimed by ada"):
        await tracker.claim(task.uuid, "bob", lease=0)
    released = await tracker.claim(task.uuid, "ada", lease=0)
    assert (released.status, released.claimed_by, released.assignee) == ("need to be done", None, None)


async def test_a_blocked_task_names_its_blockers_and_a_complete_one_is_not_claimed(tracker: Tracker) -> None:
    blocker = await tracker.create(draft(title="first"), actor="x")
    task = await tracker.create(draft(title="T", depends_on=[blocker.id]), actor="x")
    with pytest.raises(ConflictError, match=f'blocked by {blocker.id} "first"'):
        await tracker.claim(task.uuid, "ada")
    await tracker.update(blocker.uuid, draft(status="complete"), actor="x")
    with pytest.raises(ConflictError, match="complete already"):
        await tracker.claim(blocker.uuid, "ada")
    assert (await tracker.claim(task.uuid, "ada")).claimed_by == "ada"


async def test_completing_ends_the_claim(tracker: Tracker) -> None:
    task = await tracker.create(draft(title="T"), actor="x")
    await tracker.claim(task.uuid, "ada")
    completed = await tracker.update(task.uuid, draft(status="complete"), actor="ada")
    assert (completed.claimed_by, completed.claimed_until, completed.assignee) == (None, None, "ada")


async def test_the_next_task_is_the_most_urgent_without_open_sub_tasks(tracker: Tracker) -> None:
    parent = await tracker.create(draft(title="parent", priority="critical"), actor="x")
    child = await tracker.create(draft(title="child", parent_id=parent.id), actor="x")
    high = await tracker.create(draft(title="high", priority="high"), actor="x")
    claimed = [(await tracker.claim(None, name)).id for name in ("ada", "bob")]
    assert claimed == [high.id, child.id]
    with pytest.raises(NotFoundError, match="No task is ready"):
        await tracker.claim(None, "eve")
    await tracker.update(child.uuid, draft(status="complete"), actor="bob")
    assert (await tracker.claim(None, "eve")).id == parent.id


async def test_a_holder_that_vanishes_in_the_middle_of_a_claim_holds_nothing(
    tracker: Tracker, packhorse_database: Any
) -> None:
    task = await tracker.create(draft(title="T"), actor="x")

    class VanishedError(PackhorseError):
        pass

    with pytest.raises(VanishedError):
        async with packhorse_database.connection() as connection:
            await store.row(connection, store.LOCK, {"id": task.uuid})
            await store.rows(connection, store.RENEW, {"id": uuid4(), "lease": 1})
            raise VanishedError("gone")
    assert (await tracker.claim(task.uuid, "bob")).claimed_by == "bob"


async def test_the_tool_checks_its_arguments(packhorse_client) -> None:
    async with packhorse_client("tasks") as client:
        for arguments, sentence in (
            ({"assignee": "ada"}, "No task is ready"),
            ({"assignee": " "}, "assignee is empty"),
            ({"assignee": "ada", "lease_seconds": -1}, "lease_seconds -1"),
            ({"assignee": "ada", "lease_seconds": 90_000}, "lease_seconds 90000"),
            ({"assignee": "ada", "lease_seconds": 0}, "needs the task_id"),
            ({"assignee": "ada", "task_id": str(uuid4())}, "There is no task"),
        ):
            answer = await client.call_tool("claim_task", arguments, raise_on_error=False)
            assert answer.is_error
            assert sentence in answer.content[0].text
