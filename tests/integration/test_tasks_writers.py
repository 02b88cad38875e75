"""Many writers at random against a model of what a tracker is."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from packhorse.errors import ConflictError
from packhorse_tasks.drafts import draft
from packhorse_tasks.models import STATUSES, Task
from packhorse_tasks.search import Filter
from packhorse_tasks.tracker import Tracker

pytestmark = [pytest.mark.integration, pytest.mark.slow]

WRITERS = 12
STEPS = 40
TASKS = 8


class Writer:
    """Changes tasks with the version that it last saw, and keeps what the tracker acknowledged."""

    def __init__(self, tracker: Tracker, name: str, tasks: list[Task], seed: int) -> None:
        self.tracker = tracker
        self.name = name
        self.seen = {task.id: task for task in tasks}
        self.random = random.Random(seed)
        self.acknowledged: list[tuple[str, int, dict[str, Any]]] = []

    async def run(self) -> None:
        for _ in range(STEPS):
            task = self.seen[self.random.choice(list(self.seen))]
            change = self.random.choice([self.change, self.collect, self.depend, self.claim])
            try:
                await change(task)
            except ConflictError:
                self.seen[task.id] = await self.tracker.get(task.uuid)

    async def change(self, task: Task) -> None:
        wanted = {"status": self.random.choice(STATUSES), "notes": f"{self.name} {self.random.random()}"}
        await self.write(task, wanted, expected=task.version)

    async def collect(self, task: Task) -> None:
        await self.write(task, {"branches": [f"{self.name}-{self.random.randrange(1000)}"]}, expected=None)

    async def depend(self, task: Task) -> None:
        others = self.random.sample(sorted(self.seen), self.random.randrange(3))
        await self.write(task, {"depends_on": others}, expected=task.version)

    async def claim(self, task: Task) -> None:
        self.seen[task.id] = await self.tracker.claim(task.uuid, self.name, lease=self.random.choice([1, 60]))

    async def write(self, task: Task, wanted: dict[str, Any], expected: int | None) -> None:
        changed = await self.tracker.update(task.uuid, draft(**wanted), actor=self.name, expected_version=expected)
        self.seen[task.id] = changed
        self.acknowledged.append((task.id, changed.version, wanted))


@pytest.mark.parametrize("seed", [1, 2])
async def test_many_writers_lose_nothing_and_contradict_nothing(
    packhorse_client, packhorse_database: Any, seed: int
) -> None:
    async with packhorse_client("tasks"):
        tracker = Tracker(packhorse_database)
        tasks = [await tracker.create(draft(title=f"T{i}"), actor="x") for i in range(TASKS)]
        writers = [Writer(tracker, f"w{i}", tasks, seed * 100 + i) for i in range(WRITERS)]
        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.run())
        final = {task.id: await tracker.get(task.uuid) for task in tasks}
        histories = {task.id: await tracker.history(task.uuid) for task in tasks}
        ready = {task.id for task in (await tracker.list(Filter(ready=True), limit=100)).tasks}

    for task_id, task in final.items():
        entries = histories[task_id]
        assert [entry.version for entry in entries] == list(range(1, task.version + 1))
        assert_replays(task, entries)
        for writer in writers:
            for acknowledged, version, wanted in writer.acknowledged:
                if acknowledged == task_id and "branches" in wanted:
                    assert set(wanted["branches"]) <= set(task.branches)
                if acknowledged == task_id and version > 1 and "notes" in wanted:
                    assert entries[version - 1].changes["notes"][1] == wanted["notes"]
    assert_no_cycle(final)
    for task_id, task in final.items():
        blocked = any(final[link.id].status != "complete" for link in task.depends_on) and task.status != "complete"
        assert task.blocked == blocked
        assert not (blocked and task_id in ready)


def assert_replays(task: Task, entries: Any) -> None:
    """The audit, applied in order, gives the task; each entry begins where the one before it ended."""
    state: dict[str, Any] = {"status": "need to be done", "notes": None, "branches": [], "depends_on": [],
                             "claimed_by": None, "assignee": None}  # fmt: skip
    for entry in entries:
        for name, (old, new) in entry.changes.items():
            if name in state:
                assert state[name] == old, (name, entry)
                state[name] = new
    assert state["status"] == task.status
    assert state["notes"] == task.notes
    assert state["branches"] == task.branches
    assert state["claimed_by"] == task.claimed_by
    assert state["depends_on"] == sorted(link.id for link in task.depends_on)
    changes = list(task.status_history)
    assert [change.to_status for change in changes[-1:]] == ([task.status] if changes else [])


def assert_no_cycle(tasks: dict[str, Task]) -> None:
    left = {task.id: {link.id for link in task.depends_on} for task in tasks.values()}
    while left:
        free = [task_id for task_id, needs in left.items() if not needs & left.keys()]
        assert free, left
        for task_id in free:
            del left[task_id]
