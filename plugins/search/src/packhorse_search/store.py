"""The statements of a search that find by key; `nearest` finds by meaning, `description` says what was found.

They read the tables of the indexing plugin, whose schema is the interface.

The pool stands in the text of a statement, so that the plan that PostgreSQL keeps is made for the partition of that
pool alone, whatever other repositories are beside it. Lists of ids are joined rather than compared with ANY: in a
prepared statement PostgreSQL walks such an array for each row (600 ids against 5,000 chunks cost 30 ms, the join 1 ms).

A file is visible when one of the repositories lists it and the filter passes it. What a filter passes is looked up
once and handed to each retrieval as blobs; each states the condition itself, so that what it returns has been filtered
before it was ranked. Without a filter nearly all of a pool is visible; `describe` leaves out what is not. A filter on
kinds of symbols leaves the chunks that define one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from packhorse_search.area import array, for_pool
from packhorse_search.candidates import Definition
from packhorse_search.lexical import Corpus, Postings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from psycopg import AsyncConnection, AsyncCursor

    from packhorse_search.area import Area

_PLACES = 600
"""Paths of all the query's lexemes, the rarest first, among which those with most of them are sought."""

_PATHS_FOR_A_FILE = 3
"""Paths that are looked at for each file wanted: several may be of one content, or not listed."""


class KeyedRow(NamedTuple):
    """What is found by key: the postings of a query's lexemes, and visible chunks by path and by what they define."""

    corpus: Corpus
    postings: Postings
    frequencies: dict[str, int]
    """In how many of the pool's paths each lexeme occurs."""
    by_path: list[int]
    by_name: list[int]


class Content(NamedTuple):
    """What is shown of a chunk."""

    text: str
    definitions: list[Definition]


class LinesRow(NamedTuple):
    """A chunk beside another one, for context."""

    blob_id: int
    start_line: int
    end_line: int
    content: str


# Whether a chunk defines a kind is asked for as a value: EXISTS may be answered from a hash table of all definitions,
# which takes 70 ms to make of 120,000 chunks'.

# Nested loops over indexes in the order in which they are written, as every statement but the scans of vectors is by
# key. Left to its estimates PostgreSQL joins whole tables now and then (9 s where 4 ms do). OFFSET 0 in what follows
# keeps it to the order: without statistics, in a pool that is being filled, it would begin with the table.
_BY_KEY = """
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_material', 'off', true),
       set_config('join_collapse_limit', '1', true), set_config('from_collapse_limit', '1', true)
"""

