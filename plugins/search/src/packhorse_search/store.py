"""Every SQL statement of the plugin. They read the tables of the indexing plugin, whose schema is the interface.

Lists of ids are joined rather than compared with ANY: in a prepared statement PostgreSQL walks such an array for each
row (600 ids against 5,000 chunks cost 30 ms, the join 1 ms).

A file is visible when one of the repositories lists it and the filter passes it. What a filter passes is looked up
once and handed to each retrieval as blobs; each states the condition itself, so that what it returns has been filtered
before it was ranked. A filter on kinds of symbols leaves the chunks that define one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from packhorse_search.candidates import Definition
from packhorse_search.lexical import Corpus, Posting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    import numpy as np
    from numpy.typing import NDArray
    from psycopg import AsyncConnection

    from packhorse_search.filters import Filter


@dataclass(frozen=True, slots=True)
class Area:
    """What is searched in one statement: repositories of one pool and the filter on their files and chunks.

    `blobs` are those of the files that the filter passes, None when it passes every file; `narrowed` finds them.
    """

    pool_id: int
    repository_ids: tuple[UUID, ...]
    filter: Filter
    blobs: tuple[int, ...] | None = None

    def parameters(self) -> dict[str, Any]:
        """The parameters of the visibility condition."""
        return {
            "pool": self.pool_id,
            "repositories": list(self.repository_ids),
            "blobs": None if self.blobs is None else list(self.blobs),
            "kinds": list(self.filter.kinds) or None,
        }

    def file_parameters(self) -> dict[str, Any]:
        """The parameters of the condition on a file."""
        changed = self.filter.changed
        return self.parameters() | {
            "extensions": list(self.filter.extensions) or None,
            "languages": list(self.filter.languages) or None,
            "within": list(self.filter.within) or None,
            "without": list(self.filter.without) or None,
            "compared": changed is not None,
            "changed_repositories": [repository for repository, _ in changed or ()],
            "changed_paths": [path for _, path in changed or ()],
        }


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


_CORPUS = """
SELECT coalesce(sum(chunks), 0)::bigint, coalesce(sum(length), 0)::bigint FROM indexing.segment WHERE pool_id = %s
"""

_POSTINGS = """
SELECT lexeme, chunk_ids, frequencies, lengths
FROM indexing.posting
WHERE pool_id = %s AND lexeme = ANY(%s)
"""

_VISIBLE_CHUNKS = """
SELECT c.id
FROM unnest(%(chunks)s::int[]) wanted (id)
JOIN indexing.chunk c ON c.pool_id = %(pool)s AND c.id = wanted.id
WHERE c.blob_id IN (
      SELECT f.blob_id FROM indexing.file f
      WHERE f.pool_id = %(pool)s AND f.repository_id = ANY(%(repositories)s) AND %(blobs)s::int[] IS NULL
      UNION ALL SELECT unnest(%(blobs)s::int[])
  )
  AND (%(kinds)s::text[] IS NULL OR c.id IN (
      SELECT d.chunk_id FROM indexing.definition d WHERE d.pool_id = %(pool)s AND d.kind = ANY(%(kinds)s)))
"""

_NEAREST_CHUNKS = """
SELECT e.chunk_id, 1 - (e.vector <=> %(vector)s)
FROM indexing.embedding e
WHERE e.pool_id = %(pool)s
  AND e.blob_id IN (
      SELECT f.blob_id FROM indexing.file f
      WHERE f.pool_id = %(pool)s AND f.repository_id = ANY(%(repositories)s) AND %(blobs)s::int[] IS NULL
      UNION ALL SELECT unnest(%(blobs)s::int[])
  )
  AND (%(kinds)s::text[] IS NULL OR e.chunk_id IN (
      SELECT d.chunk_id FROM indexing.definition d WHERE d.pool_id = %(pool)s AND d.kind = ANY(%(kinds)s)))
ORDER BY e.vector <=> %(vector)s, e.chunk_id
LIMIT %(limit)s
"""

_COSINES = """
SELECT e.chunk_id, 1 - (e.vector <=> %(vector)s)
FROM unnest(%(chunks)s::int[]) wanted (id)
JOIN indexing.embedding e ON e.pool_id = %(pool)s AND e.chunk_id = wanted.id
"""

# The files whose paths name most of the query; of each the chunk that comes first.
_CHUNKS_BY_PATH = """
SELECT c.id
FROM (
    SELECT DISTINCT ON (f.blob_id) f.blob_id, cardinality(ARRAY(
        SELECT unnest(f.lexemes) INTERSECT SELECT unnest(%(lexemes)s::text[]))) AS found
    FROM indexing.file f
    WHERE f.pool_id = %(pool)s AND f.repository_id = ANY(%(repositories)s) AND f.lexemes && %(lexemes)s::text[]
      AND f.blob_id IS NOT NULL
      AND (%(blobs)s::int[] IS NULL OR f.blob_id IN (SELECT unnest(%(blobs)s::int[])))
) named
JOIN indexing.chunk c ON c.pool_id = %(pool)s AND c.blob_id = named.blob_id AND c.ordinal = 0
WHERE %(kinds)s::text[] IS NULL OR c.id IN (
    SELECT d.chunk_id FROM indexing.definition d WHERE d.pool_id = %(pool)s AND d.kind = ANY(%(kinds)s))
