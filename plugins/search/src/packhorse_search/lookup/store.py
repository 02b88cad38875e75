"""Every SQL statement of looking up. They read the tables of the indexing plugin, whose schema is the interface.

What `packhorse_search.store` says of lists of ids and of visible files holds here too.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from packhorse_search.area import array, for_pool
from packhorse_search.store import by_key, one

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
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
SELECT convert_to(lexemes, 'UTF8') FROM indexing.vocabulary WHERE pool_id = {pool}
"""

_CHUNKS_WITH = """
SELECT chunk_ids FROM indexing.posting WHERE pool_id = {pool} AND lexeme = ANY(%(lexemes)s)
"""

# An aggregate is worth several processes to PostgreSQL; rows, of which it expects far too many, are not.
_CHUNKS_CONTAINING = """
SELECT coalesce(array_agg(id), '{}') FROM indexing.chunk WHERE pool_id = {pool} AND position(%(run)s IN content) > 0
"""

# One row of arrays, as in `packhorse_search.description`: 20,000 rows take longer to convert than to find.
_FILES = """
SELECT coalesce(array_agg(array_position(%(repositories)s::uuid[], f.repository_id)), '{}'),
       coalesce(array_agg(f.path), '{}'), coalesce(array_agg(b.language), '{}'), coalesce(array_agg(b.id), '{}'),
       coalesce(array_agg(b.chunks), '{}')
FROM indexing.file f
JOIN indexing.blob b ON b.pool_id = {pool} AND b.id = f.blob_id
WHERE f.pool_id = {pool} AND f.repository_id = ANY(%(repositories)s)
  AND (%(extensions)s::text[] IS NULL OR f.extension = ANY(%(extensions)s))
  AND (%(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s))
  AND (%(within)s::text[] IS NULL OR f.path ~ ANY(%(within)s))
  AND (%(without)s::text[] IS NULL OR NOT f.path ~ ANY(%(without)s))
  AND (NOT %(compared)s OR (f.repository_id, f.path) IN (
      SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
"""

# By key from what is wanted to the files in which it stands; the view of files would be joined as a whole. OFFSET 0
# keeps PostgreSQL to it, here and below: without statistics, in a pool that is being filled, it goes the other way.
_FILES_OF_CHUNKS = """
WITH c AS MATERIALIZED (
    SELECT c.id, c.blob_id, c.ordinal
    FROM unnest(%(chunks)s::int[]) wanted (id)
    CROSS JOIN LATERAL (
        SELECT id, blob_id, ordinal FROM indexing.chunk WHERE pool_id = {pool} AND id = wanted.id OFFSET 0
    ) c
)
SELECT files.*, candidates.*
FROM (
    SELECT coalesce(array_agg(array_position(%(repositories)s::uuid[], r.id)), '{}'),
           coalesce(array_agg(p.path), '{}'), coalesce(array_agg(b.language), '{}'), coalesce(array_agg(b.id), '{}')
    FROM (SELECT DISTINCT blob_id FROM c) named
    JOIN indexing.blob b ON b.pool_id = {pool} AND b.id = named.blob_id
    CROSS JOIN LATERAL (
        SELECT repository, path_id FROM indexing.listing WHERE pool_id = {pool} AND blob_id = b.id OFFSET 0
    ) l
    JOIN indexing.repository r ON r.pool_id = {pool} AND r.key = l.repository AND r.id = ANY(%(repositories)s)
    JOIN indexing.path p ON p.pool_id = {pool} AND p.id = l.path_id
    WHERE (%(extensions)s::text[] IS NULL OR p.extension = ANY(%(extensions)s))
      AND (%(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s))
      AND (%(within)s::text[] IS NULL OR p.path ~ ANY(%(within)s))
      AND (%(without)s::text[] IS NULL OR NOT p.path ~ ANY(%(without)s))
      AND (NOT %(compared)s OR (r.id, p.path) IN (
          SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
) files
CROSS JOIN (
    SELECT coalesce(array_agg(id ORDER BY ordinal), '{}'), coalesce(array_agg(blob_id ORDER BY ordinal), '{}') FROM c
) candidates
"""