# All that is found by key in one row, as each further statement costs its round through the driver. By path: of the
# files whose paths name most of the query the chunk that comes first; common lexemes have no paths here.
_KEYED = """
SELECT corpus.chunks, corpus.length, paths.lexemes, paths.counts, by_path.ids, by_name.ids,
       postings.lexemes, postings.counts, postings.chunk_ids, postings.frequencies, postings.lengths
FROM (
    SELECT coalesce(sum(chunks), 0)::bigint AS chunks, coalesce(sum(length), 0)::bigint AS length
    FROM indexing.segment WHERE pool_id = {pool}
) corpus
CROSS JOIN (
    SELECT coalesce(array_agg(lexeme), '{}') AS lexemes, coalesce(array_agg(paths), '{}') AS counts
    FROM indexing.path_lexeme WHERE pool_id = {pool} AND lexeme = ANY(string_to_array(%(lexemes)s, ' '))
) paths
CROSS JOIN (
    SELECT coalesce(array_agg(id), '{}') AS ids
    FROM (
        SELECT c.id
        FROM (
            SELECT l.blob_id, max(named.found) AS found
            FROM (
                SELECT path_id, count(*) AS found
                FROM (
                    SELECT path_ids, sum(paths) OVER (ORDER BY paths, lexeme) AS upto
                    FROM indexing.path_lexeme
                    WHERE pool_id = {pool} AND lexeme = ANY(string_to_array(%(lexemes)s, ' ')) AND path_ids IS NOT NULL
                ) w, unnest(w.path_ids) path_id
                WHERE w.upto <= %(places)s OR %(places)s IS NULL
                GROUP BY path_id ORDER BY found DESC, path_id LIMIT %(paths)s
            ) named
            JOIN indexing.listing l ON l.pool_id = {pool} AND l.path_id = named.path_id
             AND l.repository = ANY(ARRAY(SELECT key FROM indexing.repository WHERE id = ANY(%(repositories)s)))
            WHERE l.blob_id IS NOT NULL
              AND (%(blobs)s::int[] IS NULL OR l.blob_id IN (SELECT unnest(%(blobs)s::int[])))
            GROUP BY l.blob_id
            ORDER BY found DESC, l.blob_id LIMIT CASE WHEN %(kinds)s::text[] IS NULL THEN %(files)s::int END
        ) file
        CROSS JOIN LATERAL (
            SELECT id FROM indexing.chunk WHERE pool_id = {pool} AND blob_id = file.blob_id AND ordinal = 0 OFFSET 0
        ) c
        WHERE %(kinds)s::text[] IS NULL OR (
            SELECT true FROM indexing.definition d
            WHERE d.pool_id = {pool} AND d.chunk_id = c.id AND d.kind = ANY(%(kinds)s) LIMIT 1)
        ORDER BY file.found DESC, c.id
        LIMIT %(files)s
    ) first_chunks
) by_path
CROSS JOIN (
    SELECT coalesce(array_agg(chunk_id), '{}') AS ids
    FROM (
        SELECT d.chunk_id
        FROM indexing.definition d
        WHERE d.pool_id = {pool} AND lower(d.name) = ANY(%(folded)s)
          AND (%(blobs)s::int[] IS NULL OR d.blob_id IN (SELECT unnest(%(blobs)s::int[])))
          AND (%(kinds)s::text[] IS NULL OR d.kind = ANY(%(kinds)s))
        ORDER BY d.name = ANY(%(names)s) DESC, d.chunk_id
        LIMIT %(definitions)s
    ) defining
) by_name
CROSS JOIN (
    SELECT coalesce(array_agg(p.lexeme), '{}') AS lexemes,
           coalesce(array_agg(octet_length(p.frequencies)), '{}') AS counts,
           coalesce(string_agg(p.chunk_ids, ''), '') AS chunk_ids,
           coalesce(string_agg(p.frequencies, ''), '') AS frequencies,
           coalesce(string_agg(p.lengths, ''), '') AS lengths
    FROM (
        SELECT lexeme, sum(found / weight) OVER rarest AS upto, row_number() OVER rarest AS place
        FROM (
            SELECT w.lexeme, w.weight, sum(octet_length(p.frequencies)) AS found
            FROM unnest(string_to_array(%(lexemes)s, ' '), %(weights)s::float8[]) w (lexeme, weight)
            JOIN indexing.posting p ON p.pool_id = {pool} AND p.lexeme = w.lexeme
            GROUP BY w.lexeme, w.weight
        ) counted
        WINDOW rarest AS (ORDER BY found / weight, lexeme)
    ) chosen
    JOIN indexing.posting p ON p.pool_id = {pool} AND p.lexeme = chosen.lexeme
    WHERE chosen.place <= 2 OR chosen.upto <= %(postings)s OR %(postings)s IS NULL
) postings
"""

_VISIBLE_CHUNKS = """
SELECT c.id
FROM unnest(%(chunks)s::int[]) wanted (id)
CROSS JOIN LATERAL (SELECT * FROM indexing.chunk WHERE pool_id = {pool} AND id = wanted.id OFFSET 0) c
WHERE (%(blobs)s::int[] IS NULL OR c.blob_id IN (SELECT unnest(%(blobs)s::int[])))
  AND (%(kinds)s::text[] IS NULL OR (
      SELECT true FROM indexing.definition d
      WHERE d.pool_id = {pool} AND d.chunk_id = c.id AND d.kind = ANY(%(kinds)s) LIMIT 1))
"""

