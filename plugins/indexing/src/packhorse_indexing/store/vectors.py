"""The HNSW indexes of vectors: one for a pool that is large, on its partition of `embedding`, built beside all work.

Whether a pool has a valid one is all that there is to know: searches use it when it is there and scan when it is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

if TYPE_CHECKING:
    from psycopg import AsyncConnection, Connection

BUILD_LOCK = 0x7068_0003
"""The class of the advisory locks that a build holds; the object is the pool's id."""

LINKS, CANDIDATES = 16, 64
"""HNSW's m and ef_construction (Malkov & Yashunin 2016), pgvector's defaults."""

MAX_DIMENSIONS = 4000
"""pgvector indexes no longer halfvecs."""

_BYTES_FOR_A_LINK = 16
_SPARE = 1.3
_MAX_MEMORY = 256 << 20
"""What indexing may take in all leaves no more. It holds the graph of 219,000 vectors of the static embedder."""

_NAME = "embedding_{}_hnsw"


class Unindexed(NamedTuple):
    """A pool that is to have an index: its dimensions, and about how many vectors it has."""

    pool_id: int
    dimensions: int
    vectors: int


async def unindexed(connection: AsyncConnection[Any], least: int) -> list[Unindexed]:
    """Return the pools at rest that have so many vectors and no valid index, the smallest first."""
    cursor = await connection.execute(
        """
        SELECT p.id, p.dimensions, max(r.chunks - r.pending)
        FROM indexing.pool p JOIN indexing.repository r ON r.pool_id = p.id
        WHERE p.dimensions <= %s
          AND NOT EXISTS (SELECT FROM indexing.job j WHERE j.pool_id = p.id AND j.status IN ('queued', 'running'))
          AND NOT EXISTS (
              SELECT FROM pg_index i WHERE i.indexrelid = to_regclass('indexing.embedding_' || p.id || '_hnsw')
              AND i.indisvalid)
        GROUP BY p.id, p.dimensions HAVING max(r.chunks - r.pending) >= %s
        ORDER BY 3
        """,
        [MAX_DIMENSIONS, least],
    )
    return [Unindexed(*row) for row in await cursor.fetchall()]


async def build(connection: AsyncConnection[Any], pool: Unindexed) -> bool:
    """Build a pool's index, on a connection in autocommit mode; False when somebody else is at it.

    What an interrupted build left is removed first.
    """
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [BUILD_LOCK, pool.pool_id])
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return False
    # Parallel builders need shared memory, of which containers have little, and the user's other cores.
    ours = {
        "statement_timeout": "0",
        "maintenance_work_mem": f"{memory(pool) >> 10}kB",
        "max_parallel_maintenance_workers": "0",
    }
    usual = await _settings(connection, list(ours))
    try:
        await _set(connection, ours)
        name = sql.Identifier("indexing", _NAME.format(pool.pool_id))
        await connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(name))
        await connection.execute(
            sql.SQL(
                "CREATE INDEX CONCURRENTLY {} ON {} USING hnsw ((vector::halfvec({})) halfvec_cosine_ops)"
                " WITH (m = {}, ef_construction = {})"
            ).format(
                sql.Identifier(_NAME.format(pool.pool_id)),
                sql.Identifier("indexing", f"embedding_{pool.pool_id}"),
                sql.Literal(pool.dimensions),
                sql.Literal(LINKS),
                sql.Literal(CANDIDATES),
            )
        )
    finally:
        if not connection.broken:
            await _set(connection, usual)
            await connection.execute("SELECT pg_advisory_unlock(%s, %s)", [BUILD_LOCK, pool.pool_id])
    return True


async def _settings(connection: AsyncConnection[Any], names: list[str]) -> dict[str, str]:
    cursor = await connection.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) name", [names])
    return dict(await cursor.fetchall())


async def _set(connection: AsyncConnection[Any], settings: dict[str, str]) -> None:
    await connection.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS setting (name, value)",
        [list(settings), list(settings.values())],
    )


def memory(pool: Unindexed) -> int:
    """Return the bytes that a build needs to hold its graph in memory, within reason; without, it takes far longer."""
    each = 2 * pool.dimensions + 3 * LINKS * _BYTES_FOR_A_LINK + 200
    return max(64 << 20, min(_MAX_MEMORY, int(_SPARE * each * pool.vectors)))


def drop(connection: Connection[Any], pool_id: int) -> None:
    """Remove a pool's index, ending a build of it; before its vectors are replaced, or very many are added."""
    connection.execute(CANCEL_BUILD, [BUILD_LOCK, pool_id])
    connection.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier("indexing", _NAME.format(pool_id))))


CANCEL_BUILD = """
SELECT pg_cancel_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""End the build of a pool's index; the parameters are BUILD_LOCK and the pool's id."""
