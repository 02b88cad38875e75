"""The tracker beyond the contract: sub-tasks, dependencies, versions, audit, deletion; through the tools."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from packhorse_tasks.drafts import draft
from packhorse_tasks.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration


class Tools:
    def __init__(self, client: Any) -> None:
        self.client = client

    async def __call__(self, name: str, **arguments: Any) -> dict[str, Any]:
        return (await self.client.call_tool(name, arguments)).structured_content

    async def refused(self, name: str, **arguments: Any) -> str:
        answer = await self.client.call_tool(name, arguments, raise_on_error=False)
        assert answer.is_error, answer.structured_content
        return answer.content[0].text

    async def new(self, title: str = "T", **arguments: Any) -> str:
        return (await self("create_task", title=title, **arguments))["id"]

    async def titles(self, **arguments: Any) -> list[str]:
        return [task["title"] for task in (await self("list_tasks", limit=100, **arguments))["tasks"]]


@pytest.fixture
async def call(packhorse_client) -> AsyncIterator[Tools]:
    async with packhorse_client("tasks") as client:
        yield Tools(client)


async def test_a_task_keeps_every_field_beyond_the_contract(call: Tools) -> None:
    parent = await call.new("parent")
    given = {
        "priority": "critical", "labels": ["b", "a"], "assignee": "ada", "due_date": "2026-12-24",
        "acceptance_criteria": ["[x] met", "open"], "symbols": ["Tracker.update"],
    }  # fmt: skip
    task = await call("create_task", title="T", parent_id=parent, depends_on=[], **given)
    assert {name: task[name] for name in given} == given
    assert task["parent"] == {"id": parent, "title": "parent", "status": "need to be done"}
    assert [sub["id"] for sub in (await call("get_task", task_id=parent))["subtasks"]] == [task["id"]]
    emptied = await call(
        "update_task", task_id=task["id"], labels=[], assignee="", due_date="", parent_id="", acceptance_criteria=[]
    )
    assert emptied["labels"] == emptied["acceptance_criteria"] == []
    assert emptied["assignee"] is emptied["due_date"] is emptied["parent"] is None


async def test_ready_is_what_has_no_open_blocker(call: Tools) -> None:
    first = await call.new("first")
    second = await call.new("second", depends_on=[first])
    await call.new("third", depends_on=[first, second])
    assert await call.titles(ready=True) == ["first"]
    assert (await call("get_task", task_id=second))["blocked"]
    await call("update_task", task_id=first, status="complete")
    assert await call.titles(ready=True) == ["second"]
    assert not (await call("get_task", task_id=second))["blocked"]
    await call("update_task", task_id=first, status="need to be done")
    assert await call.titles(ready=True) == ["first"]
    await call("update_task", task_id=first, deleted=True)
    assert await call.titles(ready=True) == ["second"]
    await call("update_task", task_id=first, deleted=False)
    assert await call.titles(ready=True) == ["first"]
    await call("update_task", task_id=second, depends_on=[])
    assert await call.titles(ready=True) == ["first", "second"]


async def test_ready_tasks_come_by_priority_then_due_date_then_age(call: Tools) -> None:
    for title, more in {
        "old": {}, "low": {"priority": "low"}, "due later": {"due_date": "2027-01-02"},
        "due": {"due_date": "2027-01-01"}, "high": {"priority": "high"}, "new": {},
    }.items():  # fmt: skip
        await call.new(title, **more)
    assert await call.titles(ready=True) == ["high", "due", "due later", "old", "new", "low"]


async def test_a_cycle_is_refused_and_named(call: Tools) -> None:
    a = await call.new("A")
    b = await call.new("B", depends_on=[a])
    c = await call.new("C", depends_on=[b])
    sentence = await call.refused("update_task", task_id=a, depends_on=[c], notes="changed")
    assert 'That would close a cycle: "A" → "C" → "B" → "A".' in sentence
    task = await call("get_task", task_id=a)
    assert (task["notes"], task["depends_on"], task["version"]) == (None, [], 1)


async def test_cycles_through_sub_tasks_are_refused_too(call: Tools) -> None:
    parent = await call.new("P")
    child = await call.new("K", parent_id=parent)
    assert '"P" → "K" → "P"' in await call.refused("update_task", task_id=parent, parent_id=child)
    assert "cycle" in await call.refused("update_task", task_id=child, depends_on=[parent])
    assert "cycle" in await call.refused("create_task", title="N", parent_id=child, depends_on=[parent])
    assert "itself" in await call.refused("update_task", task_id=child, depends_on=[child])
    assert "cycle" in await call.refused("update_task", task_id=child, parent_id=child)
    await call("update_task", task_id=parent, depends_on=[child])
    assert await call.titles() == ["K", "P"]


async def test_unknown_blockers_and_parents_are_named(call: Tools) -> None:
    unknown = "6f3a1c9e-2b4d-4e8f-9a01-b2c3d4e5f607"
    assert unknown in await call.refused("create_task", title="T", depends_on=[unknown])
    assert unknown in await call.refused("create_task", title="T", parent_id=unknown)
    assert await call.titles() == []


async def test_two_edges_at_once_never_close_a_cycle(packhorse_database, packhorse_client) -> None:
    async with packhorse_client("tasks"):
        tracker = Tracker(packhorse_database)
        for _ in range(10):
            a = await tracker.create(draft(title="A"), actor="x")
            b = await tracker.create(draft(title="B"), actor="x")
            outcomes = await asyncio.gather(
                tracker.update(a.uuid, draft(depends_on=[b.id]), actor="x"),
                tracker.update(b.uuid, draft(depends_on=[a.id]), actor="y"),
                return_exceptions=True,
            )
            assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1


async def test_completing_a_blocker_while_it_becomes_one_leaves_nothing_blocked(
    packhorse_database, packhorse_client
) -> None:
    async with packhorse_client("tasks"):
        tracker = Tracker(packhorse_database)
        for _ in range(15):
            blocker = await tracker.create(draft(title="A"), actor="x")
            task = await tracker.create(draft(title="B"), actor="x")
            await asyncio.gather(
                tracker.update(task.uuid, draft(depends_on=[blocker.id]), actor="x"),
                tracker.update(blocker.uuid, draft(status="complete"), actor="y"),
            )
            assert not (await tracker.get(task.uuid)).blocked


async def test_a_stale_update_is_refused_and_shows_what_changed(call: Tools) -> None:
    task_id = await call.new("T")
    await call("update_task", task_id=task_id, status="in-progress", actor="ada", expected_version=1)
    await call("update_task", task_id=task_id, priority="high", actor="bob")
    sentence = await call.refused("update_task", task_id=task_id, title="mine", expected_version=1)
    assert "is at version 3, no longer 1" in sentence
    assert "ada changed status need to be done → in-progress; bob changed priority medium → high" in sentence
    assert (await call("get_task", task_id=task_id))["title"] == "T"
    assert "never had version 9" in await call.refused("update_task", task_id=task_id, title="x", expected_version=9)


async def test_a_change_that_changes_nothing_is_no_new_version(call: Tools) -> None:
    task = await call("create_task", title="T")
    assert await call("update_task", task_id=task["id"], title="T", status="need to be done") == task


async def test_creating_twice_with_one_key_is_one_task(call: Tools) -> None:
    tasks = await asyncio.gather(*(call("create_task", title="T", client_key="k1") for _ in range(8)))
    assert len({task["id"] for task in tasks}) == 1
    assert await call.titles() == ["T"]
    await call("update_task", task_id=tasks[0]["id"], title="renamed")
    assert (await call("create_task", title="T", client_key="k1"))["title"] == "renamed"
    assert "belongs to another task" in await call.refused("create_task", title="other", client_key="k1")


async def test_comments_are_kept_in_order_with_their_authors(call: Tools) -> None:
    task_id = await call.new()
    await call("update_task", task_id=task_id, comment="first", actor="ada")
    task = await call("update_task", task_id=task_id, comment="second\nline")
    assert [(comment["author"], comment["body"]) for comment in task["comments"]] == [
        ("ada", "first"),
        ("mcp", "second\nline"),
    ]
    assert task["version"] == 3


async def test_a_deleted_task_is_gone_from_listings_and_can_be_had_back(call: Tools) -> None:
    task_id = await call.new("gone")
    deleted = await call("update_task", task_id=task_id, deleted=True)
    assert deleted["deleted_at"] is not None
    assert await call.titles() == []
    assert await call.titles(query="gone") == []
    assert await call.titles(deleted=True) == ["gone"]
    assert "is deleted" in await call.refused("update_task", task_id=task_id, title="x")
    assert "is deleted" in await call.refused("claim_task", task_id=task_id, assignee="ada")
    restored = await call("update_task", task_id=task_id, deleted=False)
    assert restored["deleted_at"] is None
    assert await call.titles() == ["gone"]
    assert await call.titles(query="gone") == ["gone"]


async def test_the_audit_tells_who_changed_what_when_and_cannot_be_changed(
    packhorse_database, packhorse_client
) -> None:
    async with packhorse_client("tasks"):
        tracker = Tracker(packhorse_database)
        task = await tracker.create(draft(title="T", labels=["a"], due_date="2026-12-01"), actor="ada")
        await tracker.update(task.uuid, draft(status="complete", comment="done"), actor="bob")
        created, changed = await tracker.history(task.uuid)
        assert (created.version, created.actor, changed.version, changed.actor) == (1, "ada", 2, "bob")
        assert created.changes == {"title": [None, "T"], "labels": [[], ["a"]], "due_date": [None, "2026-12-01"]}
        assert changed.changes == {"status": ["need to be done", "complete"], "comment": [None, "done"]}
        for statement in ("UPDATE tasks.audit SET actor = 'x'", "DELETE FROM tasks.audit", "TRUNCATE tasks.audit"):
            with pytest.raises(Exception, match="append-only") as caught:
                async with packhorse_database.connection() as connection:
                    await connection.execute(statement)
            assert isinstance(caught.value, psycopg.Error) or caught.value.__cause__ is not None


async def test_full_listings_end_before_they_grow_too_long(call: Tools) -> None:
    for i in range(4):
        await call.new(f"T{i}", description="x" * 25_000)
    page = await call("list_tasks", full_details=True, limit=100)
    assert (len(page["tasks"]), page["total_count"], page["next_offset"]) == (2, 4, 2)
    rest = await call("list_tasks", full_details=True, limit=100, offset=2)
    assert [task["title"] for task in page["tasks"] + rest["tasks"]] == ["T3", "T2", "T1", "T0"]
    assert "next_offset" not in rest


async def test_a_listing_can_be_narrowed_by_label_assignee_and_parent(call: Tools) -> None:
    parent = await call.new("parent", labels=["x"])
    await call.new("child", parent_id=parent, labels=["x", "y"], assignee="ada")
    assert await call.titles(label="x") == ["child", "parent"]
    assert await call.titles(label="y") == await call.titles(assignee="ada") == await call.titles(parent_id=parent)
