"""Texts that are longer than a model takes: splitting them, and one vector from the vectors of the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BYTES_PER_TOKEN = 2.5
"""Of UTF-8, on the safe side: code has about 3.5, and no tokenizer makes much more than one token of 2.5 bytes."""


def split(text: str, max_tokens: int, prefix: str = "") -> list[str]:
    """Split a text into parts of at most about `max_tokens` tokens, at line ends where there are any near.

    The parts are the whole text; one that is short enough is its only part.
    """
    limit = max(1, int(max_tokens * _BYTES_PER_TOKEN) - len(prefix.encode("utf-8", "replace")))
    size = len(text.encode("utf-8", "replace"))
    if size <= limit:
        return [text]
    characters = max(1, len(text) * limit // size)
    parts: list[str] = []
    start = 0
    while len(text) - start > characters:
        end = start + characters
        newline = text.rfind("\n", start + characters // 2, end)
        space = text.rfind(" ", start + characters // 2, end)
        end = max(newline, space) + 1 if newline < 0 else newline + 1
        end = end or start + characters
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]


def weighted_means(
    rows: NDArray[np.float32], weights: NDArray[np.float32], owners: Sequence[int], count: int
) -> NDArray[np.float32]:
    """Return the mean of each owner's rows by weight, scaled to unit length; zero for an owner without rows."""
    out = np.zeros((count, rows.shape[1]), dtype=np.float32)
    np.add.at(out, np.asarray(owners, dtype=np.intp), _unit(rows) * weights[:, np.newaxis])
    return _unit(out)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    out: NDArray[np.float32] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return out