ORDER BY named.found DESC, c.id
LIMIT %(limit)s
"""

_CHUNKS_BY_DEFINITION = """
SELECT d.chunk_id
FROM indexing.definition d
WHERE d.pool_id = %(pool)s AND lower(d.name) = ANY(%(names)s)
  AND d.blob_id IN (
      SELECT f.blob_id FROM indexing.file f
      WHERE f.pool_id = %(pool)s AND f.repository_id = ANY(%(repositories)s) AND %(blobs)s::int[] IS NULL
      UNION ALL SELECT unnest(%(blobs)s::int[])
  )
  AND (%(kinds)s::text[] IS NULL OR d.kind = ANY(%(kinds)s))
ORDER BY d.name = ANY(%(exact)s) DESC, d.chunk_id
LIMIT %(limit)s
"""

_DEFINITIONS = """
SELECT d.chunk_id, d.name, d.kind
FROM unnest(%(blobs)s::int[]) wanted (blob_id)
JOIN indexing.definition d ON d.pool_id = %(pool)s AND d.blob_id = wanted.blob_id
WHERE d.chunk_id IN (SELECT unnest(%(chunks)s::int[]))
"""

_CHUNKS = """
SELECT c.id, f.repository_id, f.path, b.language, c.blob_id, c.kind, c.symbol, c.scope,
       c.start_line, c.end_line, c.hash
