"""Pools and repositories: what there is, and how complete it is."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple

from psycopg.rows import class_row

from packhorse_indexing.models import Coverage, Repository
from packhorse_indexing.store import vectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from psycopg import AsyncConnection

POOL_LOCK = 0x7068_0001
"""The class of the advisory locks that make a pool's worker the only one; the object is the pool's id."""

HELPERS_LOCK = 0x7068_0004
"""The class of the advisory lock of the only worker that has helpers; the object is 0."""

_REPOSITORY = """
SELECT r.id, r.pool_id, r.path, r.branch, r.revision, r.indexed_at, p.embedder, p.dimensions, r.url
FROM indexing.repository r JOIN indexing.pool p ON p.id = r.pool_id
"""

_COVERAGE = """
SELECT r.id AS repository_id, r.files + r.skipped AS files, r.files AS files_indexed, r.chunks,
       r.chunks - r.pending AS embedded, r.indexed_at, j.id AS job_id, j.status AS job_status, j.phase AS job_phase,
       j.files_total AS job_files, j.files_done AS job_done, j.embed_total AS job_embed_total,
       j.embed_done AS job_embed_done,
       r.id, r.pool_id, r.path, r.branch, r.revision, r.indexed_at, p.embedder, p.dimensions, r.url
FROM indexing.repository r JOIN indexing.pool p ON p.id = r.pool_id
LEFT JOIN LATERAL (
    SELECT * FROM indexing.job WHERE repository_id = r.id ORDER BY requested_at DESC LIMIT 1
) j ON true
"""
_COVERAGE_FIELDS = len(fields(Coverage))


class Which(NamedTuple):
    """Which repositories are meant: the end of a statement, and the value in it."""

    condition: LiteralString
    value: object = None


ALL = Which("ORDER BY r.path")


def by_id(repository_id: UUID) -> Which:
    """The one with this id."""
    return Which("WHERE r.id = %(value)s", repository_id)


def by_ids(repository_ids: Sequence[UUID]) -> Which:
    """Those with these ids."""
    return Which("WHERE r.id = ANY(%(value)s) ORDER BY r.path", list(repository_ids))


def by_path(path: str) -> Which:
    """The one of this resolved path."""
    return Which("WHERE r.path = %(value)s", path)


def by_url(url: str) -> Which:
    """The one that is a clone of this URL."""
    return Which("WHERE r.url = %(value)s", url)


def by_name(name: str) -> Which:
    """Those whose folder has this name."""
    return Which("WHERE right(r.path, length(%(value)s) + 1) = '/' || %(value)s ORDER BY r.path", name)


async def repositories(connection: AsyncConnection[Any]) -> list[Repository]:
    """Return every repository, by path."""
    return await matching(connection, ALL)


async def repository_by_path(connection: AsyncConnection[Any], path: str) -> Repository | None:
    """Return the repository of this resolved path."""
    return next(iter(await matching(connection, by_path(path))), None)


async def matching(connection: AsyncConnection[Any], which: Which) -> list[Repository]:
    """Return the repositories that are meant, by path."""
    async with connection.cursor(row_factory=class_row(Repository)) as cursor:
        return await (await cursor.execute(_REPOSITORY + which.condition, {"value": which.value})).fetchall()


async def covered(connection: AsyncConnection[Any], which: Which) -> list[tuple[Repository, Coverage]]:
    """Return the repositories that are meant, by path, each with how complete its index is and its latest job."""
    cursor = await connection.execute(_COVERAGE + which.condition, {"value": which.value})
    first = _COVERAGE_FIELDS
    return [(Repository(*row[first:]), Coverage(*row[:first])) for row in await cursor.fetchall()]


async def last_requested(connection: AsyncConnection[Any]) -> Repository | None:
    """Return the repository whose job was asked for last."""
    order = "JOIN indexing.job j ON j.repository_id = r.id ORDER BY j.requested_at DESC LIMIT 1"
    async with connection.cursor(row_factory=class_row(Repository)) as cursor:
        return await (await cursor.execute(_REPOSITORY + order)).fetchone()


async def create_repository(
    connection: AsyncConnection[Any], path: str, identity: str, embedder: str, dimensions: int, url: str | None = None
) -> None:
    """Add the repository of this path, and its pool with its partitions when it is the family's first.

    `url` is what the folder is, or will be, a clone of. Two processes that add the same path or family at once get
    one of each.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [POOL_LOCK + 1, identity])
    cursor = await connection.execute(
        """
        INSERT INTO indexing.pool (identity, embedder, dimensions) VALUES (%s, %s, %s)
        ON CONFLICT (identity) DO NOTHING RETURNING id
        """,
        [identity, embedder, dimensions],
    )
    created = await cursor.fetchone()
    if created is not None:
        await connection.execute("SELECT indexing.create_partitions(%s)", [created[0]])
    await connection.execute(
        """
        INSERT INTO indexing.repository (pool_id, path, url)
        SELECT id, %s, %s FROM indexing.pool WHERE identity = %s
        ON CONFLICT (path) DO NOTHING
        """,
        [path, url, identity],
    )


