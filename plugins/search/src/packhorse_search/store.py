"""Every SQL statement of the plugin. They read the tables of the indexing plugin, whose schema is the interface.

The pool stands in the text of a statement, so that the plan that PostgreSQL keeps is made for the partition of that
pool alone, whatever other repositories are beside it. Lists of ids are joined rather than compared with ANY: in a
prepared statement PostgreSQL walks such an array for each row (600 ids against 5,000 chunks cost 30 ms, the join 1 ms).

A file is visible when one of the repositories lists it and the filter passes it. What a filter passes is looked up
once and handed to each retrieval as blobs; each states the condition itself, so that what it returns has been filtered
before it was ranked. Without a filter nearly all of a pool is visible, and `chunks` leaves out what is not. A filter on
kinds of symbols leaves the chunks that define one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from packhorse_search.area import for_pool
from packhorse_search.candidates import Definition
from packhorse_search.lexical import Corpus, Postings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    import numpy as np
    from numpy.typing import NDArray
    from psycopg import AsyncConnection

    from packhorse_search.area import Area

MIN_EF_SEARCH, MAX_EF_SEARCH = 100, 1000
"""Candidates that a scan of an HNSW index keeps: at least, for its recall, and at most, pgvector's limit."""

_PATHS_FOR_A_FILE = 10
"""Paths that are looked at for each file wanted: several may be of one content, or not listed."""


class ChunkRow(NamedTuple):
    """A chunk in one of the files that contain it."""

    chunk_id: int
    repository_id: UUID
    path: str
    language: str
    blob_id: int
    kind: str
    symbol: str | None
    scope: str | None
    start_line: int
    end_line: int
    hash: bytes


class LinesRow(NamedTuple):
    """A chunk beside another one, for context."""

    blob_id: int
    start_line: int
    end_line: int
    content: str


# Nested loops over indexes, as every statement but the scans of vectors is by key: without fresh statistics PostgreSQL
# joins whole tables (10 s and more where 10 ms do).
_BY_KEY = """
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('enable_seqscan', 'off', true)
"""

# The scan of an HNSW index goes on until enough pass the conditions, or so many were looked at.
_SCAN = """
SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)
"""

_CORPUS = """
SELECT coalesce(sum(chunks), 0)::bigint, coalesce(sum(length), 0)::bigint
FROM indexing.segment WHERE pool_id = {pool}
"""

_POSTINGS = """
SELECT coalesce(array_agg(lexeme), '{}'), coalesce(array_agg(octet_length(frequencies)), '{}'),
       coalesce(string_agg(chunk_ids, ''), ''), coalesce(string_agg(frequencies, ''), ''),
       coalesce(string_agg(lengths, ''), '')
FROM indexing.posting
WHERE pool_id = {pool} AND lexeme = ANY(%(lexemes)s)
"""

_VISIBLE_CHUNKS = """
SELECT c.id
FROM unnest(%(chunks)s::int[]) wanted (id)
JOIN indexing.chunk c ON c.pool_id = {pool} AND c.id = wanted.id
WHERE (%(blobs)s::int[] IS NULL OR c.blob_id IN (SELECT unnest(%(blobs)s::int[])))
  AND (%(kinds)s::text[] IS NULL OR EXISTS (
      SELECT FROM indexing.definition d WHERE d.pool_id = {pool} AND d.chunk_id = c.id AND d.kind = ANY(%(kinds)s)))
"""

_CHUNKS_OF_BLOBS = """
SELECT c.id
FROM unnest(%(blobs)s::int[]) wanted (id)
JOIN indexing.chunk c ON c.pool_id = {pool} AND c.blob_id = wanted.id
WHERE %(kinds)s::text[] IS NULL OR EXISTS (
    SELECT FROM indexing.definition d WHERE d.pool_id = {pool} AND d.chunk_id = c.id AND d.kind = ANY(%(kinds)s))
"""

# By the HNSW index, whose expression this is, where the pool has one.
NEAREST = """
SELECT chunk_id, vector::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) AS distance
FROM indexing.embedding
WHERE pool_id = {pool}
ORDER BY distance
LIMIT %(limit)s
"""

_NEAREST_PASSING = """
SELECT e.chunk_id, e.vector::halfvec({dimensions}) <=> %(vector)s::halfvec({dimensions}) AS distance
FROM indexing.embedding e
WHERE e.pool_id = {pool}
  AND (%(blobs)s::int[] IS NULL OR e.blob_id = ANY(%(blobs)s))
  AND (%(kinds)s::text[] IS NULL OR EXISTS (
      SELECT FROM indexing.definition d
      WHERE d.pool_id = {pool} AND d.chunk_id = e.chunk_id AND d.kind = ANY(%(kinds)s)))
ORDER BY distance
LIMIT %(limit)s
"""

