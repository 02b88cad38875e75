"""The task tracker: the rules of creating, changing and claiming tasks, each call one transaction."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from packhorse.database import reading
from packhorse.errors import ConflictError, NotFoundError
from packhorse_tasks import changes, claims, store
from packhorse_tasks.models import AuditEntry, Task, TaskList, TaskSummary
from packhorse_tasks.search import search
from packhorse_tasks.settings import LEASE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import date

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from packhorse.database import Database, Lender
    from packhorse_tasks.drafts import Draft
    from packhorse_tasks.search import Filter, Nearness

PAGE = 100
"""The most tasks in one answer."""
FULL_PAGE_CHARACTERS = 60_000
"""A page of whole tasks ends before its texts exceed this, so that clients accept the answer."""

_NEW: dict[str, Any] = {
    "title": None, "description": None, "notes": None, "status": "need to be done", "priority": "medium", "labels": [],
    "parent_id": None, "assignee": None, "due_date": None, "acceptance_criteria": [], "repository": None,
    "planning_references": [], "symbols": [], "branches": [], "commits": [], "depends_on": [], "claimed_by": None,
    "deleted": False,
}  # fmt: skip


class Tracker:
    """The tasks in the database; safe to share among any number of callers."""

    def __init__(self, database: Lender) -> None:
        self._database = database

    async def create(
        self, draft: Draft, *, actor: str, client_key: str | None = None, task_id: UUID | None = None
    ) -> Task:
        """Create a task, or return the one that the same client key created before; `task_id` keeps an imported id.

        Raises:
            NotFoundError: the parent or a task that it depends on does not exist.
            ConflictError: the key belongs to a task of another title.
        """
        wanted = draft.applied_to(_NEW)
        # Without edges creating is one statement, and what follows reads.
        lent = self._database.connection() if draft.linked else reading(self._database)
        async with lent as connection:
            if draft.linked:
                await store.rows(connection, store.LOCK_EDGES, {})
            await changes.check_linked(connection, draft)
            identity = {"client_key": client_key, "id": task_id, "actor": actor}
            entry = store.as_json(changes.recorded(_NEW, wanted))
            created = await store.row(connection, store.CREATE, {**_NEW, **wanted, **identity, "changes": entry})
            if created is None and client_key is None:
                raise ConflictError(f"Task {task_id} exists already.")
            if created is None:
                return await self._created_before(connection, str(client_key), wanted["title"])
            task_id = UUID(str(created["id"]))
            await changes.relink(connection, task_id, draft)
            return await changes.get(connection, task_id)

    async def get(self, task_id: UUID) -> Task:
        """Return the task, also a deleted one.

        Raises:
            NotFoundError: there is no task of this id.
        """
        async with reading(self._database) as connection:
            return await changes.get(connection, task_id)

    async def find_by_key(self, client_key: str) -> UUID | None:
        """Return the id of the task that was created with this client key, if any."""
        async with reading(self._database) as connection:
            found = await store.row(connection, store.CREATED_BEFORE, {"client_key": client_key})
        return None if found is None else UUID(str(found["id"]))

    async def resolve(self, reference: str) -> UUID:
        """Return the id of the task that a person names by its number, its id or an unambiguous beginning of it.

        Raises:
            NotFoundError: no task is meant.
            ConflictError: several are.
        """
        async with reading(self._database) as connection:
            found = await store.rows(connection, store.FIND, {"prefix": reference.lower().removeprefix("#")})
        if not found:
            raise NotFoundError(
                f"There is no task {reference}.", remedy="`packhorse tasks list` shows them with their numbers."
            )
        if len(found) > 1 and not reference.lstrip("#").isdecimal():
            raise ConflictError(f"Several tasks begin with {reference}.", remedy="Give more of the id, or the number.")
        task_id: UUID = found[0]["id"]
        return task_id

    async def list(
        self,
        wanted: Filter,
        *,
        limit: int = 20,
        offset: int = 0,
        full: bool = False,
        urgent: bool | None = None,
    ) -> TaskList:
        """Return a page of the tasks that match, the newest first or the most `urgent`, as ready ones come anyway.

        Urgency is priority, then due date, then age.
        """
        ordered = store.URGENT if (wanted.ready if urgent is None else urgent) else store.NEWEST
        async with reading(self._database) as connection:
            found = await store.rows(connection, ordered, {**wanted.arguments, "limit": limit, "offset": offset})
            total = found[0]["total"]
            shown = [row for row in found if row["id"] is not None]
            if full:
                shown = await store.rows(connection, store.GET_MANY, {"numbers": [row["number"] for row in shown]})
        return _page(shown, total, offset=offset, full=full)

    async def search(
        self,
        question: str,
        wanted: Filter,
        *,
        near: Nearness | None = None,
        limit: int = 20,
        offset: int = 0,
        full: bool = False,
    ) -> TaskList:
        """Return a page of the tasks that match and fit the question, by words and by meaning when `near` is given."""
        async with reading(self._database) as connection:
            numbers = await search(connection, question, wanted, near)
            page = {"numbers": numbers[offset : offset + limit]}
            shown = await store.rows(connection, store.GET_MANY if full else store.SUMMARIES, page)
        return _page(shown, len(numbers), offset=offset, full=full)

    async def update(self, task_id: UUID, draft: Draft, *, actor: str, expected_version: int | None = None) -> Task:
        """Change the task and record what changed; a change that changes nothing leaves no trace.

        Raises:
            NotFoundError: the task, the parent or a task that it depends on does not exist.
            ConflictError: the task is not at `expected_version` any more, is deleted, or would close a cycle.
        """
        async with self._database.connection() as connection:
            if draft.links:
                await store.rows(connection, store.LOCK_EDGES, {})
            row = await changes.lock(connection, task_id)
            await changes.check_version(connection, row, expected_version)
            if row["deleted"] and draft.values.get("deleted") is not False:
                raise ConflictError(f"Task {task_id} is deleted.", remedy="Restore it with deleted=false first.")
            await changes.check_linked(connection, draft)
            wanted = draft.applied_to(row)
            if wanted or draft.comment is not None:
                await changes.write(connection, row, wanted, actor=actor, comment=draft.comment)
                await changes.relink(connection, task_id, draft)
            return await changes.get(connection, task_id)

    async def claim(self, task_id: UUID | None, assignee: str, *, lease: int = LEASE) -> Task:
        """Claim the task for `lease` seconds, the next ready one when none is named; 0 seconds release it.

        Raises:
            NotFoundError: there is no such task, or none is ready.
            ConflictError: another holds it, it is blocked, complete or deleted, or is not one's own to release.
        """
        async with self._database.connection() as connection:
            if task_id is None:
                task_id = await claims.take_next(connection, assignee, lease)
            elif lease:
                await claims.take(connection, task_id, assignee, lease)
            else:
                await claims.release(connection, task_id, assignee)
            return await changes.get(connection, task_id)

    async def history(self, task_id: UUID, since_version: int = 0) -> Sequence[AuditEntry]:
        """Return who changed what in the task when, oldest first."""
        async with reading(self._database) as connection:
            return await changes.history(connection, task_id, since_version)

    async def _created_before(self, connection: AsyncConnection[TupleRow], client_key: str, title: str) -> Task:
        before = await store.row(connection, store.CREATED_BEFORE, {"client_key": client_key})
        if before is None or before["title"] != title:
            raise ConflictError(
                f"The client_key {client_key} belongs to another task"
                + (f', {before["id"]} "{before["title"]}".' if before else "."),
                remedy="Use a key of its own for each task.",
            )
        return await changes.get(connection, before["id"])


class _Joined:
    """The connection of a transaction that is under way, lent for one step of it at a time."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        async with self._connection.transaction():
            yield self._connection


