"""Fusing the two retrievals: each score as a share of the best of its kind, so that they can be added.

Reciprocal rank fusion in its place loses 0.012 to 0.018 NDCG@10 (`docs/retrieval.md`): it forgets by how much the first
are better than the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Evidence(NamedTuple):
    """What speaks for a chunk before its code and its place are looked at; both in 0..1."""

    words: float
    meaning: float


def fuse(lexical: Sequence[Mapping[int, float]], cosines: Sequence[Mapping[int, float]]) -> list[dict[int, Evidence]]:
    """Return, for each pool, the evidence for every chunk that a retrieval scored; what one did not find it scores 0.

    The best is that of all the pools, so that their chunks compare.
    """
    most_words = max((score for pool in lexical for score in pool.values()), default=0.0)
    most_meaning = max((score for pool in cosines for score in pool.values()), default=0.0)
    found = []
    for words, near in zip(lexical, cosines, strict=True):
        word_shares, meaning_shares = _shares(words, most_words), _shares(near, most_meaning)
        found.append(
            {
                chunk_id: Evidence(word_shares.get(chunk_id, 0.0), meaning_shares.get(chunk_id, 0.0))
                for chunk_id in word_shares | meaning_shares
            }
        )
    return found


def _shares(scores: Mapping[int, float], most: float) -> dict[int, float]:
    return {chunk_id: score / most if score > 0 else 0.0 for chunk_id, score in scores.items()}
