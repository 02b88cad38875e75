"""BM25 over posting rows (Robertson & Zaragoza 2009), summed with numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from packhorse_search.query import Query
    from packhorse_search.weights import Weights


@dataclass(frozen=True, slots=True)
class Posting:
    """The chunks of one segment that contain a lexeme: three arrays of equal length, as the index stores them."""

    lexeme: str
    chunk_ids: NDArray[np.int32]
    frequencies: NDArray[np.uint8]
    lengths: NDArray[np.uint16]

    @classmethod
    def unpack(cls, lexeme: str, chunk_ids: bytes, frequencies: bytes, lengths: bytes) -> Posting:
        """Read a row of the posting table."""
        return cls(
            lexeme,
            np.frombuffer(chunk_ids, dtype="<i4"),
            np.frombuffer(frequencies, dtype="u1"),
            np.frombuffer(lengths, dtype="<u2"),
        )


@dataclass(frozen=True, slots=True)
class Corpus:
    """The totals that BM25 needs: the number of chunks and the sum of their lengths in lexemes."""

    chunks: int
    length: int

    @property
    def mean_length(self) -> float:
        """The mean length of a chunk; 1 for an empty corpus."""
        return max(1.0, self.length / max(1, self.chunks))


def query_weights(query: Query, weights: Weights) -> dict[str, float]:
    """Return each lexeme to look up with its weight: 1 for a word of the query, less for its related forms."""
    related = {form: weights.related_form for forms in query.forms.values() for form in forms}
    return related | dict.fromkeys(query.words, 1.0)


def bm25(
    postings: Iterable[Posting], query: Mapping[str, float], corpus: Corpus, weights: Weights
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Score every chunk that contains a lexeme of the query.

    Returns:
        The chunk ids, best first and ties by id, and their scores; both of length n.
    """
    rows = list(postings)
    frequency: dict[str, int] = {}
    for row in rows:
        frequency[row.lexeme] = frequency.get(row.lexeme, 0) + len(row.chunk_ids)
    if not rows:
        return np.empty(0, np.int32), np.empty(0, np.float32)
    parts = []
    for row in rows:
        found = frequency[row.lexeme]
        idf = math.log1p(max(0, corpus.chunks - found + 0.5) / (found + 0.5))
        tf = row.frequencies.astype(np.float32)
        norm = weights.bm25_k1 * (1 - weights.bm25_b + weights.bm25_b * row.lengths / np.float32(corpus.mean_length))
        parts.append(query[row.lexeme] * idf * tf * (weights.bm25_k1 + 1) / (tf + norm))
    ids = np.concatenate([row.chunk_ids for row in rows])
    # Ids count up within their pool, so an array over all of them is small: 8 MB for a million chunks.
    totals = np.bincount(ids, weights=np.concatenate(parts))
    chunk_ids = np.unique(ids)
    scores = totals[chunk_ids].astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    return chunk_ids[order].astype(np.int32), scores[order]