_TEXTS = """
SELECT c.blob_id, c.start_line, convert_to(c.content, 'UTF8')
FROM unnest(%(chunks)s::int[]) wanted (id)
CROSS JOIN LATERAL (SELECT * FROM indexing.chunk WHERE pool_id = {pool} AND id = wanted.id OFFSET 0) c
WHERE %(run)s = '' OR position(%(run)s IN c.content) > 0
ORDER BY c.blob_id, c.ordinal
"""

_TEXTS_OF_BLOBS = """
SELECT c.blob_id, c.start_line, convert_to(c.content, 'UTF8')
FROM unnest(%(blobs)s::int[]) wanted (blob_id)
CROSS JOIN LATERAL (SELECT * FROM indexing.chunk WHERE pool_id = {pool} AND blob_id = wanted.blob_id OFFSET 0) c
WHERE %(run)s = '' OR position(%(run)s IN c.content) > 0
ORDER BY c.blob_id, c.ordinal
"""

_DEFINITIONS_NAMED = """
SELECT array_position(%(repositories)s::uuid[], r.id), p.path, b.language, d.blob_id, d.name, d.kind, d.line,
       d.end_line,
       coalesce(d.scope, CASE WHEN c.symbol <> d.name THEN concat_ws('.', c.scope, c.symbol) ELSE c.scope END)
FROM indexing.definition d
JOIN indexing.chunk c ON c.pool_id = {pool} AND c.id = d.chunk_id
JOIN indexing.blob b ON b.pool_id = {pool} AND b.id = d.blob_id
CROSS JOIN LATERAL (
    SELECT repository, path_id FROM indexing.listing WHERE pool_id = {pool} AND blob_id = b.id OFFSET 0
) l
JOIN indexing.repository r ON r.pool_id = {pool} AND r.key = l.repository AND r.id = ANY(%(repositories)s)
JOIN indexing.path p ON p.pool_id = {pool} AND p.id = l.path_id
WHERE d.pool_id = {pool} AND lower(d.name) = ANY(%(names)s)
  AND (%(extensions)s::text[] IS NULL OR p.extension = ANY(%(extensions)s))
  AND (%(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s))
  AND (%(within)s::text[] IS NULL OR p.path ~ ANY(%(within)s))
  AND (%(without)s::text[] IS NULL OR NOT p.path ~ ANY(%(without)s))
  AND (NOT %(compared)s OR (r.id, p.path) IN (
      SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
LIMIT %(limit)s
"""

# Names that contain the one asked for, or begin like it and are about as long.
_NAMES_NEAR = """
SELECT DISTINCT d.name
FROM indexing.definition d
WHERE d.pool_id = {pool}
  AND (position(%(name)s IN lower(d.name)) > 0
       OR (starts_with(lower(d.name), left(%(name)s, 1)) AND abs(length(d.name) - length(%(name)s)) <= 2))
  AND d.blob_id IN (
      SELECT f.blob_id FROM indexing.file f
      WHERE f.pool_id = {pool} AND f.repository_id = ANY(%(repositories)s) AND %(blobs)s::int[] IS NULL
      UNION ALL SELECT unnest(%(blobs)s::int[])
  )
LIMIT %(limit)s
"""

_BELOW = """
SELECT coalesce(array_agg(f.path), '{}'), coalesce(array_agg(b.language), '{}'), coalesce(array_agg(b.id), '{}'),
       coalesce(array_agg(b.lines), '{}')
FROM indexing.file f
JOIN indexing.blob b ON b.pool_id = {pool} AND b.id = f.blob_id
WHERE f.pool_id = {pool} AND f.repository_id = %(repository)s
  AND (%(path)s = '' OR f.path = %(path)s OR starts_with(f.path, %(path)s || '/'))
"""

_PLACE = """
SELECT {pool}, c.id, p.path, c.start_line, c.end_line, c.hash, pool.embedder, e.vector
FROM indexing.path p
JOIN indexing.repository r ON r.pool_id = {pool} AND r.id = %(repository)s
JOIN indexing.listing l ON l.pool_id = {pool} AND l.repository = r.key AND l.path_id = p.id
JOIN indexing.pool pool ON pool.id = {pool}
JOIN indexing.chunk c ON c.pool_id = {pool} AND c.blob_id = l.blob_id
LEFT JOIN indexing.embedding e ON e.pool_id = {pool} AND e.chunk_id = c.id
WHERE p.pool_id = {pool} AND p.path = %(path)s AND %(line)s BETWEEN c.start_line AND c.end_line
"""

