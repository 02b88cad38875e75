"""What the candidates of a retrieval are: their places, what they define, their cosines and texts, in one statement."""

from __future__ import annotations

from collections import defaultdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from packhorse_search.area import array, for_pool
from packhorse_search.candidates import Candidate, Definition, File
from packhorse_search.store import cosines, one

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from psycopg import AsyncConnection

    from packhorse_search.area import Area


_NOTHING: Mapping[int, float] = MappingProxyType({})

# One row of arrays: a thousand rows would take milliseconds to convert. OFFSET 0 has PostgreSQL look a blob's places
# up by the blob, not each time among all that the repository lists.
DESCRIBE = """
WITH c AS MATERIALIZED (
    SELECT c.id, c.blob_id, c.kind, c.symbol, c.scope, c.start_line, c.end_line, c.hash
    FROM unnest(%(chunks)s::int[]) wanted (id)
    CROSS JOIN LATERAL (SELECT * FROM indexing.chunk WHERE pool_id = {pool} AND id = wanted.id OFFSET 0) c
)
SELECT chunks.*, files.*, definitions.*, vectors.*, texts.*
FROM (
    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(blob_id), '{}'), coalesce(array_agg(kind), '{}'),
           coalesce(array_agg(symbol), '{}'), coalesce(array_agg(scope), '{}'), coalesce(array_agg(start_line), '{}'),
           coalesce(array_agg(end_line), '{}'), coalesce(array_agg(hash), '{}')
    FROM c
) chunks
CROSS JOIN (
    SELECT coalesce(array_agg(array_position(%(repositories)s::uuid[], r.id)), '{}'),
           coalesce(array_agg(p.path), '{}'), coalesce(array_agg(b.language), '{}'), coalesce(array_agg(b.id), '{}')
    FROM (SELECT DISTINCT blob_id FROM c) named
    CROSS JOIN LATERAL (SELECT id, language FROM indexing.blob WHERE pool_id = {pool} AND id = named.blob_id OFFSET 0) b
    CROSS JOIN LATERAL (
        SELECT repository, path_id FROM indexing.listing WHERE pool_id = {pool} AND blob_id = b.id OFFSET 0
    ) l
    JOIN indexing.repository r ON r.pool_id = {pool} AND r.key = l.repository AND r.id = ANY(%(repositories)s)
    CROSS JOIN LATERAL (SELECT * FROM indexing.path WHERE pool_id = {pool} AND id = l.path_id OFFSET 0) p
    WHERE (%(extensions)s::text[] IS NULL OR p.extension = ANY(%(extensions)s))
      AND (%(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s))
      AND (%(within)s::text[] IS NULL OR p.path ~ ANY(%(within)s))
      AND (%(without)s::text[] IS NULL OR NOT p.path ~ ANY(%(without)s))
      AND (NOT %(compared)s OR (r.id, p.path) IN (
          SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
) files
CROSS JOIN (
    SELECT coalesce(array_agg(d.chunk_id), '{}'), coalesce(array_agg(d.name), '{}'), coalesce(array_agg(d.kind), '{}')
    FROM unnest(%(defining)s::int[]) wanted (id)
    CROSS JOIN LATERAL (SELECT * FROM indexing.definition WHERE pool_id = {pool} AND chunk_id = wanted.id OFFSET 0) d
) definitions
CROSS JOIN (
    SELECT coalesce(array_agg(e.chunk_id), '{}'), coalesce(array_agg(e.vector <=> %(vector)s), '{}')
    FROM unnest(%(unmeasured)s::int[]) wanted (id)
    CROSS JOIN LATERAL (SELECT * FROM indexing.embedding WHERE pool_id = {pool} AND chunk_id = wanted.id OFFSET 0) e
) vectors
CROSS JOIN (
    SELECT coalesce(array_agg(c.id), '{}'), coalesce(array_agg(c.content), '{}')
    FROM unnest(%(read)s::int[]) wanted (id)
    CROSS JOIN LATERAL (SELECT * FROM indexing.chunk WHERE pool_id = {pool} AND id = wanted.id OFFSET 0) c
) texts
"""


async def describe(
    connection: AsyncConnection[Any],
    area: Area,
    chunk_ids: Iterable[int],
    words: Mapping[int, float] = _NOTHING,
    meaning: Mapping[int, float] = _NOTHING,
    *,
    vector: NDArray[np.float32] | None = None,
    defining: Iterable[int] = (),
    read: Iterable[int] = (),
) -> list[Candidate]:
    """Return what these chunks are, once for each visible file in which one stands.

    Args:
        connection: to the database.
        area: decides which files are visible.
        chunk_ids: the chunks, each once.
        words: the scores of some of them.
        meaning: the cosines of some of them.
        vector: the query's embedding, to compare with the others; None: they have no cosine.
        defining: those of the chunks whose definitions are wanted.
        read: those whose text is wanted.
    """
    from pgvector import HalfVector

    chunks = list(chunk_ids)
    parameters = area.file_parameters() | {
        "chunks": array(chunks),
        "vector": None if vector is None else HalfVector(vector),
        "unmeasured": array(() if vector is None else [chunk_id for chunk_id in chunks if chunk_id not in meaning]),
        "defining": array(defining),
        "read": array(read),
    }
    cursor = await connection.execute(for_pool(DESCRIBE, area.pool_id), parameters, binary=True)
    row = await one(cursor)
    files = _files(area, *row[8:12])
    definitions: defaultdict[int, list[Definition]] = defaultdict(list)
    for chunk_id, definition in zip(row[12], map(Definition, row[13], row[14]), strict=True):
        definitions[chunk_id].append(definition)
    measured = {**meaning, **cosines(row[15], row[16])}
    texts = dict(zip(row[17], row[18], strict=True))
    pool_id, nothing = area.pool_id, ()
    return [
        Candidate(
            pool_id, chunk_id, file, kind, symbol, scope, first, last, digest,
            words.get(chunk_id, 0.0), measured.get(chunk_id, 0.0), definitions.get(chunk_id, nothing),
            texts.get(chunk_id, ""),
        )
        for chunk_id, blob_id, kind, symbol, scope, first, last, digest in zip(*row[:8], strict=True)
        for file in files.get(blob_id, nothing)
    ]  # fmt: skip


def _files(
    area: Area, repositories: list[int], paths: list[str], languages: list[str], blobs: list[int]
) -> dict[int, list[File]]:
    """Return the visible files of each blob."""
    found: defaultdict[int, list[File]] = defaultdict(list)
    ids = area.repository_ids
    passes = area.filter.passes_category if area.filter.categories else None
    for n, path, language, blob_id in zip(repositories, paths, languages, blobs, strict=True):
        if passes is None or passes(path):
            # PostgreSQL counts from 1. To make a UUID of each row would cost more than all else in it.
            found[blob_id].append(File(ids[n - 1], path, language, blob_id))
    return found
