"""A job as its worker sees it: what to do next, how far it is, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from packhorse_indexing.store.catalog import HELPERS_LOCK, POOL_LOCK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from psycopg import Connection

MAX_ERRORS = 200
"""Sentences kept with a job; the number of the rest is said in one more."""


@dataclass(frozen=True, slots=True)
class Work:
    """A job to do, with its repository and pool. `suspects` and `poisonous` are explained in the schema."""

    id: UUID
    repository_id: UUID
    repository_key: int
    pool_id: int
    path: str
    force: bool
    indexed_before: bool
    embedder: str
    dimensions: int
    marked: bool
    attempts: int
    suspects: list[str]
    isolating: bool
    poisonous: list[str]
    url: str | None = None
    """Of the git repository that the folder is a clone of, when that is to be renewed first."""


def lock_pool(connection: Connection[Any], pool_id: int) -> bool:
    """Become the pool's worker for as long as the connection lives; False when there is one."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [POOL_LOCK, pool_id]).fetchone()
    return bool(row and row[0])


def unlock_pool(connection: Connection[Any]) -> None:
    """Stop being a pool's worker, and the one with helpers."""
    connection.execute("SELECT pg_advisory_unlock_all()")


def lock_helpers(connection: Connection[Any]) -> bool:
    """Become the only worker of the database that has helpers, until `unlock_pool`; False when another one is."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s, 0)", [HELPERS_LOCK]).fetchone()
    return bool(row and row[0])


def next_job(connection: Connection[Any], pool_id: int, process: int) -> Work | None:
    """Begin the pool's oldest unfinished job, one that a dead worker left first, or return None."""
    with connection.cursor(row_factory=class_row(Work)) as cursor:
        return cursor.execute(
            """
            WITH next AS (
                SELECT id FROM indexing.job
                WHERE pool_id = %(pool)s AND status IN ('queued', 'running')
                ORDER BY status = 'running' DESC, requested_at LIMIT 1 FOR UPDATE
            )
            UPDATE indexing.job j
            SET status = 'running', worker = %(worker)s, heartbeat_at = now(), started_at = coalesce(started_at, now()),
                attempts = attempts + 1, phase = 'scan', phase_at = now(), reported_at = NULL, errors = '[]',
                embed_total = 0, embed_done = 0
            FROM next, indexing.repository r, indexing.pool p
            WHERE j.id = next.id AND r.id = j.repository_id AND p.id = j.pool_id
            RETURNING j.id, j.repository_id, r.key AS repository_key, j.pool_id, r.path, j.force,
                      r.indexed_at IS NOT NULL AS indexed_before, p.embedder, p.dimensions, j.marked, j.attempts,
                      j.suspects, j.isolating, j.poisonous,
                      CASE WHEN j.renew THEN r.url END AS url
            """,
            {"pool": pool_id, "worker": process},
        ).fetchone()


def has_jobs(connection: Connection[Any], pool_id: int) -> bool:
    """Say whether the pool has an unfinished job."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM indexing.job WHERE pool_id = %s AND status IN ('queued', 'running'))", [pool_id]
    ).fetchone()
    return bool(row and row[0])


def last_job(connection: Connection[Any], repository_id: UUID) -> UUID | None:
    """Return the job of the repository that finished last."""
    row = connection.execute(
        """
        SELECT id FROM indexing.job WHERE repository_id = %s AND finished_at IS NOT NULL
        ORDER BY finished_at DESC LIMIT 1
        """,
        [repository_id],
    ).fetchone()
    return row[0] if row else None


def hold(connection: Connection[Any], job_id: UUID) -> bool:
    """Lock the job's row until the transaction ends; False when it was cancelled or removed."""
    row = connection.execute("SELECT NOT cancel FROM indexing.job WHERE id = %s FOR UPDATE", [job_id]).fetchone()
    return bool(row and row[0])