_CHUNK_PLACE = """
SELECT {pool}, c.id, p.path, c.start_line, c.end_line, c.hash, pool.embedder, e.vector
FROM indexing.chunk c
JOIN indexing.pool pool ON pool.id = {pool}
JOIN indexing.listing l ON l.pool_id = {pool} AND l.blob_id = c.blob_id
JOIN indexing.repository r ON r.pool_id = {pool} AND r.key = l.repository AND r.id = ANY(%(repositories)s)
JOIN indexing.path p ON p.pool_id = {pool} AND p.id = l.path_id
LEFT JOIN indexing.embedding e ON e.pool_id = {pool} AND e.chunk_id = c.id
WHERE c.pool_id = {pool} AND c.id = %(chunk)s
ORDER BY p.path
LIMIT 1
"""

_DEFINITIONS_OF_BLOBS = """
SELECT d.blob_id, d.name, d.kind, d.line, d.end_line, d.scope
FROM unnest(%(blobs)s::int[]) wanted (blob_id)
CROSS JOIN LATERAL (SELECT * FROM indexing.chunk WHERE pool_id = {pool} AND blob_id = wanted.blob_id OFFSET 0) c
JOIN indexing.definition d ON d.pool_id = {pool} AND d.chunk_id = c.id
WHERE d.scope IS NULL OR NOT %(outermost)s
ORDER BY d.blob_id, d.line, d.end_line DESC
"""


async def vocabulary(connection: AsyncConnection[Any], pool_id: int) -> list[bytes]:
    """Return the lexemes of each segment of a pool, as UTF-8, each between two newlines."""
    cursor = await connection.execute(for_pool(_VOCABULARY, pool_id), binary=True)
    return [text for (text,) in await cursor.fetchall()]


async def chunks_with(connection: AsyncConnection[Any], pool_id: int, lexemes: Iterable[str]) -> NDArray[np.int32]:
    """Return the ids of the chunks that have one of these lexemes, ascending; some may be gone since."""
    parameters = {"lexemes": list(lexemes)}
    cursor = await connection.execute(for_pool(_CHUNKS_WITH, pool_id), parameters, binary=True)
    return np.unique(np.frombuffer(b"".join(ids for (ids,) in await cursor.fetchall()), dtype="<i4"))


async def chunks_containing(connection: AsyncConnection[Any], pool_id: int, run: str) -> NDArray[np.int32]:
    """Return the ids of the chunks that contain a text, ascending, by reading all."""
    cursor = await connection.execute(for_pool(_CHUNKS_CONTAINING, pool_id), {"run": run}, binary=True)
    [found] = await one(cursor)
    return np.sort(np.array(found, dtype=np.int32))


async def files(connection: AsyncConnection[Any], area: Area, chunks: NDArray[np.int32] | None) -> list[FileRow]:
    """Return the visible files in which one of these chunks stands; None: every visible file."""
    parameters = area.file_parameters()
    if chunks is None:
        cursor = await connection.execute(for_pool(_FILES, area.pool_id), parameters, binary=True)
        found = zip(*await one(cursor), strict=True)
        return [FileRow._make((*file, None, size)) for *file, size in _visible(area, found)]
    await by_key(connection)
    parameters |= {"chunks": array(chunks.tolist())}
    cursor = await connection.execute(for_pool(_FILES_OF_CHUNKS, area.pool_id), parameters, binary=True)
    *columns, ids, blobs = await one(cursor)
    candidates: defaultdict[int, list[int]] = defaultdict(list)
    for chunk, blob in zip(ids, blobs, strict=True):
        candidates[blob].append(chunk)
    found = zip(*columns, strict=True)
    return [FileRow._make((*file, of := candidates[file[3]], len(of))) for file in _visible(area, found)]


