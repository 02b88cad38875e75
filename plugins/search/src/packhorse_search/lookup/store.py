"""Every SQL statement of looking up. They read the tables of the indexing plugin, whose schema is the interface.

What `packhorse_search.store` says of lists of ids and of visible files holds here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from packhorse_search.store import by_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from numpy.typing import NDArray
    from pgvector import HalfVector
    from psycopg import AsyncConnection

    from packhorse_search.area import Area


class FileRow(NamedTuple):
    """A visible file; `chunks` are its candidates, None for all, and `size` their number."""

    repository_id: UUID
    path: str
    language: str
    blob_id: int
    chunks: list[int] | None
    size: int


class TextRow(NamedTuple):
    """The text of a chunk, as UTF-8."""

    blob_id: int
    start_line: int
    content: bytes


class DefinitionRow(NamedTuple):
    """A definition in a blob; its end and scope are None where an older version indexed it."""

    blob_id: int
    name: str
    kind: str
    line: int
    end_line: int | None
    scope: str | None


class ListedRow(NamedTuple):
    """A visible file below a folder."""

    path: str
    language: str
    blob_id: int
    lines: int


class PlaceRow(NamedTuple):
    """A chunk with its vector, None while it waits for one, and the embedder that makes those of its pool."""

    pool_id: int
    chunk_id: int
    path: str
    start_line: int
    end_line: int
    hash: bytes
    embedder: str
    vector: HalfVector | None


class NamedRow(NamedTuple):
    """A definition in a visible file."""

    repository_id: UUID
    path: str
    language: str
    blob_id: int
    name: str
    kind: str
    line: int
    end_line: int | None
    scope: str | None


_VOCABULARY = """
SELECT convert_to(lexemes, 'UTF8') FROM indexing.vocabulary WHERE pool_id = %s
"""

_CHUNKS_WITH = """
SELECT chunk_ids FROM indexing.posting WHERE pool_id = %s AND lexeme = ANY(%s)
"""

_FILES = """
SELECT f.repository_id, f.path, b.language, f.blob_id, NULL, b.chunks
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

_FILES_OF_CHUNKS = """
SELECT f.repository_id, f.path, b.language, f.blob_id, candidate.chunks, cardinality(candidate.chunks)
FROM (
    SELECT c.blob_id, array_agg(c.id ORDER BY c.ordinal) AS chunks
    FROM unnest(%(chunks)s::int[]) wanted (id)
    JOIN indexing.chunk c ON c.pool_id = %(pool)s AND c.id = wanted.id
    GROUP BY c.blob_id
) candidate
JOIN indexing.blob b ON b.pool_id = %(pool)s AND b.id = candidate.blob_id
JOIN indexing.file f ON f.pool_id = %(pool)s AND f.blob_id = candidate.blob_id
WHERE f.repository_id = ANY(%(repositories)s)
  AND (%(extensions)s::text[] IS NULL OR f.extension = ANY(%(extensions)s))
  AND (%(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s))
  AND (%(within)s::text[] IS NULL OR f.path ~ ANY(%(within)s))
  AND (%(without)s::text[] IS NULL OR NOT f.path ~ ANY(%(without)s))
  AND (NOT %(compared)s OR (f.repository_id, f.path) IN (
      SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
"""

_CHUNKS_CONTAINING = """
SELECT c.id FROM indexing.chunk c WHERE c.pool_id = %s AND position(%s IN c.content) > 0 LIMIT %s
"""

_TEXTS = """
SELECT c.blob_id, c.start_line, convert_to(c.content, 'UTF8')
FROM unnest(%(chunks)s::int[]) wanted (id)
JOIN indexing.chunk c ON c.pool_id = %(pool)s AND c.id = wanted.id
WHERE %(run)s = '' OR position(%(run)s IN c.content) > 0
ORDER BY c.blob_id, c.ordinal
"""

_TEXTS_OF_BLOBS = """
SELECT c.blob_id, c.start_line, convert_to(c.content, 'UTF8')
FROM unnest(%(blobs)s::int[]) wanted (blob_id)
JOIN indexing.chunk c ON c.pool_id = %(pool)s AND c.blob_id = wanted.blob_id
WHERE %(run)s = '' OR position(%(run)s IN c.content) > 0
ORDER BY c.blob_id, c.ordinal
"""

