"""Claims: one holder at a time, for as long as a lease runs; a holder that vanishes loses the task when it ends.

The clock is the database's, so that holders on several machines agree. Extending one's own claim is no change of the
task: it keeps its version and leaves no audit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse.errors import ConflictError, InvalidInputError, NotFoundError
from packhorse_tasks import changes, store

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from packhorse_tasks.settings import TasksSettings


def checked_lease(seconds: int | None, settings: TasksSettings) -> int:
    """Return the lease in seconds, the usual one for None; 0 stands for releasing the claim.

    Raises:
        InvalidInputError: it is negative or longer than the settings allow.
    """
    if seconds is None:
        return settings.lease_seconds
    if not 0 <= seconds <= settings.max_lease_seconds:
        raise InvalidInputError(
            f"lease_seconds {seconds} is not between 0, which releases the claim, and {settings.max_lease_seconds}.",
            remedy="Claim it again before the lease ends to extend it; PACKHORSE_TASKS_MAX_LEASE_SECONDS is the limit.",
            field="lease_seconds",
        )
    return seconds


async def take(connection: AsyncConnection[TupleRow], task_id: UUID, assignee: str, lease: int) -> None:
    """Claim the task, or extend the claim that `assignee` has.

    Raises:
        NotFoundError: there is no such task.
        ConflictError: another holds it (who and until when is told), or it is blocked, complete or deleted.
    """
    row = await changes.lock(connection, task_id)
    if row["claimed"] and row["claimed_by"] == assignee:
        await store.rows(connection, store.RENEW, {"id": task_id, "lease": lease})
        return
    await _check_free(connection, row)
    await _check_unblocked(connection, row)
    wanted = {"claimed_by": assignee, "assignee": assignee, "status": "in-progress"}
    await _write(connection, row, wanted, actor=assignee, lease=lease)


async def take_next(connection: AsyncConnection[TupleRow], assignee: str, lease: int) -> UUID:
    """Claim the most urgent ready task without open sub-tasks and return its id.

    Raises:
        NotFoundError: no task is ready.
    """
    found = await store.row(connection, store.NEXT, {})
    if found is None:
        raise NotFoundError("No task is ready: every open one is blocked or claimed.", remedy="list_tasks shows all.")
    task_id: UUID = found["id"]
    await take(connection, task_id, assignee, lease)
    return task_id


async def release(connection: AsyncConnection[TupleRow], task_id: UUID, assignee: str) -> None:
    """Give the task back to be done by anybody.

    Raises:
        NotFoundError: there is no such task.
        ConflictError: `assignee` does not hold it.
    """
    row = await changes.lock(connection, task_id)
    if row["claimed_by"] != assignee:
        held = f"claimed by {row['claimed_by']}" if row["claimed"] else "not claimed"
        raise ConflictError(f"{assignee} cannot release task {task_id}: it is {held}.", holder=row["claimed_by"])
    await _write(connection, row, {"claimed_by": None, "assignee": None, "status": "need to be done"}, actor=assignee)


async def _check_free(connection: AsyncConnection[TupleRow], row: store.Row) -> None:
    if row["deleted"]:
        raise ConflictError(f"Task {row['id']} is deleted.", remedy="Restore it with deleted=false first.")
    if row["status"] == "complete":
        raise ConflictError(f"Task {row['id']} is complete already.", remedy="list_tasks(ready=true) shows open ones.")
    if row["claimed"]:
        until = (await changes.get(connection, row["id"])).claimed_until
        raise ConflictError(
            f"Task {row['id']} is claimed by {row['claimed_by']} until {until}.",
            remedy="Take another one: list_tasks(ready=true), or claim_task without task_id.",
            holder=row["claimed_by"],
            until=until,
        )


async def _check_unblocked(connection: AsyncConnection[TupleRow], row: store.Row) -> None:
    if not row["blocked"]:
        return
    task = await changes.get(connection, row["id"])
    blockers = [link for link in task.depends_on if link.status != "complete"]
    if blockers:
        named = ", ".join(f'{link.id} "{link.title}"' for link in blockers[:5])
        raise ConflictError(
            f"Task {row['id']} is blocked by {named}.",
            remedy="Do these first.",
            blockers=[link.id for link in blockers],
        )


async def _write(
    connection: AsyncConnection[TupleRow],
    row: store.Row,
    wanted: dict[str, Any],
    *,
    actor: str,
    lease: int | None = None,
) -> None:
    different = {name: value for name, value in wanted.items() if value != row[name] or name == "claimed_by"}
    await changes.write(connection, row, different, actor=actor, lease=lease)