_CONTENTS = """
SELECT c.id, c.content, d.names, d.kinds
FROM unnest(%(chunks)s::int[]) wanted (id)
CROSS JOIN LATERAL (SELECT * FROM indexing.chunk WHERE pool_id = {pool} AND id = wanted.id OFFSET 0) c
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(name), '{}') AS names, coalesce(array_agg(kind), '{}') AS kinds
    FROM indexing.definition WHERE pool_id = {pool} AND chunk_id = c.id
) d
"""

_LINES = """
SELECT c.blob_id, c.start_line, c.end_line, c.content
FROM indexing.chunk c
JOIN unnest(%(blobs)s::int[], %(first)s::int[], %(last)s::int[]) wanted (blob_id, first, last)
  ON c.blob_id = wanted.blob_id AND c.start_line <= wanted.last AND c.end_line >= wanted.first
WHERE c.pool_id = {pool}
"""


async def by_key(connection: AsyncConnection[Any]) -> None:
    """Have all further statements of the transaction or pipeline planned as look-ups by key."""
    await connection.execute(_BY_KEY)


async def ask_keyed(
    connection: AsyncConnection[Any],
    area: Area,
    lexemes: Mapping[str, float],
    names: Sequence[str],
    files: int,
    definitions: int,
    postings: int,
) -> AsyncCursor[Any]:
    """Ask for what is found by key, so many at most of the files by path and of the definitions by name; see `keyed`.

    Of the postings those of the commonest lexemes are left out beyond so many, where all files are searched: they
    tell least and cost most. The two rarest are read always; the weight of a lexeme counts as its rarity does.

    The files whose paths contain most of the lexemes come first, with their first chunks; a name means definitions of
    whatever case, those of the same case first.
    """
    parameters = area.parameters() | {
        "lexemes": " ".join(lexemes),
        "weights": array(lexemes.values()),
        "postings": postings if area.is_open else None,
        "places": _PLACES if area.is_open else None,
        "paths": _PATHS_FOR_A_FILE * files if area.is_open else None,
        "files": files,
        "names": list(names),
        "folded": [name.lower() for name in names],
        "definitions": definitions,
    }
    return await connection.execute(for_pool(_KEYED, area.pool_id), parameters, binary=True)


async def keyed(asked: AsyncCursor[Any]) -> KeyedRow:
    """Return what `ask_keyed` asked for."""
    chunks, length, found, counts, by_path, by_name, *packed = await one(asked)
    frequencies = dict(zip(found, counts, strict=True))
    return KeyedRow(Corpus(chunks, length), Postings.unpack(*packed), frequencies, by_path, by_name)


async def visible_chunks(connection: AsyncConnection[Any], area: Area, chunk_ids: Sequence[int]) -> set[int]:
    """Return those of the chunks that the area's blobs and kinds leave."""
    statement = for_pool(_VISIBLE_CHUNKS, area.pool_id)
    cursor = await connection.execute(statement, area.parameters() | {"chunks": array(chunk_ids)}, binary=True)
    return {row[0] for row in await cursor.fetchall()}


async def contents(connection: AsyncConnection[Any], pool_id: int, chunk_ids: Sequence[int]) -> dict[int, Content]:
    """Return the text of each of these chunks, and what it defines."""
    cursor = await connection.execute(for_pool(_CONTENTS, pool_id), {"chunks": array(chunk_ids)}, binary=True)
    return {
        chunk_id: Content(text, [Definition(*defined) for defined in zip(names, kinds, strict=True)])
        for chunk_id, text, names, kinds in await cursor.fetchall()
    }


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


def cosines(chunk_ids: Iterable[int], distances: Iterable[float]) -> dict[int, float]:
    """Return 1 - distance by chunk, nearest first and ties by id; a vector of zeros is at no distance."""
    near = sorted(one for one in zip(distances, chunk_ids, strict=True) if not math.isnan(one[0]))
    return {chunk_id: 1 - distance for distance, chunk_id in near}


async def one(cursor: AsyncCursor[Any]) -> Sequence[Any]:
    """Return the row of a statement that has exactly one."""
    row: Sequence[Any] | None = await cursor.fetchone()
    if row is None:
        raise psycopg.DataError("a statement that returns one row returned none")
    return row