_DEFINITIONS_NAMED = """
SELECT f.repository_id, f.path, b.language, d.blob_id, d.name, d.kind, d.line, d.end_line,
       coalesce(d.scope, CASE WHEN c.symbol <> d.name THEN concat_ws('.', c.scope, c.symbol) ELSE c.scope END)
FROM indexing.definition d
JOIN indexing.chunk c ON c.pool_id = d.pool_id AND c.id = d.chunk_id
JOIN indexing.blob b ON b.pool_id = d.pool_id AND b.id = d.blob_id
JOIN indexing.file f ON f.pool_id = d.pool_id AND f.blob_id = d.blob_id
WHERE d.pool_id = %(pool)s AND lower(d.name) = ANY(%(names)s)
  AND f.repository_id = ANY(%(repositories)s)
  AND (%(extensions)s::text[] IS NULL OR f.extension = ANY(%(extensions)s))
  AND (%(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s))
  AND (%(within)s::text[] IS NULL OR f.path ~ ANY(%(within)s))
  AND (%(without)s::text[] IS NULL OR NOT f.path ~ ANY(%(without)s))
  AND (NOT %(compared)s OR (f.repository_id, f.path) IN (
      SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
LIMIT %(limit)s
"""

# Names that contain the one asked for, or begin like it and are about as long.
_NAMES_NEAR = """
SELECT DISTINCT d.name
FROM indexing.definition d
WHERE d.pool_id = %(pool)s
  AND (position(%(name)s IN lower(d.name)) > 0
       OR (starts_with(lower(d.name), left(%(name)s, 1)) AND abs(length(d.name) - length(%(name)s)) <= 2))
  AND d.blob_id IN (
      SELECT f.blob_id FROM indexing.file f
      WHERE f.pool_id = %(pool)s AND f.repository_id = ANY(%(repositories)s) AND %(blobs)s::int[] IS NULL
      UNION ALL SELECT unnest(%(blobs)s::int[])
  )
LIMIT %(limit)s
"""

_BELOW = """
SELECT f.path, b.language, f.blob_id, b.lines
FROM indexing.file f
JOIN indexing.blob b ON b.pool_id = f.pool_id AND b.id = f.blob_id
WHERE f.pool_id = %(pool)s AND f.repository_id = %(repository)s
  AND (%(path)s = '' OR f.path = %(path)s OR starts_with(f.path, %(path)s || '/'))
ORDER BY f.path
"""

_PLACE = """
SELECT c.pool_id, c.id, f.path, c.start_line, c.end_line, c.hash, p.embedder, e.vector
FROM indexing.file f
JOIN indexing.pool p ON p.id = f.pool_id
JOIN indexing.chunk c ON c.pool_id = f.pool_id AND c.blob_id = f.blob_id
LEFT JOIN indexing.embedding e ON e.pool_id = c.pool_id AND e.chunk_id = c.id
WHERE f.pool_id = %(pool)s AND f.repository_id = %(repository)s AND f.path = %(path)s
  AND %(line)s BETWEEN c.start_line AND c.end_line
"""

_CHUNK_PLACE = """
SELECT c.pool_id, c.id, f.path, c.start_line, c.end_line, c.hash, p.embedder, e.vector
FROM indexing.chunk c
JOIN indexing.pool p ON p.id = c.pool_id
JOIN indexing.file f ON f.pool_id = c.pool_id AND f.blob_id = c.blob_id
LEFT JOIN indexing.embedding e ON e.pool_id = c.pool_id AND e.chunk_id = c.id
WHERE c.pool_id = %(pool)s AND c.id = %(chunk)s AND f.repository_id = ANY(%(repositories)s)
ORDER BY f.path
LIMIT 1
"""

_DEFINITIONS_OF_BLOBS = """
SELECT d.blob_id, d.name, d.kind, d.line, d.end_line, d.scope
FROM unnest(%(blobs)s::int[]) wanted (blob_id)
JOIN indexing.definition d ON d.pool_id = %(pool)s AND d.blob_id = wanted.blob_id
ORDER BY d.blob_id, d.line, d.end_line DESC
"""


async def vocabulary(connection: AsyncConnection[Any], pool_id: int) -> list[bytes]:
    """Return the lexemes of each segment of a pool, as UTF-8, each between two newlines."""
    cursor = await connection.execute(_VOCABULARY, [pool_id], binary=True)
    return [text for (text,) in await cursor.fetchall()]


async def chunks_with(connection: AsyncConnection[Any], pool_id: int, lexemes: Iterable[str]) -> NDArray[np.int32]:
    """Return the ids of the chunks that have one of these lexemes, ascending; some may be gone since."""
    cursor = await connection.execute(_CHUNKS_WITH, [pool_id, list(lexemes)], binary=True)
    return np.unique(np.frombuffer(b"".join(ids for (ids,) in await cursor.fetchall()), dtype="<i4"))


async def chunks_containing(
    connection: AsyncConnection[Any], pool_id: int, run: str, limit: int
) -> NDArray[np.int32] | None:
    """Return the ids of the chunks that contain a text, ascending, by reading all; None when more than `limit` do."""
    cursor = await connection.execute(_CHUNKS_CONTAINING, [pool_id, run, limit + 1], binary=True)
    found = [chunk for (chunk,) in await cursor.fetchall()]
    return None if len(found) > limit else np.array(sorted(found), dtype=np.int32)