def enter(connection: Connection[Any], job_id: UUID, phase: str) -> bool:
    """Note that a job is in a phase and alive; False when it was cancelled or removed."""
    row = connection.execute(
        """
        UPDATE indexing.job
        SET phase = %(phase)s, heartbeat_at = clock_timestamp(),
            phase_at = CASE WHEN phase = %(phase)s THEN phase_at ELSE clock_timestamp() END
        WHERE id = %(id)s RETURNING NOT cancel
        """,
        {"id": job_id, "phase": phase},
    ).fetchone()
    return bool(row and row[0])


def report(
    connection: Connection[Any],
    job_id: UUID,
    *,
    phase: str,
    files_total: int,
    files_done: int,
    files_unchanged: int,
    files_skipped: int,
    chunks_created: int,
    embed_total: int,
    embed_done: int,
    progressed: bool,
) -> None:
    """Write how far a job is; `chunks_created` counts those since the last report.

    `progressed`: another worker that takes the job over will find less to do.
    """
    connection.execute(
        """
        UPDATE indexing.job
        SET phase = %(phase)s, phase_at = CASE WHEN phase = %(phase)s THEN phase_at ELSE clock_timestamp() END,
            reported_at = clock_timestamp(), files_total = %(files_total)s, files_done = %(files_done)s,
            files_unchanged = %(files_unchanged)s, files_skipped = %(files_skipped)s,
            chunks_created = chunks_created + %(chunks)s,
            embed_total = %(embed_total)s, embed_done = %(embed_done)s, suspects = '{}',
            attempts = CASE WHEN %(progressed)s THEN 0 ELSE attempts END, heartbeat_at = now()
        WHERE id = %(id)s
        """,
        {
            "id": job_id,
            "phase": phase,
            "files_total": files_total,
            "files_done": files_done,
            "files_unchanged": files_unchanged,
            "files_skipped": files_skipped,
            "chunks": chunks_created,
            "embed_total": embed_total,
            "embed_done": embed_done,
            "progressed": progressed,
        },
    )


def poison(connection: Connection[Any], job_id: UUID, poisonous: Sequence[str]) -> None:
    """Record the files on which workers died alone; no file is under suspicion after it."""
    connection.execute(
        "UPDATE indexing.job SET suspects = '{}', isolating = false, poisonous = %s, attempts = 0 WHERE id = %s",
        [list(poisonous), job_id],
    )


def suspect(connection: Connection[Any], job_id: UUID, suspects: Sequence[str], *, isolating: bool) -> None:
    """Record what is about to be parsed, for the next worker if this one dies of it.

    `isolating`: a worker died of it already, when it was one of several.
    """
    connection.execute(
        "UPDATE indexing.job SET suspects = %s, isolating = %s, heartbeat_at = now() WHERE id = %s",
        [list(suspects), isolating, job_id],
    )


def finish(connection: Connection[Any], job_id: UUID, status: str, errors: Sequence[str]) -> None:
    """End a job."""
    kept = list(errors[:MAX_ERRORS])
    if len(errors) > MAX_ERRORS:
        kept.append(f"… and {len(errors) - MAX_ERRORS} more.")
    connection.execute(
        """
        UPDATE indexing.job
        SET status = %s, errors = %s, suspects = '{}', finished_at = now(), heartbeat_at = now() WHERE id = %s
        """,
        [status, Jsonb(kept), job_id],
    )


def prune(connection: Connection[Any], pool_id: int, kept: int) -> None:
    """Delete all but the last `kept` finished jobs of each repository."""
    connection.execute(
        """
        DELETE FROM indexing.job WHERE id IN (
            SELECT id FROM (
                SELECT id, row_number() OVER (PARTITION BY repository_id ORDER BY requested_at DESC) AS place
                FROM indexing.job WHERE pool_id = %s AND status NOT IN ('queued', 'running')
            ) finished
            WHERE place > %s
        )
        """,
        [pool_id, kept],
    )
