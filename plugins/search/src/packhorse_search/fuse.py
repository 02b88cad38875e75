"""Fusing the two retrievals: each score as a share of the best of its kind, so that they can be added.

Reciprocal rank fusion in its place loses 0.012 to 0.018 NDCG@10 (`docs/retrieval.md`): it forgets by how much the first
are better than the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packhorse_search.candidates import ChunkKey


class Evidence(NamedTuple):
    """What speaks for a chunk before its code and its place are looked at; both in 0..1."""

    words: float
    meaning: float


def fuse(lexical: Mapping[ChunkKey, float], cosines: Mapping[ChunkKey, float]) -> dict[ChunkKey, Evidence]:
    """Return the evidence for every chunk that either retrieval scored; what one did not find it scores 0."""
    words, meaning = _shares(lexical), _shares(cosines)
    return {key: Evidence(words.get(key, 0.0), meaning.get(key, 0.0)) for key in words | meaning}


def _shares(scores: Mapping[ChunkKey, float]) -> dict[ChunkKey, float]:
    best = max(scores.values(), default=0.0)
    return {key: max(0.0, score) / best for key, score in scores.items()} if best > 0 else dict.fromkeys(scores, 0.0)
