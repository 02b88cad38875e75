"""The four task tools as the clients of the reference server call them."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.contract

STATUSES = ["need to be done", "in-progress", "complete"]
CONTRACT = {
    "id", "title", "description", "notes", "status", "created_at", "updated_at", "planning_references", "branches",
    "commits", "status_history",
}  # fmt: skip
UNKNOWN = "6f3a1c9e-2b4d-4e8f-9a01-b2c3d4e5f607"


class Tools:
    """Calls tools and returns their structured answer, or the text of their error."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def __call__(self, name: str, **arguments: Any) -> dict[str, Any]:
        answer = await self.client.call_tool(name, arguments)
        assert json.loads(answer.content[0].text) == answer.structured_content
        return answer.structured_content

    async def refused(self, name: str, **arguments: Any) -> str:
        answer = await self.client.call_tool(name, arguments, raise_on_error=False)
        assert answer.is_error, answer.structured_content
        return answer.content[0].text


@pytest.fixture
async def call(packhorse_client) -> AsyncIterator[Tools]:
    async with packhorse_client("tasks") as client:
        yield Tools(client)


async def test_the_tools_have_the_parameters_of_the_contract(packhorse_client) -> None:
    async with packhorse_client("tasks") as client:
        tools = {tool.name: tool.input_schema for tool in await client.list_tools()}
    assert {"create_task", "get_task", "list_tasks", "update_task"} <= tools.keys()
    assert tools["create_task"]["required"] == ["title"]
    assert tools["get_task"]["required"] == ["task_id"]
    assert tools["update_task"]["required"] == ["task_id"]
    assert "required" not in tools["list_tasks"]
    assert {"title", "description", "notes", "planning_references"} <= tools["create_task"]["properties"].keys()
    assert {"status", "branch", "limit"} <= tools["list_tasks"]["properties"].keys()
    changes = {"task_id", "title", "description", "notes", "status", "branch", "commit"}
    assert changes <= tools["update_task"]["properties"].keys()
    assert tools["list_tasks"]["properties"]["limit"] == {
        "default": 20, "maximum": 100, "minimum": 1, "type": "integer"
    }  # fmt: skip


async def test_a_new_task_has_every_field_and_needs_to_be_done(call: Tools) -> None:
    task = await call(
        "create_task",
        title="Implement authentication",
        description="Add JWT-based auth",
        notes="see RFC 7519",
        planning_references=["specs/001-auth/spec.md", "docs/plan.md"],
    )
    assert task.keys() >= CONTRACT
    assert UUID(task["id"]).version == 4
    assert task["title"] == "Implement authentication"
    assert task["description"] == "Add JWT-based auth"
    assert task["notes"] == "see RFC 7519"
    assert task["status"] == "need to be done"
    assert task["planning_references"] == ["specs/001-auth/spec.md", "docs/plan.md"]
    assert task["branches"] == task["commits"] == task["status_history"] == []


async def test_a_title_is_enough_and_null_means_not_given(call: Tools) -> None:
    task = await call("create_task", title="T", description=None, notes=None, planning_references=None)
    assert task["description"] is None
    assert task["notes"] is None
    assert task["planning_references"] == []


