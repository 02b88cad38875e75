"""What tells whether a repository's list is up to date, and the record of a look that found it so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.types.json import Jsonb

from packhorse_indexing.store.listing import FILES, stored_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from psycopg import AsyncConnection

    from packhorse_indexing.store.listing import Signature, StoredFile

KEPT_JOBS = 50
"""Finished jobs of a repository whose outcome can still be looked up."""


class State(NamedTuple):
    """Where a repository stands.

    While `last_job`, the one that finished last, is the same and none is unfinished (`busy`), so is its list.
    `rebuilding`: content of the pool is to be made anew.
    """

    indexed_at: datetime | None
    branch: str | None
    revision: str | None
    pending: int
    last_job: UUID | None
    busy: bool
    rebuilding: bool


async def state(connection: AsyncConnection[Any], repository_id: UUID) -> State | None:
    """Return where a repository stands; None when it is gone."""
    cursor = await connection.execute(
        """
        SELECT r.indexed_at, r.branch, r.revision, r.pending,
               (SELECT id FROM indexing.job WHERE repository_id = r.id AND finished_at IS NOT NULL
                ORDER BY finished_at DESC LIMIT 1),
               EXISTS (SELECT FROM indexing.job WHERE repository_id = r.id AND status IN ('queued', 'running')),
               EXISTS (SELECT FROM indexing.blob WHERE pool_id = r.pool_id AND rebuild)
        FROM indexing.repository r WHERE r.id = %s
        """,
        [repository_id],
    )
    row = await cursor.fetchone()
    return None if row is None else State(*row)


async def files(connection: AsyncConnection[Any], repository_id: UUID) -> dict[str, StoredFile]:
    """Return the repository's list, by path."""
    return stored_files(await (await connection.execute(FILES, [repository_id], binary=True)).fetchall())


async def settle(
    connection: AsyncConnection[Any], repository_id: UUID, rows: Sequence[tuple[str, int | None, Signature]]
) -> None:
    """Give files (path, blob, signature) that have none the signature with which they were found unchanged."""
    paths, blobs, signatures = zip(*rows, strict=True)
    sizes, mtimes, ctimes, inodes = zip(*signatures, strict=True)
    await connection.execute(
        """
        UPDATE indexing.listing l SET size = n.size, mtime_ns = n.mtime_ns, ctime_ns = n.ctime_ns, inode = n.inode
        FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
             AS n (path, blob_id, size, mtime_ns, ctime_ns, inode)
        JOIN indexing.repository r ON r.id = %s
        JOIN indexing.path p ON p.pool_id = r.pool_id AND p.path = n.path
        WHERE l.pool_id = r.pool_id AND l.repository = r.key AND l.path_id = p.id
          AND l.blob_id IS NOT DISTINCT FROM n.blob_id AND l.mtime_ns IS NULL
        """,
        [list(paths), list(blobs), list(sizes), list(mtimes), list(ctimes), list(inodes), repository_id],
    )


async def record_unchanged(
    connection: AsyncConnection[Any],
    repository_id: UUID,
    last_job: UUID | None,
    *,
    head: tuple[str | None, str | None],
    files: int,
    skipped: int,
    errors: Sequence[str],
    seconds: float,
) -> UUID | None:
    """Record, as a job that is done, that a look of so many seconds found the list up to date; return the job's id.

    None when anything has happened since the look, or is happening.
    """
    cursor = await connection.execute(
        "SELECT pool_id FROM indexing.repository WHERE id = %s FOR NO KEY UPDATE", [repository_id]
    )
    row = await cursor.fetchone()
    now = await state(connection, repository_id)
    if row is None or now is None or now.busy or now.last_job != last_job:
        return None
    cursor = await connection.execute(
        """
        INSERT INTO indexing.job (repository_id, pool_id, status, files_total, files_done, files_skipped, errors,
                                  phase, requested_at, started_at, heartbeat_at, finished_at)
        VALUES (%(repository)s, %(pool)s, %(status)s, %(files)s, %(files)s, %(skipped)s, %(errors)s,
                'index', now() - %(seconds)s * interval '1 s', now() - %(seconds)s * interval '1 s', now(), now())
        RETURNING id
        """,
        {
            "repository": repository_id,
            "pool": row[0],
            "status": "partial" if errors else "success",
            "files": files,
            "skipped": skipped,
            "errors": Jsonb(list(errors)),
            "seconds": seconds,
        },
    )
    created = await cursor.fetchone()
    await connection.execute(
        "UPDATE indexing.repository SET branch = %s, revision = %s, indexed_at = now() WHERE id = %s",
        [*head, repository_id],
    )
    await connection.execute(
        """
        DELETE FROM indexing.job WHERE id IN (
            SELECT id FROM indexing.job WHERE repository_id = %s AND finished_at IS NOT NULL
            ORDER BY finished_at DESC OFFSET %s
        )
        """,
        [repository_id, KEPT_JOBS],
    )
    return None if created is None else created[0]


async def pools_to_collect(connection: AsyncConnection[Any], days: float) -> list[int]:
    """Return the pools with content that has been on no list for so many days."""
    cursor = await connection.execute(
        "SELECT DISTINCT pool_id FROM indexing.blob WHERE orphaned_at <= now() - make_interval(secs => %s)",
        [days * 86400],
    )
    return [pool for (pool,) in await cursor.fetchall()]
