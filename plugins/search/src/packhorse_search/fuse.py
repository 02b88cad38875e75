"""Fusing the two retrievals: each score as a share of the best of its kind, so that they can be added.

Reciprocal rank fusion in its place loses 0.012 to 0.018 NDCG@10 (`docs/retrieval.md`): it forgets by how much the first
are better than the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from packhorse_search.candidates import Candidate


class Evidence(NamedTuple):
    """What speaks for chunks before their code and their places are looked at: in 0..1, shape (candidates,)."""

    words: NDArray[np.float64]
    meaning: NDArray[np.float64]


def fuse(candidates: Sequence[Candidate]) -> Evidence:
    """Return the evidence for the candidates of all pools together, so that their chunks compare."""
    return Evidence(
        shares([candidate.words for candidate in candidates]), shares([candidate.meaning for candidate in candidates])
    )


def shares(scores: Sequence[float]) -> NDArray[np.float64]:
    """Return the scores as shares of the greatest; 0 for what is not above 0."""
    found = np.maximum(np.array(scores, dtype=np.float64), 0.0)
    most = found.max(initial=0.0)
    return found / most if most > 0 else found
