"""Jobs as those see them who ask for one and follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from packhorse_indexing.models import Job
from packhorse_indexing.store.catalog import POOL_LOCK

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import AsyncConnection

_JOB = """
SELECT id, repository_id, pool_id, status, force, phase, files_total, files_done, files_skipped, chunks_created,
       embed_total, embed_done, errors, requested_at, started_at, heartbeat_at, finished_at, files_unchanged, phase_at,
       reported_at
FROM indexing.job
"""

# An advisory lock with two keys of 32 bits shows them as unsigned in classid and objid, with objsubid 2.
_LOCKED = """
EXISTS (
    SELECT FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.classid = %(lock)s::bigint::oid AND l.objid = {pool}::oid
)
"""
_HAS_WORKER = "SELECT " + _LOCKED.format(pool="%(pool)s")
_ABANDONED = """
SELECT DISTINCT j.pool_id FROM indexing.job j WHERE j.status IN ('queued', 'running') AND NOT
""" + _LOCKED.format(pool="j.pool_id")


async def request(
    connection: AsyncConnection[Any], repository_id: UUID, *, force: bool, renew: bool = False
) -> tuple[UUID, bool] | None:
    """Return the id of the repository's unfinished job, or of a new one, and whether it is new.

    None when the repository is gone.

    A job that has not begun is made to force, or to renew the clone, when asked; one that runs without is
    followed by another.
    """
    cursor = await connection.execute(
        "SELECT pool_id FROM indexing.repository WHERE id = %s FOR NO KEY UPDATE", [repository_id]
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    cursor = await connection.execute(
        """
        SELECT id, status, force, renew FROM indexing.job
        WHERE repository_id = %s AND status IN ('queued', 'running') AND NOT cancel
        ORDER BY status = 'queued' DESC, requested_at
        """,
        [repository_id],
    )
    unfinished: list[tuple[UUID, str, bool, bool]] = await cursor.fetchall()
    for job_id, status, forced, renewing in unfinished:
        if (forced or not force) and (renewing or not renew):
            return job_id, False
        if status == "queued":
            await connection.execute(
                "UPDATE indexing.job SET force = force OR %s, renew = renew OR %s WHERE id = %s", [force, renew, job_id]
            )
            return job_id, False
    cursor = await connection.execute(
        """
        INSERT INTO indexing.job (repository_id, pool_id, status, force, renew) VALUES (%s, %s, 'queued', %s, %s)
        RETURNING id
        """,
        [repository_id, row[0], force, renew],
    )
    created: tuple[UUID] | None = await cursor.fetchone()
    return None if created is None else (created[0], True)


async def follow(connection: AsyncConnection[Any], job_id: UUID) -> tuple[Job, bool] | None:
    """Return the job and whether its pool has a worker; None when the job is gone with its repository."""
    found = await job(connection, job_id)
    if found is None:
        return None
    locks = await connection.execute(_HAS_WORKER, {"lock": POOL_LOCK, "pool": found.pool_id})
    row = await locks.fetchone()
    return found, bool(row and row[0])


async def job(connection: AsyncConnection[Any], job_id: UUID) -> Job | None:
    """Return a job; None when it never was, is long over, or is gone with its repository."""
    async with connection.cursor(row_factory=class_row(Job)) as cursor:
        return await (await cursor.execute(_JOB + "WHERE id = %s", [job_id])).fetchone()


async def latest(connection: AsyncConnection[Any], repository_id: UUID) -> Job | None:
    """Return the job of a repository that was asked for last; one that is not over comes first."""
    order = "WHERE repository_id = %s ORDER BY finished_at IS NULL DESC, requested_at DESC LIMIT 1"
    async with connection.cursor(row_factory=class_row(Job)) as cursor:
        return await (await cursor.execute(_JOB + order, [repository_id])).fetchone()


async def unfinished(connection: AsyncConnection[Any]) -> list[Job]:
    """Return the jobs that are not over, the oldest first."""
    async with connection.cursor(row_factory=class_row(Job)) as cursor:
        await cursor.execute(_JOB + "WHERE status IN ('queued', 'running') ORDER BY requested_at")
        return await cursor.fetchall()


async def abandoned_pools(connection: AsyncConnection[Any]) -> list[int]:
    """Return the pools with unfinished jobs and no worker."""
    cursor = await connection.execute(_ABANDONED, {"lock": POOL_LOCK})
    return [pool for (pool,) in await cursor.fetchall()]


async def cancel(connection: AsyncConnection[Any], job_id: UUID) -> bool:
    """Ask that a job stop after its present batch; False when it has finished or never was."""
    cursor = await connection.execute(
        "UPDATE indexing.job SET cancel = true WHERE id = %s AND status IN ('queued', 'running')", [job_id]
    )
    return cursor.rowcount > 0


async def cancel_repository(connection: AsyncConnection[Any], repository_id: UUID) -> None:
    """Ask that whatever a repository's jobs do stop."""
    await connection.execute(
        "UPDATE indexing.job SET cancel = true WHERE repository_id = %s AND status IN ('queued', 'running')",
        [repository_id],
    )


async def stuck(connection: AsyncConnection[Any], seconds: float) -> list[tuple[str, float]]:
    """Return (path, seconds since its last sign) of the jobs that gave none for that long."""
    cursor = await connection.execute(
        """
        SELECT r.path, extract(epoch FROM now() - coalesce(j.heartbeat_at, j.requested_at))::float8 AS silent
        FROM indexing.job j JOIN indexing.repository r ON r.id = j.repository_id
        WHERE j.status IN ('queued', 'running')
          AND now() - coalesce(j.heartbeat_at, j.requested_at) > make_interval(secs => %s)
        ORDER BY silent DESC
        """,
        [seconds],
    )
    return await cursor.fetchall()
