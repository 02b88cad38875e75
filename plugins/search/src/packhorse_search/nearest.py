"""The statements of a search that find by meaning, and the chunks that a filter passes where these are few.

The nearest vectors come from the pool's HNSW index, or by comparing those chunks that pass one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from packhorse_search.area import array, for_pool
from packhorse_search.store import cosines, one

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from psycopg import AsyncConnection, AsyncCursor

    from packhorse_search.area import Area

MIN_EF_SEARCH, MAX_EF_SEARCH = 225, 1000
"""Candidates that a scan of an HNSW index keeps: at least, for its recall, and at most, pgvector's limit."""

_MOST_SCANNED = 4_000
"""Vectors that a scan of an HNSW index looks at before it gives up finding enough that pass; the few are then compared
by key in less time than it would take on."""

# One row, as further ones cost more to read than to find. The scan of an HNSW index goes on until enough pass the
# conditions, or so many were looked at; how it scans is set before it begins, by what it waits for, and what comes
# after it is planned as `_BY_KEY` has it: a statement of its own for that costs more than what it sets up.
_SCANNED = """
SELECT coalesce(array_agg(nearest.chunk_id), '{}'), coalesce(array_agg(nearest.distance), '{}')
FROM (
    SELECT (set_config('hnsw.ef_search', %(ef_search)s, true)
            || set_config('hnsw.iterative_scan', 'relaxed_order', true)
            || set_config('hnsw.max_scan_tuples', '{most}', true)
            || set_config('enable_hashjoin', 'off', true) || set_config('enable_mergejoin', 'off', true)
            || set_config('enable_seqscan', 'off', true) || set_config('enable_material', 'off', true)
            || set_config('join_collapse_limit', '1', true)
            || set_config('from_collapse_limit', '1', true)) IS NOT NULL AS ready
    OFFSET 0
) settings
CROSS JOIN LATERAL ({nearest}) nearest
"""


def _scanned(nearest: str) -> str:
    return _SCANNED.replace("{nearest}", nearest).replace("{most}", str(_MOST_SCANNED))


# By the HNSW index, whose expression this is, where the pool has one.
NEAREST = _scanned("""
SELECT chunk_id, vector::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) AS distance
FROM indexing.embedding
WHERE pool_id = {pool} AND settings.ready
ORDER BY distance
LIMIT {limit}
""")

_NEAREST_PASSING = _scanned("""
SELECT e.chunk_id, e.vector::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) AS distance
FROM indexing.embedding e
WHERE e.pool_id = {pool} AND settings.ready
  AND (%(blobs)s::int[] IS NULL OR e.blob_id = ANY(%(blobs)s))
  AND (%(kinds)s::text[] IS NULL OR (
      SELECT true FROM indexing.definition d
      WHERE d.pool_id = {pool} AND d.chunk_id = e.chunk_id AND d.kind = ANY(%(kinds)s) LIMIT 1))
ORDER BY distance
LIMIT {limit}
""")

# The bare column is no index's expression.
_NEAREST_LISTED = _scanned("""
SELECT e.chunk_id, e.vector <=> %(vector)s AS distance
FROM unnest(%(chunks)s::int[]) wanted (id)
CROSS JOIN LATERAL (SELECT * FROM indexing.embedding WHERE pool_id = {pool} AND chunk_id = wanted.id OFFSET 0) e
WHERE settings.ready
ORDER BY distance
LIMIT {limit}
""")

_CHUNKS_OF_BLOBS = """
SELECT coalesce(array_agg(c.id), '{}')
FROM unnest(%(blobs)s::int[]) wanted (id)
CROSS JOIN LATERAL (SELECT * FROM indexing.chunk WHERE pool_id = {pool} AND blob_id = wanted.id OFFSET 0) c
WHERE %(kinds)s::text[] IS NULL OR (
    SELECT true FROM indexing.definition d
    WHERE d.pool_id = {pool} AND d.chunk_id = c.id AND d.kind = ANY(%(kinds)s) LIMIT 1)
"""

# It reads on until there are too many, and all definitions where a kind is rare: 25 ms of 184,000.
_CHUNKS_OF_KINDS = """
SELECT coalesce(array_agg(chunk_id), '{}')
FROM (
    SELECT DISTINCT d.chunk_id
    FROM indexing.definition d
    WHERE d.pool_id = {pool} AND d.kind = ANY(%(kinds)s)
      AND (%(blobs)s::int[] IS NULL OR d.blob_id IN (SELECT unnest(%(blobs)s::int[])))
    LIMIT %(most)s
) defining
"""


async def passing(connection: AsyncConnection[Any], area: Area, most: int | None = None) -> NDArray[np.int32] | None:
    """Return the chunks that an area's blobs and kinds leave; None where they are more than `most`."""
    by_blobs = area.blobs is not None and (most is None or area.size <= most)
    if not by_blobs and not area.filter.kinds:
        return None
    statement = for_pool(_CHUNKS_OF_BLOBS if by_blobs else _CHUNKS_OF_KINDS, area.pool_id)
    parameters = area.parameters() | {"most": None if most is None else most + 1}
    [found] = await one(await connection.execute(statement, parameters, binary=True))
    return None if most is not None and len(found) > most else np.array(found, np.int32)


async def ask_nearest(
    connection: AsyncConnection[Any],
    area: Area,
    vector: NDArray[np.float32],
    limit: int,
    among: NDArray[np.int32] | None = None,
) -> AsyncCursor[Any]:
    """Ask for the chunks nearest to a query vector; see `nearest`.

    They are those of the chunks `among`; without these the pool's HNSW index is used if it has one, and may find too
    few that pass. Further statements of the transaction or pipeline are planned as look-ups by key.
    """
    from pgvector import HalfVector

    ef_search = str(min(MAX_EF_SEARCH, max(limit, MIN_EF_SEARCH)))
    parameters = {"vector": HalfVector(vector), "ef_search": ef_search}
    if among is not None:
        statement, prepare = _NEAREST_LISTED, None
        parameters["chunks"] = array(among.tolist())
    elif area.is_open:
        statement, prepare = NEAREST, None
    else:
        # Planned for these very blobs: a prepared statement would compare every row with each of them.
        statement, prepare = _NEAREST_PASSING, False
        parameters |= area.parameters()
    whole = for_pool(statement, area.pool_id, len(vector), limit)
    return await connection.execute(whole, parameters, binary=True, prepare=prepare)


async def nearest(asked: AsyncCursor[Any]) -> dict[int, float]:
    """Return the chunks that `ask_nearest` asked for, nearest first, with their cosines."""
    return cosines(*await one(asked))
