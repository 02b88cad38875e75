"""The tracker as an operator meets it: settings, health, the folders a client may name, reads and imports."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from loguru import logger

from packhorse.context import PluginContext
from packhorse.database import reading
from packhorse.errors import ConflictError, InvalidInputError
from packhorse_tasks import repositories, store, transfer
from packhorse_tasks.checks import health_checks
from packhorse_tasks.drafts import draft
from packhorse_tasks.formats import Portable
from packhorse_tasks.plugin import check_health
from packhorse_tasks.search import Filter
from packhorse_tasks.settings import TasksSettings
from packhorse_tasks.tracker import Tracker, in_one_transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from packhorse.plugins import PluginHost

pytestmark = pytest.mark.integration


@pytest.fixture
async def host(packhorse_host) -> AsyncIterator[PluginHost]:
    made = packhorse_host("tasks")
    async with made.running():
        yield made


def context(host: PluginHost) -> PluginContext:
    return PluginContext("tasks", host, logger)


async def test_the_lease_and_its_limit_are_settings_and_the_schema_tells_them(packhorse_client) -> None:
    given = {"PACKHORSE_TASKS_LEASE_SECONDS": "60", "PACKHORSE_TASKS_MAX_LEASE_SECONDS": "120"}
    async with packhorse_client("tasks", settings=given) as client:
        [claim] = [tool for tool in await client.list_tools() if tool.name == "claim_task"]
        schema: dict[str, Any] = claim.input_schema
        assert schema["properties"]["lease_seconds"]["default"] == 60
        await client.call_tool("create_task", {"title": "T"})
        refused = await client.call_tool("claim_task", {"assignee": "ada", "lease_seconds": 121}, raise_on_error=False)
        assert refused.is_error
        assert "between 0, which releases the claim, and 120" in refused.content[0].text
        taken = (await client.call_tool("claim_task", {"assignee": "ada"})).structured_content
        lasts = seconds_between(taken["updated_at"], taken["claimed_until"])
        assert 59 < lasts < 61


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def test_a_usual_lease_beyond_the_limit_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="more than max_lease_seconds"):
        TasksSettings(lease_seconds=100, max_lease_seconds=10)


async def test_health_tells_of_open_tasks_and_claims_that_ran_out(host: PluginHost) -> None:
    tracker = Tracker(host.database)
    for title in ("held", "lapsed", "free", "done"):
        task = await tracker.create(draft(title=title, status="complete" if title == "done" else None), actor="x")
        if title in {"held", "lapsed"}:
            await tracker.claim(task.uuid, "ada")
    checks = {check.name: check for check in check_health(context(host))}
    assert (await checks["tracker"].run()).summary == "3 open tasks, 2 of them claimed."
    async with host.database.connection() as connection:
        await connection.execute(
            "UPDATE tasks.task SET claimed_until = clock_timestamp() - interval '1 s' WHERE title = 'lapsed'"
        )
    found = await checks["tracker"].run()
    assert found.status == "ok"
    assert found.summary == "3 open tasks, 1 of them claimed. 1 claims have run out; these tasks are ready for others."
    assert "by their words" in (await checks["meaning"].run()).summary


async def test_health_warns_of_tasks_that_wait_long_for_their_vector(packhorse_host) -> None:
    host = packhorse_host("tasks", "indexing")
    async with host.running():
        [_, meaning] = health_checks(context(host))
        await Tracker(host.database).create(draft(title="T"), actor="x")
        assert (await meaning.run()).status == "ok"
        async with host.database.connection() as connection:
            await connection.execute(
                "INSERT INTO tasks.unembedded (task_id, since) SELECT task_id, now() - interval '1 hour'"
                " FROM tasks.document ON CONFLICT (task_id) DO UPDATE SET since = excluded.since"
            )
            assert [row["late"] for row in await store.rows(connection, store.WAITING, {"patience": 600.0})] == [1]
            # The vectors are made a second later at the earliest, and not of what this transaction holds locked.
            await connection.execute("SELECT pg_advisory_lock(hashtext('tasks.embedding'))")
        found = await meaning.run()
        assert found.status == "warning"
        assert "wait for their vector since more than 10 minutes" in found.summary


@pytest.mark.parametrize("path", ["/", "/etc", "/proc/self"])
async def test_where_indexing_runs_its_rules_for_folders_hold_for_tasks(packhorse_client, path: str) -> None:
    async with packhorse_client("tasks", "indexing") as client:
        refused = await client.call_tool("create_task", {"title": "T", "repo_path": path}, raise_on_error=False)
        assert refused.is_error
        assert (await client.call_tool("list_tasks", {})).structured_content["total_count"] == 0


async def test_the_roots_of_indexing_confine_repo_path(packhorse_client, tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "out").symlink_to(outside)
    settings = {"PACKHORSE_INDEXING_ALLOWED_ROOTS": str(inside)}
    async with packhorse_client("tasks", "indexing", settings=settings) as client:
        task = (await client.call_tool("create_task", {"title": "T", "repo_path": str(inside)})).structured_content
        assert task["repository"] == str(inside)
        for path in (outside, inside / "out"):
            refused = await client.call_tool(
                "update_task", {"task_id": task["id"], "repo_path": str(path)}, raise_on_error=False
            )
            assert "outside the folders" in refused.content[0].text


async def test_what_is_missing_is_told_only_of_folders_that_may_be_looked_at(packhorse_host, tmp_path: Path) -> None:
    host = packhorse_host("tasks", "indexing", settings={"PACKHORSE_INDEXING_ALLOWED_ROOTS": str(tmp_path)})
    async with host.running():
        assert repositories.missing_in_confines(context(host), str(tmp_path), ["a"]) == ["a"]
        assert repositories.missing_in_confines(context(host), "/usr", ["no-such-file"]) == []


async def test_a_read_leaves_the_connection_as_transactions_need_it(host: PluginHost) -> None:
    for _ in range(3):
        async with reading(host.database) as connection:
            assert connection.autocommit
            await store.rows(connection, store.HEALTH, {})
    with pytest.raises(RuntimeError):
        async with reading(host.database):
            raise RuntimeError
    with pytest.raises(RuntimeError):
        async with host.database.connection() as connection:
            assert not connection.autocommit
            await connection.execute("INSERT INTO tasks.task (title) VALUES ('T')")
            raise RuntimeError
    assert (await Tracker(host.database).list(Filter())).total_count == 0


async def test_a_read_that_is_left_in_the_middle_gives_its_connection_up(host: PluginHost) -> None:
    with pytest.raises(RuntimeError):
        async with reading(host.database) as connection:
            await connection.execute("BEGIN")
            raise RuntimeError
    assert connection.closed
    assert (await Tracker(host.database).list(Filter())).total_count == 0


async def test_an_import_is_one_transaction(host: PluginHost) -> None:
    found = [Portable("1", {"title": "one"}), Portable("2", {"title": "two"}, parent="1")]
    with pytest.raises(RuntimeError):
        async with in_one_transaction(host.database, deadline=30) as tracker:
            assert await transfer.store_all(tracker, found, "test", None, actor="x") == (2, 0)
            raise RuntimeError("killed before the end")
    assert (await Tracker(host.database).list(Filter())).total_count == 0
    async with in_one_transaction(host.database, deadline=30) as tracker:
        assert await transfer.store_all(tracker, found, "test", None, actor="x") == (2, 0)
    async with in_one_transaction(host.database, deadline=30) as tracker:
        assert await transfer.store_all(tracker, found, "test", None, actor="x") == (0, 2)
    assert (await Tracker(host.database).list(Filter())).total_count == 2


async def test_a_step_that_fails_inside_undoes_itself_alone(host: PluginHost) -> None:
    async with in_one_transaction(host.database, deadline=30) as tracker:
        first = await tracker.create(draft(title="first"), actor="x")
        second = await tracker.create(draft(title="second", depends_on=[first.id]), actor="x")
        with pytest.raises(ConflictError, match="cycle"):
            await tracker.update(first.uuid, draft(depends_on=[second.id], notes="lost"), actor="x")
        with pytest.raises(InvalidInputError):
            await tracker.update(first.uuid, draft(notes="lost"), actor="x", expected_version=7)
    kept = await Tracker(host.database).get(first.uuid)
    assert (kept.notes, kept.depends_on) == (None, [])


async def test_a_page_beyond_the_end_still_counts_all(host: PluginHost) -> None:
    tracker = Tracker(host.database)
    assert (await tracker.list(Filter(ready=True))).total_count == 0
    for title in ("a", "b"):
        await tracker.create(draft(title=title), actor="x")
    for wanted in (Filter(), Filter(ready=True)):
        page = await tracker.list(wanted, offset=5)
        assert (page.tasks, page.total_count, page.next_offset) == ([], 2, None)