async def files(connection: AsyncConnection[Any], area: Area, chunks: NDArray[np.int32] | None) -> list[FileRow]:
    """Return the visible files in which one of these chunks stands; None: every visible file."""
    parameters = area.file_parameters() | {"pool": area.pool_id}
    if chunks is None:
        cursor = await connection.execute(_FILES, parameters, binary=True)
    else:
        await by_key(connection)
        parameters |= {"chunks": chunks.tolist()}
        cursor = await connection.execute(_FILES_OF_CHUNKS, parameters, binary=True)
    rows = [FileRow(*row) for row in await cursor.fetchall()]
    return [row for row in rows if area.filter.passes_category(row.path)]


async def texts(
    connection: AsyncConnection[Any], pool_id: int, rows: Sequence[FileRow], run: str
) -> dict[int, list[TextRow]]:
    """Return by blob the texts of the files' candidate chunks that have `run` in them, in order."""
    # Several files may have one content.
    chunks = list({chunk for row in rows for chunk in row.chunks or ()})
    blobs = list({row.blob_id for row in rows if row.chunks is None})
    found: list[TextRow] = []
    await by_key(connection)
    if chunks:
        cursor = await connection.execute(_TEXTS, {"pool": pool_id, "chunks": chunks, "run": run}, binary=True)
        found += [TextRow(*row) for row in await cursor.fetchall()]
    if blobs:
        parameters = {"pool": pool_id, "blobs": blobs, "run": run}
        cursor = await connection.execute(_TEXTS_OF_BLOBS, parameters, binary=True)
        found += [TextRow(*row) for row in await cursor.fetchall()]
    by_blob: dict[int, list[TextRow]] = {}
    for one in found:
        by_blob.setdefault(one.blob_id, []).append(one)
    return by_blob


async def definitions_named(
    connection: AsyncConnection[Any], area: Area, names: Iterable[str], limit: int
) -> list[NamedRow]:
    """Return the definitions of these names, whatever their case, in visible files; at most `limit`, in no order."""
    asked = {"pool": area.pool_id, "names": [name.lower() for name in names], "limit": limit}
    parameters = area.file_parameters() | asked
    cursor = await connection.execute(_DEFINITIONS_NAMED, parameters, binary=True)
    rows = [NamedRow(*row) for row in await cursor.fetchall()]
    return [row for row in rows if area.filter.passes_category(row.path)]


async def names_near(connection: AsyncConnection[Any], area: Area, name: str, limit: int) -> list[str]:
    """Return names defined in visible files that contain this one or look like it; the area must be narrowed."""
    parameters = area.parameters() | {"pool": area.pool_id, "name": name.lower(), "limit": limit}
    cursor = await connection.execute(_NAMES_NEAR, parameters, binary=True)
    return [found for (found,) in await cursor.fetchall()]


async def below(connection: AsyncConnection[Any], pool_id: int, repository_id: UUID, path: str) -> list[ListedRow]:
    """Return the file at a path of a repository, or every file below it, by path; '' is the whole repository."""
    parameters = {"pool": pool_id, "repository": repository_id, "path": path}
    cursor = await connection.execute(_BELOW, parameters, binary=True)
    return [ListedRow(*row) for row in await cursor.fetchall()]


async def place(
    connection: AsyncConnection[Any], pool_id: int, repository_id: UUID, path: str, line: int
) -> PlaceRow | None:
    """Return the chunk of a file that holds a line; None when there is none."""
    parameters = {"pool": pool_id, "repository": repository_id, "path": path, "line": line}
    row = await (await connection.execute(_PLACE, parameters)).fetchone()
    return row and PlaceRow(*row)


async def chunk_place(
    connection: AsyncConnection[Any], pool_id: int, chunk_id: int, repository_ids: Sequence[UUID]
) -> PlaceRow | None:
    """Return a chunk in a file of these repositories; None when there is none."""
    parameters = {"pool": pool_id, "chunk": chunk_id, "repositories": list(repository_ids)}
    row = await (await connection.execute(_CHUNK_PLACE, parameters)).fetchone()
    return row and PlaceRow(*row)


async def definitions_of(
    connection: AsyncConnection[Any], pool_id: int, blob_ids: Iterable[int]
) -> dict[int, list[DefinitionRow]]:
    """Return what these blobs define, by blob, in the order of the lines."""
    parameters = {"pool": pool_id, "blobs": list(blob_ids)}
    cursor = await connection.execute(_DEFINITIONS_OF_BLOBS, parameters, binary=True)
    by_blob: dict[int, list[DefinitionRow]] = {}
    for row in await cursor.fetchall():
        by_blob.setdefault(row[0], []).append(DefinitionRow(*row))
    return by_blob