async def test_times_are_iso_8601_in_utc_with_an_offset(call: Tools) -> None:
    task = await call("create_task", title="T")
    for name in ("created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", task[name])
        assert abs(datetime.fromisoformat(task[name]) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_what_was_created_can_be_had_again(call: Tools) -> None:
    task = await call("create_task", title='Ünïcode 🐎 and "quotes"; DROP TABLE task;--', description="%_\\ 100%")
    assert await call("get_task", task_id=task["id"]) == task
    assert await call("get_task", task_id=task["id"].upper()) == task


async def test_a_write_is_there_for_the_next_server(packhorse_client) -> None:
    async with packhorse_client("tasks") as first:
        task = await Tools(first)("create_task", title="T")
    async with packhorse_client("tasks") as second:
        assert await Tools(second)("get_task", task_id=task["id"]) == task


@pytest.mark.parametrize("first", STATUSES)
@pytest.mark.parametrize("second", STATUSES)
async def test_each_change_of_status_is_recorded_in_any_order(call: Tools, first: str, second: str) -> None:
    task = await call("create_task", title="T")
    await call("update_task", task_id=task["id"], status=first)
    task = await call("update_task", task_id=task["id"], status=second)
    assert task["status"] == second
    passed = ["need to be done", first, second]
    expected = [(a, b) for a, b in itertools.pairwise(passed) if a != b]
    assert [(change["from_status"], change["to_status"]) for change in task["status_history"]] == expected
    moments = [change["changed_at"] for change in task["status_history"]]
    assert moments == sorted(moments)
    assert all(moment.endswith("+00:00") for moment in moments)


async def test_branches_and_commits_are_added_and_never_twice(call: Tools) -> None:
    task = await call("create_task", title="T")
    await call("update_task", task_id=task["id"], branch="001-auth", commit="a" * 40)
    await call("update_task", task_id=task["id"], branch="001-auth", commit="a" * 40)
    task = await call("update_task", task_id=task["id"], branch="main", commit="0123456789" * 4)
    assert task["branches"] == ["001-auth", "main"]
    assert task["commits"] == ["a" * 40, "0123456789" * 4]


async def test_an_update_changes_what_is_given_and_nothing_else(call: Tools) -> None:
    task = await call("create_task", title="T", description="D", notes="N", planning_references=["a.md"])
    changed = await call("update_task", task_id=task["id"], title="T2")
    assert changed["title"] == "T2"
    assert changed["updated_at"] > task["updated_at"]
    kept = CONTRACT - {"title", "updated_at"}
    assert {name: changed[name] for name in kept} == {name: task[name] for name in kept}


async def test_a_listing_counts_all_that_match_before_the_limit(call: Tools) -> None:
    for i in range(25):
        task = await call("create_task", title=f"task {i}")
        if i % 5 == 0:
            await call("update_task", task_id=task["id"], status="in-progress", branch="feature")
    everything = await call("list_tasks")
    assert (len(everything["tasks"]), everything["total_count"]) == (20, 25)
    assert everything["tasks"][0]["title"] == "task 24"
    some = await call("list_tasks", status="in-progress", limit=2)
    assert (len(some["tasks"]), some["total_count"]) == (2, 5)
    assert {task["status"] for task in some["tasks"]} == {"in-progress"}
    on_branch = await call("list_tasks", branch="feature", limit=100)
    assert (len(on_branch["tasks"]), on_branch["total_count"]) == (5, 5)
    assert (await call("list_tasks", branch="feat"))["tasks"] == []
    assert (await call("list_tasks", status="complete", branch="feature"))["total_count"] == 0


async def test_full_details_are_there_on_request(call: Tools) -> None:
    task = await call("create_task", title="T", description="D")
    short = (await call("list_tasks"))["tasks"]
    assert short == [{"id": task["id"], "title": "T", "status": "need to be done"}]
    full = (await call("list_tasks", full_details=True))["tasks"]
    assert full[0].keys() >= CONTRACT
    assert full[0]["description"] == "D"


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("create_task", {"title": "x" * 201}, "title has 201 characters; 200 are allowed."),
        ("create_task", {"title": ""}, "title is empty"),
        ("create_task", {"title": " \t "}, "title is empty"),
        ("create_task", {"title": "a\0b"}, "title contains a NUL character"),
        ("create_task", {"title": "T", "notes": "\ud800"}, "notes contains a lone surrogate"),
        ("create_task", {"title": "T", "labels": ["x"] * 100_000}, "labels has 100,000 items; 100 are allowed."),
        ("create_task", {"title": "T", "description": "x" * 50_001}, "description has 50,001 characters"),
        ("create_task", {"title": "T", "planning_references": ["/etc/passwd"]}, "is not relative"),
        ("create_task", {"title": "T", "planning_references": ["a/../../b"]}, "contains '..'"),
        ("create_task", {"title": "T", "due_date": "tomorrow"}, "write it as YYYY-MM-DD"),
        ("get_task", {"task_id": UNKNOWN}, f"There is no task {UNKNOWN}."),
        ("get_task", {"task_id": "12"}, 'task_id "12" is no task id'),
        ("update_task", {"task_id": UNKNOWN, "title": "T"}, f"There is no task {UNKNOWN}."),
        ("update_task", {"task_id": UNKNOWN, "commit": "A" * 40}, "40 lower-case hexadecimal digits"),
        ("update_task", {"task_id": UNKNOWN, "commit": "a" * 39}, "40 lower-case hexadecimal digits"),
        ("update_task", {"task_id": UNKNOWN, "status": "done"}, "status"),
        ("list_tasks", {"limit": 0}, "limit"),
        ("list_tasks", {"limit": 101}, "limit"),
        ("list_tasks", {"status": "done"}, "status"),
    ],
)
async def test_bad_input_is_one_clear_sentence_and_changes_nothing(
    call: Tools, tool: str, arguments: dict[str, Any], sentence: str
) -> None:
    answer = await call.refused(tool, **arguments)
    assert sentence in answer
    assert len(answer) < 300
    assert "http" not in answer
    assert (await call("list_tasks"))["total_count"] == 0


async def test_a_refused_update_changes_nothing(call: Tools) -> None:
    task = await call("create_task", title="T")
    await call.refused("update_task", task_id=task["id"], title="T2", status="complete", commit="xyz")
    await call.refused("update_task", task_id=task["id"], status="complete", parent_id=UNKNOWN)
    assert await call("get_task", task_id=task["id"]) == task