# The same by a scan of all of them: the bare column is no index's expression.
_NEAREST_PASSING_EXACT = """
SELECT e.chunk_id, e.vector <=> %(vector)s AS distance
FROM indexing.embedding e
WHERE e.pool_id = {pool}
  AND (%(blobs)s::int[] IS NULL OR e.blob_id = ANY(%(blobs)s))
  AND (%(kinds)s::text[] IS NULL OR e.chunk_id IN (
      SELECT d.chunk_id FROM indexing.definition d WHERE d.pool_id = {pool} AND d.kind = ANY(%(kinds)s)))
ORDER BY distance
LIMIT %(limit)s
"""

_DISTANCES = """
SELECT e.chunk_id, e.vector <=> %(vector)s
FROM unnest(%(chunks)s::int[]) wanted (id)
JOIN indexing.embedding e ON e.pool_id = {pool} AND e.chunk_id = wanted.id
"""

# The files whose paths name most of the query; of each the chunk that comes first. Common lexemes have no paths here.
_CHUNKS_BY_PATH = """
SELECT c.id
FROM (
    SELECT l.blob_id, max(named.found) AS found
    FROM (
        SELECT path_id, count(*) AS found
        FROM indexing.path_lexeme w, unnest(w.path_ids) path_id
        WHERE w.pool_id = {pool} AND w.lexeme = ANY(%(lexemes)s)
        GROUP BY path_id ORDER BY found DESC, path_id LIMIT %(paths)s
    ) named
    JOIN indexing.listing l ON l.pool_id = {pool} AND l.path_id = named.path_id
     AND l.repository = ANY(ARRAY(SELECT key FROM indexing.repository WHERE id = ANY(%(repositories)s)))
    WHERE l.blob_id IS NOT NULL AND (%(blobs)s::int[] IS NULL OR l.blob_id IN (SELECT unnest(%(blobs)s::int[])))
    GROUP BY l.blob_id
) file
JOIN indexing.chunk c ON c.pool_id = {pool} AND c.blob_id = file.blob_id AND c.ordinal = 0
WHERE %(kinds)s::text[] IS NULL OR EXISTS (
    SELECT FROM indexing.definition d WHERE d.pool_id = {pool} AND d.chunk_id = c.id AND d.kind = ANY(%(kinds)s))
ORDER BY file.found DESC, c.id
LIMIT %(limit)s
"""

_CHUNKS_BY_DEFINITION = """
SELECT d.chunk_id
FROM indexing.definition d
WHERE d.pool_id = {pool} AND lower(d.name) = ANY(%(names)s)
  AND (%(blobs)s::int[] IS NULL OR d.blob_id IN (SELECT unnest(%(blobs)s::int[])))
  AND (%(kinds)s::text[] IS NULL OR d.kind = ANY(%(kinds)s))
ORDER BY d.name = ANY(%(exact)s) DESC, d.chunk_id
LIMIT %(limit)s
"""

_DEFINITIONS = """
SELECT coalesce(array_agg(d.chunk_id), '{}'), coalesce(array_agg(d.name), '{}'), coalesce(array_agg(d.kind), '{}')
FROM unnest(%(chunks)s::int[]) wanted (id)
JOIN indexing.definition d ON d.pool_id = {pool} AND d.chunk_id = wanted.id
"""

# OFFSET 0 has PostgreSQL look a blob's places up by the blob, not each time among all that the repository lists.
_CHUNKS = """
SELECT c.id, array_position(%(repositories)s::uuid[], r.id), p.path, b.language, c.blob_id, c.kind, c.symbol, c.scope,
       c.start_line, c.end_line, c.hash
FROM unnest(%(chunks)s::int[]) wanted (id)
JOIN indexing.chunk c ON c.pool_id = {pool} AND c.id = wanted.id
JOIN indexing.blob b ON b.pool_id = {pool} AND b.id = c.blob_id
CROSS JOIN LATERAL (
    SELECT repository, path_id FROM indexing.listing WHERE pool_id = {pool} AND blob_id = c.blob_id OFFSET 0
) l
JOIN indexing.repository r ON r.pool_id = {pool} AND r.key = l.repository AND r.id = ANY(%(repositories)s)
JOIN indexing.path p ON p.pool_id = {pool} AND p.id = l.path_id
WHERE (%(extensions)s::text[] IS NULL OR p.extension = ANY(%(extensions)s))
  AND (%(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s))
  AND (%(within)s::text[] IS NULL OR p.path ~ ANY(%(within)s))
  AND (%(without)s::text[] IS NULL OR NOT p.path ~ ANY(%(without)s))
  AND (NOT %(compared)s OR (r.id, p.path) IN (
      SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
"""