def _visible(area: Area, files: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Yield those files whose paths the area's categories pass, with the ids of their repositories for the places."""
    for place, path, *rest in files:
        if area.filter.passes_category(path):
            yield area.repository_ids[place - 1], path, *rest  # PostgreSQL counts from 1


async def texts(
    connection: AsyncConnection[Any], pool_id: int, rows: Sequence[FileRow], run: str
) -> dict[int, list[TextRow]]:
    """Return by blob the texts of the files' candidate chunks that have `run` in them, in order."""
    # Several files may have one content.
    chunks = {chunk for row in rows for chunk in row.chunks or ()}
    blobs = {row.blob_id for row in rows if row.chunks is None}
    by_blob: defaultdict[int, list[TextRow]] = defaultdict(list)
    await by_key(connection)
    for statement, wanted in ((_TEXTS, {"chunks": array(chunks)}), (_TEXTS_OF_BLOBS, {"blobs": array(blobs)})):
        cursor = await connection.execute(for_pool(statement, pool_id), wanted | {"run": run}, binary=True)
        for row in await cursor.fetchall():
            by_blob[row[0]].append(TextRow(*row))
    return by_blob


async def definitions_named(
    connection: AsyncConnection[Any], area: Area, names: Iterable[str], limit: int
) -> list[NamedRow]:
    """Return the definitions of these names, whatever their case, in visible files; at most `limit`, in no order."""
    parameters = area.file_parameters() | {"names": [name.lower() for name in names], "limit": limit}
    await by_key(connection)
    cursor = await connection.execute(for_pool(_DEFINITIONS_NAMED, area.pool_id), parameters, binary=True)
    return [NamedRow(*row) for row in _visible(area, await cursor.fetchall())]


async def names_near(connection: AsyncConnection[Any], area: Area, name: str, limit: int) -> list[str]:
    """Return names defined in visible files that contain this one or look like it; the area must be narrowed."""
    parameters = area.parameters() | {"name": name.lower(), "limit": limit}
    cursor = await connection.execute(for_pool(_NAMES_NEAR, area.pool_id), parameters, binary=True)
    return [found for (found,) in await cursor.fetchall()]


async def below(connection: AsyncConnection[Any], pool_id: int, repository_id: UUID, path: str) -> list[ListedRow]:
    """Return the file at a path of a repository, or every file below it; '' is the whole repository."""
    parameters = {"repository": repository_id, "path": path}
    cursor = await connection.execute(for_pool(_BELOW, pool_id), parameters, binary=True)
    return list(map(ListedRow, *await one(cursor)))


async def place(
    connection: AsyncConnection[Any], pool_id: int, repository_id: UUID, path: str, line: int
) -> PlaceRow | None:
    """Return the chunk of a file that holds a line; None when there is none."""
    parameters = {"repository": repository_id, "path": path, "line": line}
    await by_key(connection)
    row = await (await connection.execute(for_pool(_PLACE, pool_id), parameters)).fetchone()
    return row and PlaceRow(*row)


async def chunk_place(
    connection: AsyncConnection[Any], pool_id: int, chunk_id: int, repository_ids: Sequence[UUID]
) -> PlaceRow | None:
    """Return a chunk in a file of these repositories; None when there is none."""
    parameters = {"chunk": chunk_id, "repositories": list(repository_ids)}
    await by_key(connection)
    row = await (await connection.execute(for_pool(_CHUNK_PLACE, pool_id), parameters)).fetchone()
    return row and PlaceRow(*row)


async def definitions_of(
    connection: AsyncConnection[Any], pool_id: int, blob_ids: Iterable[int], *, outermost: bool = False
) -> dict[int, list[DefinitionRow]]:
    """Return what these blobs define, or the `outermost` of it, by blob, in the order of the lines."""
    parameters = {"blobs": array(blob_ids), "outermost": outermost}
    await by_key(connection)
    cursor = await connection.execute(for_pool(_DEFINITIONS_OF_BLOBS, pool_id), parameters, binary=True)
    by_blob: defaultdict[int, list[DefinitionRow]] = defaultdict(list)
    for row in await cursor.fetchall():
        by_blob[row[0]].append(DefinitionRow(*row))
    return by_blob
