"""Retrieval: the chunks of one pool that may answer, by words, meaning, definitions and paths.

Two round trips: what can be asked at once goes through one pipeline, then what is known of the candidates. Without a
filter nothing is checked while it is ranked, only a few more candidates are taken than needed; if then too few of them
are visible, as when a pool holds other worktrees, it is done again with all that is visible.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from packhorse_search import lexical, store
from packhorse_search.area import narrowed
from packhorse_search.description import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from psycopg import AsyncConnection

    from packhorse_search.area import Area
    from packhorse_search.candidates import Definition
    from packhorse_search.description import ChunkRow
    from packhorse_search.query import Query
    from packhorse_search.weights import Weights

FEW_CHUNKS = 5_000
"""Chunks up to which those that pass a filter are listed rather than looked up among the ranked."""

EXACT_CHUNKS = 10_000
"""Chunks up to which those that pass a filter are compared one by one; a scan of the HNSW index would miss some."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What one pool offers: scores by chunk id, and the chunks, once for each visible file that contains one."""

    pool_id: int
    lexical: dict[int, float]
    cosines: dict[int, float]
    rows: list[ChunkRow] = field(repr=False)
    definitions: dict[int, list[Definition]] = field(repr=False)
    paths: dict[str, int] = field(repr=False)
    """In how many of the pool's paths each lexeme of the query occurs."""
    contents: dict[int, str] = field(repr=False)
    """The texts that have to be read for what they define."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The candidates of each retrieval, best first: by words with their scores, by meaning with their cosines."""

    words: dict[int, float]
    meaning: dict[int, float]
    path: list[int]
    name: list[int]
    frequencies: dict[str, int]
    all_words: int
    """How many chunks contain a word of the query, visible or not."""

    @property
    def chosen(self) -> list[int]:
        """Every candidate once."""
        return list(dict.fromkeys([*self.words, *self.meaning, *self.path, *self.name]))


async def retrieve(
    connection: AsyncConnection[Any],
    query: Query,
    area: Area,
    vector: NDArray[np.float32] | None,
    weights: Weights,
) -> Retrieved:
    """Retrieve from one pool; `vector` is the query's embedding, None to search by words alone."""
    async with connection.pipeline():
        area = await narrowed(connection, area)
        found = await _find(connection, query, area, vector, weights)
        retrieved = await _describe(connection, query, area, vector, found, weights)
        if area.blobs is None and _is_short(found, retrieved, weights):
            area = await narrowed(connection, area, listed=True)
            found = await _find(connection, query, area, vector, weights)
            retrieved = await _describe(connection, query, area, vector, found, weights)
    return retrieved


async def _find(
    connection: AsyncConnection[Any],
    query: Query,
    area: Area,
    vector: NDArray[np.float32] | None,
    weights: Weights,
) -> _Found:
    terms = lexical.query_weights(query, weights)
    wanted = weights.candidates + (weights.candidates // 8 if area.is_open else 0)
    nearest, row = await asyncio.gather(
        _nearest(connection, area, vector, wanted),
        store.keyed(
            connection, area, terms, query.names, weights.path_candidates, weights.candidates, weights.postings
        ),
    )
    ids, scores = lexical.bm25(row.postings, terms, row.corpus, weights)
    words = await _best_visible(connection, area, ids, scores, wanted)
    return _Found(words, nearest, row.by_path, row.by_name, row.frequencies, len(ids))


async def _describe(
    connection: AsyncConnection[Any],
    query: Query,
    area: Area,
    vector: NDArray[np.float32] | None,
    found: _Found,
    weights: Weights,
) -> Retrieved:
    """Read what the candidates are, and leave those out that are in no visible file or are more than needed."""
    chosen = found.chosen
    # Languages without a parser, and macros that hide a definition from one: a chunk that defines a name has it.
    read = list(found.words)[: weights.texts_read] if query.names else []
    unmeasured = [chunk_id for chunk_id in chosen if chunk_id not in found.meaning]
    rows, definitions, cosines, contents = await describe(connection, area, chosen, vector, unmeasured, read)
    visible = {row.chunk_id for row in rows}
    words = _first(found.words, visible, weights.candidates)
    meaning = _first(found.meaning, visible, weights.candidates)
    kept = {*words, *meaning, *found.path, *found.name} & visible
    cosines = found.meaning | cosines
    return Retrieved(
        pool_id=area.pool_id,
        lexical={chunk_id: found.words[chunk_id] for chunk_id in kept if chunk_id in found.words},
        cosines={chunk_id: cosines[chunk_id] for chunk_id in kept if chunk_id in cosines},
        rows=[row for row in rows if row.chunk_id in kept],
        definitions=definitions,
        paths=found.frequencies,
        contents=contents,
    )


def _is_short(found: _Found, retrieved: Retrieved, weights: Weights) -> bool:
    """Whether a retrieval that had more to offer gave too few that are visible."""
    visible = {row.chunk_id for row in retrieved.rows}
    words = len(visible & found.words.keys())
    meaning = len(visible & found.meaning.keys())
    return (words < min(weights.candidates, len(found.words)) and len(found.words) < found.all_words) or (
        meaning < weights.candidates <= len(found.meaning)
    )


async def _nearest(
    connection: AsyncConnection[Any], area: Area, vector: NDArray[np.float32] | None, limit: int
) -> dict[int, float]:
    if vector is None:
        await store.by_key(connection)
        return {}
    if area.is_open:
        return await store.nearest_chunks(connection, area, vector, limit, exact=False)
    if area.blobs is None or area.size > EXACT_CHUNKS:
        found = await store.nearest_chunks(connection, area, vector, limit, exact=False)
        if len(found) >= limit:
            return found
    return await store.nearest_chunks(connection, area, vector, limit, exact=True)


async def _best_visible(
    connection: AsyncConnection[Any],
    area: Area,
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    limit: int,
) -> dict[int, float]:
    """Return the best `limit` of the chunks that the area leaves, however far down they stand, best first."""
    if area.is_open:
        return _pairs(*lexical.best(ids, scores, limit))
    if area.blobs is not None and area.size <= FEW_CHUNKS:
        passing = np.array(await store.chunks_of_blobs(connection, area), dtype=np.int32)
        kept = np.isin(ids, passing)
        return _pairs(*lexical.best(ids[kept], scores[kept], limit))
    ids, scores = lexical.best(ids, scores, len(ids))
    found: dict[int, float] = {}
    start, size = 0, limit + limit // 4
    while start < len(ids) and len(found) < limit:
        block = _pairs(ids[start : start + size], scores[start : start + size])
        seen = await store.visible_chunks(connection, area, list(block))
        found |= {chunk_id: score for chunk_id, score in block.items() if chunk_id in seen}
        start, size = start + size, 4 * size
    return dict(list(found.items())[:limit])


def _pairs(ids: NDArray[np.int32], scores: NDArray[np.float32]) -> dict[int, float]:
    return dict(zip(ids.tolist(), scores.tolist(), strict=True))


def _first(scores: Iterable[int], visible: set[int], limit: int) -> list[int]:
    return [chunk_id for chunk_id in scores if chunk_id in visible][:limit]