_CONTENTS = """
SELECT c.id, c.content
FROM unnest(%(chunks)s::int[]) wanted (id)
JOIN indexing.chunk c ON c.pool_id = {pool} AND c.id = wanted.id
"""

_PATH_FREQUENCIES = """
SELECT lexeme, paths FROM indexing.path_lexeme WHERE pool_id = {pool} AND lexeme = ANY(%(lexemes)s)
"""

_LINES = """
SELECT c.blob_id, c.start_line, c.end_line, c.content
FROM indexing.chunk c
JOIN unnest(%(blobs)s::int[], %(first)s::int[], %(last)s::int[]) wanted (blob_id, first, last)
  ON c.blob_id = wanted.blob_id AND c.start_line <= wanted.last AND c.end_line >= wanted.first
WHERE c.pool_id = {pool}
"""


async def scan_index(connection: AsyncConnection[Any], limit: int) -> None:
    """Have the scans of HNSW indexes, for the rest of the transaction or pipeline, look for so many vectors."""
    await connection.execute(_SCAN, [str(min(MAX_EF_SEARCH, max(limit, MIN_EF_SEARCH)))])


async def by_key(connection: AsyncConnection[Any]) -> None:
    """Have all further statements of the transaction or pipeline planned as look-ups by key."""
    await connection.execute(_BY_KEY)


async def corpus(connection: AsyncConnection[Any], pool_id: int) -> Corpus:
    """Return the totals of a pool's lexical index."""
    row = await (await connection.execute(for_pool(_CORPUS, pool_id))).fetchone()
    return Corpus(*row) if row else Corpus(0, 0)


async def postings(connection: AsyncConnection[Any], pool_id: int, lexemes: Iterable[str]) -> Postings:
    """Return the postings of these lexemes."""
    cursor = await connection.execute(for_pool(_POSTINGS, pool_id), {"lexemes": list(lexemes)}, binary=True)
    row = await cursor.fetchone()
    return Postings.unpack(*(row or ([], [], b"", b"", b"")))


async def visible_chunks(connection: AsyncConnection[Any], area: Area, chunk_ids: Sequence[int]) -> set[int]:
    """Return those of the chunks that the area's blobs and kinds leave."""
    statement = for_pool(_VISIBLE_CHUNKS, area.pool_id)
    cursor = await connection.execute(statement, area.parameters() | {"chunks": _array(chunk_ids)}, binary=True)
    return {row[0] for row in await cursor.fetchall()}


async def chunks_of_blobs(connection: AsyncConnection[Any], area: Area) -> list[int]:
    """Return all chunks of the area's blobs, of which there are to be few."""
    cursor = await connection.execute(for_pool(_CHUNKS_OF_BLOBS, area.pool_id), area.parameters(), binary=True)
    return [row[0] for row in await cursor.fetchall()]


async def nearest_chunks(
    connection: AsyncConnection[Any], area: Area, vector: NDArray[np.float32], limit: int, *, exact: bool
) -> dict[int, float]:
    """Return the chunks nearest to a query vector, nearest first, with their cosines.

    Without `exact` the pool's HNSW index is used if it has one; with conditions it may then return too few.
    """
    from pgvector import HalfVector

    parameters = {"vector": HalfVector(vector), "limit": limit}
    if area.is_open and not exact:
        statement, prepare = NEAREST, None
    else:
        # Planned for these very blobs: a prepared statement would compare every row with each of them.
        statement, prepare = _NEAREST_PASSING_EXACT if exact else _NEAREST_PASSING, False
        parameters |= area.parameters()
    cursor = await connection.execute(
        for_pool(statement, area.pool_id, len(vector)), parameters, binary=True, prepare=prepare
    )
    return _cosines(await cursor.fetchall())


