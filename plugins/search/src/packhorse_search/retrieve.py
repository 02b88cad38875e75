"""Retrieval: the chunks of one pool that may answer, by words, meaning, definitions and paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packhorse_search import lexical, store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psycopg import AsyncConnection

    from packhorse_search.candidates import Definition
    from packhorse_search.query import Query
    from packhorse_search.weights import Weights


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What one pool offers: scores by chunk id, and the chunks, once for each visible file that contains one."""

    pool_id: int
    lexical: dict[int, float]
    cosines: dict[int, float]
    rows: list[store.ChunkRow] = field(repr=False)
    definitions: dict[int, list[Definition]] = field(repr=False)
    paths: dict[str, int] = field(repr=False)
    """In how many of the repositories' paths each lexeme of the query occurs."""
    contents: dict[int, str] = field(repr=False)
    """The texts that have to be read for what they define."""


async def retrieve(
    connection: AsyncConnection[Any],
    query: Query,
    area: store.Area,
    vector: NDArray[np.float32] | None,
    weights: Weights,
) -> Retrieved:
    """Retrieve from one pool; `vector` is the query's embedding, None to search by words alone."""
    area = await store.narrowed(connection, area)
    terms = lexical.query_weights(query, weights)
    corpus = await store.corpus(connection, area.pool_id)
    postings = await store.postings(connection, area.pool_id, terms)
    ids, scores = lexical.bm25(postings, terms, corpus, weights)
    visible = await _visible(connection, area, ids, weights.candidates)
    nearest = {}
    if vector is not None:
        nearest = await store.nearest_chunks(connection, area, vector, weights.candidates)
    by_path = await store.chunks_by_path(connection, area, list(terms), weights.path_candidates)
    by_name = []
    if query.names:
        by_name = await store.chunks_by_definition(connection, area, query.names, weights.candidates)
    chosen = list(dict.fromkeys([*visible, *nearest, *by_path, *by_name]))
    unmeasured = [chunk_id for chunk_id in chosen if chunk_id not in nearest]
    if vector is not None and unmeasured:
        nearest |= await store.cosines(connection, area.pool_id, vector, unmeasured)
    rows = await store.chunks(connection, area, chosen)
    blobs = list({row.blob_id for row in rows})
    definitions = await store.definitions(connection, area.pool_id, blobs, chosen)
    contents = {}
    if query.names:
        # Languages without a parser, and macros that hide a definition from one: a chunk that defines a name has it.
        contents = await store.contents(connection, area.pool_id, visible[: weights.texts_read])
    found = {row.chunk_id for row in rows}
    all_scores = dict(zip(ids.tolist(), scores.tolist(), strict=True))
    return Retrieved(
        pool_id=area.pool_id,
        lexical={chunk_id: all_scores[chunk_id] for chunk_id in found if chunk_id in all_scores},
        cosines={chunk_id: nearest[chunk_id] for chunk_id in found if chunk_id in nearest},
        rows=rows,
        definitions=definitions,
        paths=await store.path_frequencies(connection, area.repository_ids, list(terms)),
        contents=contents,
    )


async def _visible(connection: AsyncConnection[Any], area: store.Area, ids: NDArray[np.int32], limit: int) -> list[int]:
    """Return the best `limit` of the ranked chunks that are visible, however far down the list they stand."""
    found: list[int] = []
    start, size = 0, limit + limit // 4
    while start < len(ids) and len(found) < limit:
        block = ids[start : start + size].tolist()
        seen = await store.visible_chunks(connection, area, block)
        found += [chunk_id for chunk_id in block if chunk_id in seen]
        start, size = start + size, 4 * size
    return found[:limit]