@asynccontextmanager
async def in_one_transaction(database: Database, *, deadline: float) -> AsyncIterator[Tracker]:
    """Yield a tracker whose calls are one transaction of at most `deadline` seconds: all of them hold, or none.

    A call that fails undoes only itself; the others hold if its error is caught inside. Nobody else connects tasks
    meanwhile.
    """
    async with database.connection(deadline=deadline) as connection:
        await store.rows(connection, store.LOCK_EDGES, {})
        yield Tracker(_Joined(connection))


def _page(found: list[store.Row], total: int, *, offset: int, full: bool) -> TaskList:
    tasks = _fitting(found) if full else [_summary(row) for row in found]
    end = offset + len(tasks)
    return TaskList(tasks, total, end if tasks and end < total else None)


def _fitting(found: list[store.Row]) -> list[Task]:
    tasks: list[Task] = []
    size = 0
    for task in map(Task.model_validate, found):
        size += len(task.model_dump_json())
        if tasks and size > FULL_PAGE_CHARACTERS:
            break
        tasks.append(task)
    return tasks


def _summary(row: store.Row) -> TaskSummary:
    due: date | None = row["due_date"]
    return TaskSummary(
        id=str(row["id"]),
        number=row["number"],
        title=row["title"],
        status=row["status"],
        priority=None if row["priority"] == "medium" else row["priority"],
        assignee=row["assignee"],
        claimed_by=None if row["claimed_by"] == row["assignee"] else row["claimed_by"],
        due_date=None if due is None else due.isoformat(),
        labels=row["labels"] or None,
        blocked=row["blocked"] or None,
    )
