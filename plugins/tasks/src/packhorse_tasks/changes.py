"""The steps of a change to a task, inside the caller's transaction: lock, check, write, record, connect."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from packhorse.errors import ConflictError, InvalidInputError, NotFoundError
from packhorse_tasks import store
from packhorse_tasks.graph import shortest_cycle
from packhorse_tasks.models import AuditEntry, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from packhorse_tasks.drafts import Draft


async def get(connection: AsyncConnection[TupleRow], task_id: UUID) -> Task:
    """Return the task.

    Raises:
        NotFoundError: there is none of this id.
    """
    row = await store.row(connection, store.GET, {"id": task_id})
    if row is None:
        raise unknown([task_id])
    return Task.model_validate(row)


async def lock(connection: AsyncConnection[TupleRow], task_id: UUID) -> store.Row:
    """Return the task's row, which nobody else can change until the end of the transaction.

    Raises:
        NotFoundError: there is none of this id.
    """
    row = await store.row(connection, store.LOCK, {"id": task_id})
    if row is None:
        raise unknown([task_id])
    return {**row, "deleted": row["deleted_at"] is not None}


def unknown(ids: Sequence[UUID]) -> NotFoundError:
    """Return the error that says that these tasks do not exist."""
    return NotFoundError(f"There is no task {', '.join(map(str, ids))}.", remedy="list_tasks shows the tasks.")


async def check_linked(connection: AsyncConnection[TupleRow], draft: Draft) -> None:
    """Make sure that the tasks which the draft names exist.

    Raises:
        NotFoundError: naming those that do not.
    """
    missing = await store.find_missing(connection, draft.linked) if draft.linked else []
    if missing:
        raise unknown(missing)


async def check_version(connection: AsyncConnection[TupleRow], row: store.Row, expected: int | None) -> None:
    """Make sure that the task is still as the caller saw it.

    Raises:
        ConflictError: it is not; message and details say what changed since.
        InvalidInputError: it never was at this version.
    """
    if expected is None or expected == row["version"]:
        return
    if expected > row["version"] or expected < 1:
        raise InvalidInputError(f"Task {row['id']} is at version {row['version']} and never had version {expected}.")
    changes = await history(connection, row["id"], expected)
    told = "; ".join(f"{entry.actor} changed {entry.told()}" for entry in changes[-5:])
    raise ConflictError(
        f"Task {row['id']} is at version {row['version']}, no longer {expected}. Since then: {told}.",
        remedy="Look whether your change still applies, then repeat it with the new version.",
        version=row["version"],
        changes=[entry.model_dump() for entry in changes],
    )


async def history(connection: AsyncConnection[TupleRow], task_id: UUID, since: int) -> list[AuditEntry]:
    """Return the task's audit after the version `since`, oldest first."""
    found = await store.rows(connection, store.HISTORY, {"id": task_id, "version": since})
    return [AuditEntry.model_validate(row) for row in found]


async def relink(connection: AsyncConnection[TupleRow], task_id: UUID, draft: Draft) -> None:
    """Write the task's edges and refuse a cycle, which the caller's transaction then undoes.

    Raises:
        ConflictError: naming the cycle.
    """
    if "depends_on" in draft.values:
        blockers = {"id": task_id, "blockers": draft.values["depends_on"]}
        if task_id in draft.values["depends_on"]:
            raise ConflictError("A task cannot depend on itself.")
        await store.rows(connection, store.LINK, blockers)
        await store.rows(connection, store.UNLINK, blockers)
    if not draft.linked:
        return
    # A parent needs this task, so that a new parent is an edge from there; all cycles through it pass this task.
    found = await store.rows(connection, store.EDGES, {"ids": [task_id]})
    cycle = shortest_cycle([(edge["task_id"], edge["needs"]) for edge in found], task_id)
    if cycle:
        titles = await store.rows(connection, store.TITLES, {"ids": cycle})
        named = {row["id"]: row["title"] for row in titles}
        raise ConflictError(
            "That would close a cycle: " + " → ".join(f'"{named[step]}"' for step in cycle) + ".",
            remedy="Each would wait for the next; remove one of these dependencies or sub-task relations.",
            cycle=[str(step) for step in cycle],
        )


def recorded(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, list[Any]]:
    """Return changes as the audit holds them: the old and the new value of each field, as JSON."""
    return {name: [_plain(old[name]), _plain(value)] for name, value in changes.items()}


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


async def write(
    connection: AsyncConnection[TupleRow],
    row: store.Row,
    changes: dict[str, Any],
    *,
    actor: str,
    comment: str | None = None,
    lease: float | None = None,
) -> None:
    """Write the changes of a locked row, a new version of it, with its audit; `lease` in seconds from now."""
    entry = recorded(row, changes)
    if comment is not None:
        await store.rows(connection, store.COMMENT, {"id": row["id"], "author": actor, "body": comment})
        entry["comment"] = [None, comment]
    arguments = {**row, **changes, "lease": lease, "actor": actor, "changes": store.as_json(entry)}
    await store.rows(connection, store.UPDATE, arguments)