async def cosines(
    connection: AsyncConnection[Any], pool_id: int, vector: NDArray[np.float32], chunk_ids: Sequence[int]
) -> dict[int, float]:
    """Return the cosine of each of these chunks that has a vector."""
    from pgvector import HalfVector

    parameters = {"vector": HalfVector(vector), "chunks": _array(chunk_ids)}
    cursor = await connection.execute(for_pool(_DISTANCES, pool_id), parameters, binary=True)
    return _cosines(await cursor.fetchall())


async def chunks_by_path(connection: AsyncConnection[Any], area: Area, lexemes: Sequence[str], limit: int) -> list[int]:
    """Return the first chunks of the visible files whose paths contain most of these lexemes."""
    paths = _PATHS_FOR_A_FILE * limit if area.is_open else None
    parameters = area.parameters() | {"lexemes": list(lexemes), "limit": limit, "paths": paths}
    cursor = await connection.execute(for_pool(_CHUNKS_BY_PATH, area.pool_id), parameters, binary=True)
    return [row[0] for row in await cursor.fetchall()]


async def chunks_by_definition(
    connection: AsyncConnection[Any], area: Area, names: Sequence[str], limit: int
) -> list[int]:
    """Return the chunks that define one of these names, whatever its case; the same case first."""
    parameters = area.parameters() | {
        "names": [name.lower() for name in names],
        "exact": list(names),
        "limit": limit,
    }
    cursor = await connection.execute(for_pool(_CHUNKS_BY_DEFINITION, area.pool_id), parameters, binary=True)
    return [row[0] for row in await cursor.fetchall()]


async def definitions(
    connection: AsyncConnection[Any], pool_id: int, chunk_ids: Sequence[int]
) -> dict[int, list[Definition]]:
    """Return what each of these chunks defines."""
    cursor = await connection.execute(for_pool(_DEFINITIONS, pool_id), {"chunks": _array(chunk_ids)}, binary=True)
    found: defaultdict[int, list[Definition]] = defaultdict(list)
    for columns in await cursor.fetchall():  # one row: a thousand would take milliseconds to convert
        for chunk_id, definition in zip(columns[0], map(Definition, columns[1], columns[2]), strict=True):
            found[chunk_id].append(definition)
    return found


async def chunks(connection: AsyncConnection[Any], area: Area, chunk_ids: Sequence[int]) -> list[ChunkRow]:
    """Return these chunks, once for each visible file in which one stands."""
    parameters = area.file_parameters() | {"chunks": _array(chunk_ids)}
    cursor = await connection.execute(for_pool(_CHUNKS, area.pool_id), parameters, binary=True)
    ids = area.repository_ids
    # PostgreSQL counts from 1. To make a UUID of each row would cost more than all else in it.
    rows = [ChunkRow(chunk_id, ids[n - 1], *rest) for chunk_id, n, *rest in await cursor.fetchall()]
    return [row for row in rows if area.filter.passes_category(row.path)] if area.filter.categories else rows


async def contents(connection: AsyncConnection[Any], pool_id: int, chunk_ids: Sequence[int]) -> dict[int, str]:
    """Return the text of each of these chunks."""
    cursor = await connection.execute(for_pool(_CONTENTS, pool_id), {"chunks": _array(chunk_ids)}, binary=True)
    return dict(await cursor.fetchall())


async def path_frequencies(connection: AsyncConnection[Any], pool_id: int, lexemes: Sequence[str]) -> dict[str, int]:
    """Return in how many of the pool's paths each of these lexemes occurs."""
    statement = for_pool(_PATH_FREQUENCIES, pool_id)
    return dict(await (await connection.execute(statement, {"lexemes": list(lexemes)}, binary=True)).fetchall())


async def lines(
    connection: AsyncConnection[Any], pool_id: int, spans: Sequence[tuple[int, int, int]]
) -> list[LinesRow]:
    """Return the chunks that overlap any of these spans of (blob id, first line, last line)."""
    parameters = {
        "blobs": [blob for blob, _, _ in spans],
        "first": [first for _, first, _ in spans],
        "last": [last for _, _, last in spans],
    }
    return [
        LinesRow(*row) for row in await (await connection.execute(for_pool(_LINES, pool_id), parameters)).fetchall()
    ]


def _array(ids: Iterable[int]) -> str:
    """Write an array of integers as PostgreSQL reads it; the driver takes a millisecond for a few hundred."""
    return "{" + ",".join(map(str, ids)) + "}"


def _cosines(rows: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Return 1 - distance by chunk, nearest first and ties by id."""
    return {chunk_id: 1 - distance for chunk_id, distance in sorted(rows, key=lambda row: (row[1], row[0]))}
