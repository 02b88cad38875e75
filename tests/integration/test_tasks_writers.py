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
            change = self.random.choice(
                [self.change, self.collect, self.depend, self.claim, self.release, self.label, self.remark, self.delete]
            )
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
        self.seen[task.id] = await self.tracker.claim(task.uuid, self.name, lease=3_600)

    async def release(self, task: Task) -> None:
        self.seen[task.id] = await self.tracker.claim(task.uuid, self.name, lease=0)

    async def label(self, task: Task) -> None:
        await self.write(task, {"labels": self.random.sample("abcdef", 2)}, expected=None)

    async def remark(self, task: Task) -> None:
        await self.write(task, {"comment": f"{self.name} {self.random.random()}"}, expected=None)

    async def delete(self, task: Task) -> None:
        await self.write(task, {"deleted": not task.deleted_at}, expected=None)

    async def write(self, task: Task, wanted: dict[str, Any], expected: int | None) -> None:
        changed = await self.tracker.update(task.uuid, draft(**wanted), actor=self.name, expected_version=expected)
        self.seen[task.id] = changed
        self.acknowledged.append((task.id, changed.version, wanted))


@pytest.mark.parametrize("seed", [1, 2])
async def test_many_writers_lose_nothing_and_contradict_nothing(
    packhorse_client, packhorse_database: Any, seed: int
) -> None:
    async with packhorse_client("tasks") as client:
        await client.call_tool("list_tasks", {})  # waits for a start that is late, as the tracker itself does not
        tracker = Tracker(packhorse_database)
        tasks = [await tracker.create(draft(title=f"T{i}"), actor="x") for i in range(TASKS)]
        writers = [Writer(tracker, f"w{i}", tasks, seed * 100 + i) for i in range(WRITERS)]
        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.run())
        final = {task.id: await tracker.get(task.uuid) for task in tasks}
        histories = {task.id: await tracker.history(task.uuid) for task in tasks}
        ready = {task.id for task in (await tracker.list(Filter(ready=True), limit=100)).tasks}
        listed = {task.id for task in (await tracker.list(Filter(), limit=100)).tasks}
        deleted = {task.id for task in (await tracker.list(Filter(deleted=True), limit=100)).tasks}

    acknowledged = [one for writer in writers for one in writer.acknowledged]
    assert deleted == {task.id for task in final.values() if task.deleted_at}
    assert listed == set(final) - deleted
    for task_id, task in final.items():
        entries = histories[task_id]
        assert [entry.version for entry in entries] == list(range(1, task.version + 1))
        assert_replays(task, entries, deleted)
        own = [(version, wanted) for changed, version, wanted in acknowledged if changed == task_id]
        for version, wanted in own:
            assert set(wanted.get("branches", [])) <= set(task.branches)
            for name in wanted.keys() & {"notes", "comment"}:
                assert entries[version - 1].changes[name][1] == wanted[name]
        remarks = [wanted["comment"] for _, wanted in sorted(own, key=lambda one: one[0]) if "comment" in wanted]
        assert task.comment_count == len(remarks)
        assert [comment.body for comment in task.comments] == remarks[-20:]
    assert_no_cycle(final)
    for task_id, task in final.items():
        waits = any(link.status != "complete" for link in task.depends_on)
        assert task.blocked == (waits and task.status != "complete" and task_id not in deleted)
        assert not (task_id in ready and (waits or task.claimed_by or task.status == "complete" or task_id in deleted))


def assert_replays(task: Task, entries: Any, deleted: set[str]) -> None:
    """The audit, applied in order, gives the task; each entry begins where the one before it ended.

    No claim passes from one holder to another unreleased, for none of them runs out so soon.
    """
    state: dict[str, Any] = {"status": "need to be done", "notes": None, "branches": [], "labels": [], "depends_on": [],
                             "claimed_by": None, "assignee": None, "deleted": False}  # fmt: skip
    for entry in entries:
        assert not state["deleted"] or entry.changes.get("deleted") == [True, False], entry
        for name, (old, new) in entry.changes.items():
            if name in state:
                assert state[name] == old, (name, entry)
                state[name] = new
                assert name != "claimed_by" or None in {old, new}, entry
    assert state["deleted"] == (task.id in deleted)
    assert state["labels"] == task.labels
    assert state["status"] == task.status
    assert state["notes"] == task.notes
    assert state["branches"] == task.branches
    assert state["claimed_by"] == task.claimed_by
    assert sorted(set(state["depends_on"]) - deleted) == sorted(link.id for link in task.depends_on)
    changes = list(task.status_history)
    assert [change.to_status for change in changes[-1:]] == ([task.status] if changes else [])


def assert_no_cycle(tasks: dict[str, Task]) -> None:
    left = {task.id: {link.id for link in task.depends_on} for task in tasks.values()}
    while left:
        free = [task_id for task_id, needs in left.items() if not needs & left.keys()]
        assert free, left
        for task_id in free:
            del left[task_id]