async def coverage(connection: AsyncConnection[Any], repository_ids: Sequence[UUID]) -> list[Coverage]:
    """Return how complete each of these repositories is, with its latest job."""
    return [one for _, one in await covered(connection, by_ids(repository_ids))]


async def contents(connection: AsyncConnection[Any], repository_id: UUID) -> dict[str, tuple[bytes, int]]:
    """Return the SHA-256 and the size of each indexed file of a repository, by its path."""
    query = """
        SELECT f.path, b.hash, b.bytes
        FROM indexing.file f JOIN indexing.blob b ON b.pool_id = f.pool_id AND b.id = f.blob_id
        WHERE f.repository_id = %s
        """
    return {
        path: (hash_, size) for path, hash_, size in await (await connection.execute(query, [repository_id])).fetchall()
    }


async def forget_repository(connection: AsyncConnection[Any], repository: Repository, lock_seconds: float) -> None:
    """Remove a repository; its pool goes with the last one, and otherwise what only it listed is orphaned.

    Waits up to `lock_seconds` for the pool's worker to leave.

    Raises:
        psycopg.errors.LockNotAvailable: the worker did not leave in time.
    """
    await connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{int(lock_seconds * 1000)}ms"])
    await connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [POOL_LOCK, repository.pool_id])
    await connection.execute("DELETE FROM indexing.repository WHERE id = %s", [repository.id])
    cursor = await connection.execute(
        "SELECT NOT EXISTS (SELECT FROM indexing.repository WHERE pool_id = %s)", [repository.pool_id]
    )
    row = await cursor.fetchone()
    if row is not None and row[0]:
        await connection.execute(vectors.CANCEL_BUILD, [vectors.BUILD_LOCK, repository.pool_id])
        await connection.execute("SELECT indexing.drop_partitions(%s)", [repository.pool_id])
        await connection.execute("DELETE FROM indexing.vocabulary WHERE pool_id = %s", [repository.pool_id])
        await connection.execute("DELETE FROM indexing.segment WHERE pool_id = %s", [repository.pool_id])
        await connection.execute("DELETE FROM indexing.blob WHERE pool_id = %s", [repository.pool_id])
        await connection.execute("DELETE FROM indexing.path_lexeme WHERE pool_id = %s", [repository.pool_id])
        await connection.execute("DELETE FROM indexing.path WHERE pool_id = %s", [repository.pool_id])
        await connection.execute("DELETE FROM indexing.pool WHERE id = %s", [repository.pool_id])
    else:
        await connection.execute(
            """
            UPDATE indexing.blob b SET orphaned_at = now()
            WHERE pool_id = %s AND orphaned_at IS NULL
              AND NOT EXISTS (SELECT FROM indexing.listing l WHERE l.pool_id = b.pool_id AND l.blob_id = b.id)
            """,
            [repository.pool_id],
        )


async def pending(connection: AsyncConnection[Any]) -> list[tuple[str, int]]:
    """Return (path, chunks) of the repositories with chunks that wait for their embedding."""
    cursor = await connection.execute("SELECT path, pending FROM indexing.repository WHERE pending > 0 ORDER BY path")
    return await cursor.fetchall()


async def repositories_with_pending(connection: AsyncConnection[Any], embedder: str) -> list[UUID]:
    """Return a repository of each of the embedder's pools in which chunks wait for it: one run embeds for the pool."""
    cursor = await connection.execute(
        """
        SELECT DISTINCT ON (r.pool_id) r.id
        FROM indexing.repository r JOIN indexing.pool p ON p.id = r.pool_id
        WHERE r.pending > 0 AND p.embedder = %s ORDER BY r.pool_id, r.pending DESC
        """,
        [embedder],
    )
    return [repository_id for (repository_id,) in await cursor.fetchall()]