FROM unnest(%(chunks)s::int[]) wanted (id)
JOIN indexing.chunk c ON c.pool_id = %(pool)s AND c.id = wanted.id
JOIN indexing.blob b ON b.pool_id = c.pool_id AND b.id = c.blob_id
JOIN indexing.file f ON f.pool_id = c.pool_id AND f.blob_id = c.blob_id
WHERE f.repository_id = ANY(%(repositories)s)
  AND (%(extensions)s::text[] IS NULL OR f.extension = ANY(%(extensions)s))
  AND (%(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s))
  AND (%(within)s::text[] IS NULL OR f.path ~ ANY(%(within)s))
  AND (%(without)s::text[] IS NULL OR NOT f.path ~ ANY(%(without)s))
  AND (NOT %(compared)s OR (f.repository_id, f.path) IN (
      SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
"""

_CONTENTS = """
SELECT c.id, c.content
FROM unnest(%(chunks)s::int[]) wanted (id)
JOIN indexing.chunk c ON c.pool_id = %(pool)s AND c.id = wanted.id
"""

_FILES = """
SELECT f.blob_id, f.path
FROM indexing.file f
JOIN indexing.blob b ON b.pool_id = f.pool_id AND b.id = f.blob_id
WHERE f.pool_id = %(pool)s AND f.repository_id = ANY(%(repositories)s)
  AND (%(extensions)s::text[] IS NULL OR f.extension = ANY(%(extensions)s))
  AND (%(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s))
  AND (%(within)s::text[] IS NULL OR f.path ~ ANY(%(within)s))
  AND (%(without)s::text[] IS NULL OR NOT f.path ~ ANY(%(without)s))
  AND (NOT %(compared)s OR (f.repository_id, f.path) IN (
      SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
"""

_PATH_FREQUENCIES = """
SELECT lexeme, count(*)
FROM indexing.file f, unnest(f.lexemes) lexeme
WHERE f.repository_id = ANY(%(repositories)s) AND f.lexemes && %(lexemes)s::text[]
  AND lexeme = ANY(%(lexemes)s) AND f.blob_id IS NOT NULL
GROUP BY lexeme
"""

_LINES = """
SELECT c.blob_id, c.start_line, c.end_line, c.content
FROM indexing.chunk c
JOIN unnest(%(blobs)s::int[], %(first)s::int[], %(last)s::int[]) wanted (blob_id, first, last)
  ON c.blob_id = wanted.blob_id AND c.start_line <= wanted.last AND c.end_line >= wanted.first
WHERE c.pool_id = %(pool)s
"""


async def narrowed(connection: AsyncConnection[Any], area: Area) -> Area:
    """Return the area with the blobs of the files that its filter passes."""
    if not area.filter.selects_files:
        return area
    cursor = await connection.execute(_FILES, area.file_parameters(), binary=True)
    passed = {blob for blob, path in await cursor.fetchall() if area.filter.passes_category(path)}
    return replace(area, blobs=tuple(passed))


async def corpus(connection: AsyncConnection[Any], pool_id: int) -> Corpus:
    """Return the totals of a pool's lexical index."""
    row = await (await connection.execute(_CORPUS, [pool_id])).fetchone()
    return Corpus(*row) if row else Corpus(0, 0)


async def postings(connection: AsyncConnection[Any], pool_id: int, lexemes: Iterable[str]) -> list[Posting]:
    """Return the posting rows of these lexemes."""
    cursor = await connection.execute(_POSTINGS, [pool_id, list(lexemes)], binary=True)
    return [Posting.unpack(*row) for row in await cursor.fetchall()]


async def visible_chunks(connection: AsyncConnection[Any], area: Area, chunk_ids: Sequence[int]) -> set[int]:
    """Return those of the chunks that stand in a visible file."""
    cursor = await connection.execute(_VISIBLE_CHUNKS, area.parameters() | {"chunks": list(chunk_ids)}, binary=True)
    return {row[0] for row in await cursor.fetchall()}


async def nearest_chunks(
    connection: AsyncConnection[Any], area: Area, vector: NDArray[np.float32], limit: int
) -> dict[int, float]:
    """Return the visible chunks nearest to a query vector, nearest first, with their cosines; an exact scan."""
    from pgvector import HalfVector

    parameters = area.parameters() | {"vector": HalfVector(vector), "limit": limit}
    return dict(await (await connection.execute(_NEAREST_CHUNKS, parameters)).fetchall())


async def cosines(
    connection: AsyncConnection[Any], pool_id: int, vector: NDArray[np.float32], chunk_ids: Sequence[int]
) -> dict[int, float]:
    """Return the cosine of each of these chunks that has a vector."""
    from pgvector import HalfVector

    parameters = {"pool": pool_id, "vector": HalfVector(vector), "chunks": list(chunk_ids)}
    return dict(await (await connection.execute(_COSINES, parameters)).fetchall())


async def chunks_by_path(connection: AsyncConnection[Any], area: Area, lexemes: Sequence[str], limit: int) -> list[int]:
    """Return the first chunks of the visible files whose paths contain most of these lexemes."""
    parameters = area.parameters() | {"lexemes": list(lexemes), "limit": limit}
    return [row[0] for row in await (await connection.execute(_CHUNKS_BY_PATH, parameters)).fetchall()]


async def chunks_by_definition(
    connection: AsyncConnection[Any], area: Area, names: Sequence[str], limit: int
) -> list[int]:
    """Return the visible chunks that define one of these names, whatever its case; the same case first."""
    parameters = area.parameters() | {
        "names": [name.lower() for name in names],
        "exact": list(names),
        "limit": limit,
    }
    return [row[0] for row in await (await connection.execute(_CHUNKS_BY_DEFINITION, parameters)).fetchall()]


async def definitions(
    connection: AsyncConnection[Any], pool_id: int, blob_ids: Sequence[int], chunk_ids: Sequence[int]
) -> dict[int, list[Definition]]:
    """Return what each of these chunks, of these blobs, defines."""
    parameters = {"pool": pool_id, "blobs": list(blob_ids), "chunks": list(chunk_ids)}
    found: dict[int, list[Definition]] = {}
    for chunk_id, name, kind in await (await connection.execute(_DEFINITIONS, parameters)).fetchall():
        found.setdefault(chunk_id, []).append(Definition(name, kind))
    return found


async def chunks(connection: AsyncConnection[Any], area: Area, chunk_ids: Sequence[int]) -> list[ChunkRow]:
    """Return these chunks, once for each visible file in which one stands."""
    cursor = await connection.execute(_CHUNKS, area.file_parameters() | {"chunks": list(chunk_ids)}, binary=True)
    rows = [ChunkRow(*row) for row in await cursor.fetchall()]
    return [row for row in rows if area.filter.passes_category(row.path)]


async def contents(connection: AsyncConnection[Any], pool_id: int, chunk_ids: Sequence[int]) -> dict[int, str]:
    """Return the text of each of these chunks."""
    cursor = await connection.execute(_CONTENTS, {"pool": pool_id, "chunks": list(chunk_ids)})
    return dict(await cursor.fetchall())


async def path_frequencies(
    connection: AsyncConnection[Any], repository_ids: Sequence[UUID], lexemes: Sequence[str]
) -> dict[str, int]:
    """Return in how many of the repositories' paths each of these lexemes occurs."""
    parameters = {"repositories": list(repository_ids), "lexemes": list(lexemes)}
    return dict(await (await connection.execute(_PATH_FREQUENCIES, parameters)).fetchall())


async def lines(
    connection: AsyncConnection[Any], pool_id: int, spans: Sequence[tuple[int, int, int]]
) -> list[LinesRow]:
    """Return the chunks that overlap any of these spans of (blob id, first line, last line)."""
    parameters = {
        "pool": pool_id,
        "blobs": [blob for blob, _, _ in spans],
        "first": [first for _, first, _ in spans],
        "last": [last for _, _, last in spans],
    }
    return [LinesRow(*row) for row in await (await connection.execute(_LINES, parameters)).fetchall()]
