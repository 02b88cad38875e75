"""BM25 over posting rows (Robertson & Zaragoza 2009), summed with numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from packhorse_search.query import Query
    from packhorse_search.weights import Weights


@dataclass(frozen=True, slots=True)
class Postings:
    """The postings of some lexemes, one after another, as the index stores them.

    `lexemes` and `counts` have an entry for each row of the posting table, the number of its postings; the other
    three arrays one for each posting.
    """

    lexemes: list[str]
    counts: NDArray[np.int64]
    chunk_ids: NDArray[np.int32]
    frequencies: NDArray[np.uint8]
    lengths: NDArray[np.uint16]

    @classmethod
    def unpack(
        cls, lexemes: list[str], counts: list[int], chunk_ids: bytes, frequencies: bytes, lengths: bytes
    ) -> Postings:
        """Read the rows of the posting table, their arrays joined."""
        return cls(
            lexemes,
            np.array(counts, dtype=np.int64),
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
    postings: Postings, query: Mapping[str, float], corpus: Corpus, weights: Weights
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Score every chunk that contains a lexeme of the query.

    Returns:
        The chunk ids, ascending, and their scores; both of length n.
    """
    if not len(postings.chunk_ids):
        return np.empty(0, np.int32), np.empty(0, np.float32)
    found: dict[str, int] = {}
    for lexeme, count in zip(postings.lexemes, postings.counts.tolist(), strict=True):
        found[lexeme] = found.get(lexeme, 0) + count
    worth = {
        lexeme: query[lexeme] * (weights.bm25_k1 + 1) * math.log1p(max(0, corpus.chunks - n + 0.5) / (n + 0.5))
        for lexeme, n in found.items()
    }
    factors = np.array([worth[lexeme] for lexeme in postings.lexemes], dtype=np.float32)
    frequencies = postings.frequencies.astype(np.float32)
    norms = postings.lengths * np.float32(weights.bm25_k1 * weights.bm25_b / corpus.mean_length)
    norms += np.float32(weights.bm25_k1 * (1 - weights.bm25_b))
    norms += frequencies
    frequencies *= np.repeat(factors, postings.counts)
    frequencies /= norms
    # Ids count up within their pool, so an array over all of them is small: 8 MB for a million chunks.
    totals = np.bincount(postings.chunk_ids, weights=frequencies)
    chunk_ids = np.flatnonzero(totals > 0)  # of booleans, five times as fast as of the scores
    return chunk_ids.astype(np.int32), totals[chunk_ids].astype(np.float32)


def best(
    chunk_ids: NDArray[np.int32], scores: NDArray[np.float32], limit: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the `limit` best of the chunks, best first and ties by id, with their scores."""
    if limit < len(scores):
        least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        kept = np.flatnonzero(scores >= least)
        chunk_ids, scores = chunk_ids[kept], scores[kept]
    order = np.argsort(-scores, kind="stable")[:limit]
    return chunk_ids[order], scores[order]
