"""Retrieval: the chunks of one pool that may answer, by words, meaning, definitions and paths.

Two round trips: what can be asked at once goes through one pipeline, then what is known of the candidates. Without a
filter nothing is checked while it is ranked; if then too few of the candidates are visible, as when a pool holds other
worktrees, it is done again with all that is visible.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from packhorse_search import lexical, store
from packhorse_search.area import narrowed
from packhorse_search.description import describe
from packhorse_search.likely import likely
from packhorse_search.nearest import ask_nearest, nearest, passing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from psycopg import AsyncConnection

    from packhorse_search.area import Area
    from packhorse_search.candidates import Candidate
    from packhorse_search.query import Query
    from packhorse_search.weights import Weights

FEW_CHUNKS = 20_000
"""Chunks up to which those that pass a filter are listed rather than looked up among the ranked."""

EXACT_CHUNKS = 10_000
"""Chunks up to which those that pass a filter are compared one by one; a scan of the HNSW index would miss some."""


_SHARE_OF_KINDS = 0.5
"""The share of the chunks that is taken to define a kind of symbol."""

_ENOUGH = 0.8
"""The share of what a retrieval offers that is to be visible; with less it is done again among what is."""


class Retrieved(NamedTuple):
    """What one pool offers: its candidates, and in how many of its paths each lexeme of the query occurs."""

    candidates: list[Candidate]
    paths: dict[str, int]


@dataclass(frozen=True, slots=True)
class Found:
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

    def likeliest(self, limit: int, weights: Weights) -> list[int]:
        """Return the candidates whose place is found by name or path, and so many that words and meaning speak for.

        What meaning did not find is at most as near as the last that it found.
        """
        most_words = max(self.words.values(), default=0.0) or 1.0
        most_meaning = max([0.0, *self.meaning.values()]) or 1.0
        word, near = weights.lexical / most_words, weights.cosine / most_meaning
        least = min(self.meaning.values(), default=0.0)
        scores = {chunk_id: word * score + near * least for chunk_id, score in self.words.items()}
        for chunk_id, cosine in self.meaning.items():
            scores[chunk_id] = scores.get(chunk_id, near * least) + near * (cosine - least)
        likely = heapq.nlargest(limit, scores, key=scores.__getitem__)
        return list(dict.fromkeys([*likely, *self.path, *self.name]))


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
        candidates = await _describe(connection, query, area, vector, found, weights)
        if area.blobs is None and _is_short(found, candidates, weights):
            area = await narrowed(connection, area, listed=True)
            found = await _find(connection, query, area, vector, weights)
            candidates = await _describe(connection, query, area, vector, found, weights)
    return Retrieved(_promising(query, found, candidates, weights), found.frequencies)


async def _find(
    connection: AsyncConnection[Any],
    query: Query,
    area: Area,
    vector: NDArray[np.float32] | None,
    weights: Weights,
) -> Found:
    terms = lexical.query_weights(query, weights)
    wanted = weights.candidates
    near: dict[int, float] = {}
    asked = few = None
    if vector is None or not area.is_open:
        await store.by_key(connection)
    if not area.is_open:
        few = await passing(connection, area, FEW_CHUNKS)
    if vector is not None and area.is_open:
        asked = await ask_nearest(connection, area, vector, wanted)
    elif vector is not None:
        near = await _nearest_passing(connection, area, vector, wanted, few)
    keyed = await store.ask_keyed(
        connection, area, terms, query.names, weights.path_candidates, wanted, weights.postings
    )
    if asked is not None:  # both are sent before the answer to either is waited for
        near = await nearest(asked)
    row = await store.keyed(keyed)
    ids, scores = lexical.bm25(row.postings, terms, row.corpus, weights)
    words = await _best_visible(connection, area, ids, scores, wanted, few, row.corpus.chunks)
    return Found(words, near, row.by_path, row.by_name, row.frequencies, len(ids))


async def _describe(
    connection: AsyncConnection[Any],
    query: Query,
    area: Area,
    vector: NDArray[np.float32] | None,
    found: Found,
    weights: Weights,
) -> list[Candidate]:
    """Read what the candidates are; those in no visible file are left out."""
    return await describe(
        connection,
        area,
        found.chosen,
        found.words,
        found.meaning,
        vector=vector,
        defining=found.likeliest(weights.definitions_read, weights),
        # Languages without a parser, and macros that hide a definition from one: a chunk that defines a name has it;
        # and a message is found by its words.
        read=list(found.words)[: weights.texts_read] if query.names or query.may_be_pasted else (),
    )


def _promising(query: Query, found: Found, candidates: Sequence[Candidate], weights: Weights) -> list[Candidate]:
    """Leave out what neither words and meaning nor its path, which has yet to be weighed, can bring forward."""
    likeliest = set(found.likeliest(weights.likeliest, weights))
    paths = list({candidate.file.path for candidate in candidates})
    named = {paths[i] for i in likely(query.probes, paths)}
    return [one for one in candidates if one.chunk_id in likeliest or one.file.path in named]


def _is_short(found: Found, candidates: Sequence[Candidate], weights: Weights) -> bool:
    """Whether a retrieval that had more to offer gave too few that are visible."""
    visible = {candidate.chunk_id for candidate in candidates}
    offered = [found.words] if len(found.words) < found.all_words else []
    offered += [found.meaning] if len(found.meaning) >= weights.candidates else []
    return any(len(visible & scores.keys()) < _ENOUGH * len(scores) for scores in offered)


async def _nearest_passing(
    connection: AsyncConnection[Any],
    area: Area,
    vector: NDArray[np.float32],
    limit: int,
    few: NDArray[np.int32] | None,
) -> dict[int, float]:
    """Return the nearest of the chunks that pass; `few` are all of them, None where they are many."""
    if few is None or len(few) > EXACT_CHUNKS:
        found = await nearest(await ask_nearest(connection, area, vector, limit))
        if len(found) >= limit:
            return found
    among = few if few is not None else await passing(connection, area)
    return await nearest(await ask_nearest(connection, area, vector, limit, among))


async def _best_visible(
    connection: AsyncConnection[Any],
    area: Area,
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    limit: int,
    few: NDArray[np.int32] | None,
    chunks: int,
) -> dict[int, float]:
    """Return the best `limit` that the area leaves of the pool's `chunks`, however far down they stand, best first."""
    if area.is_open:
        return _pairs(*lexical.best(ids, scores, limit))
    if few is not None:
        kept = np.isin(ids, few)
        return _pairs(*lexical.best(ids[kept], scores[kept], limit))
    ids, scores = lexical.best(ids, scores, len(ids))
    found: dict[int, float] = {}
    # As many as would do if those that pass were spread evenly, and some more.
    share = min(1.0, area.size / chunks) if area.blobs is not None else _SHARE_OF_KINDS
    start, size = 0, int(1.25 * limit / share)
    while start < len(ids) and len(found) < limit:
        block = _pairs(ids[start : start + size], scores[start : start + size])
        seen = await store.visible_chunks(connection, area, list(block))
        found |= {chunk_id: score for chunk_id, score in block.items() if chunk_id in seen}
        start, size = start + size, 4 * size
    return dict(list(found.items())[:limit])


def _pairs(ids: NDArray[np.int32], scores: NDArray[np.float32]) -> dict[int, float]:
    return dict(zip(ids.tolist(), scores.tolist(), strict=True))
