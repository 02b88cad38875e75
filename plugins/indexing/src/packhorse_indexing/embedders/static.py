"""The embedded static embedding: a table of word vectors, a bag of words, and numpy.

`data/README.md` says how the table was made and what it measures. A document is the sum over its distinct words of
(1 + ln count) · row, a query the sum over its words of count · weight · row, both normalised.
"""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_TABLE = "static_code_256.npz"
_DIGEST = "e9fc8ff7"
"""The first eight digits of the SHA-256 of the table: part of the embedder's name."""

_RUNS = re.compile(r"[A-Za-z0-9]+")
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_MIN_PIECE = 3
_MIN_SPLIT = 4
_CACHE_ENTRIES = 1 << 15
"""Runs whose rows are remembered, some 5 MB."""
_LOGARITHMS = 1024


class StaticEmbedder:
    """The table in memory (8 MB). Loading takes some 30 ms; encoding is synchronous, CPU-bound and thread-safe."""

    name = f"static:code-256@{_DIGEST}"
    dimensions = 256

    def __init__(self) -> None:
        source = resources.files("packhorse_indexing") / "data" / _TABLE
        with source.open("rb") as file, np.load(file, allow_pickle=False) as table:
            words = bytes(table["vocab"]).decode().split("\n")
            self._rows: NDArray[np.int8] = table["q8"]
            self._scale: NDArray[np.float32] = table["scale"].astype(np.float32)
            self._query_weight: NDArray[np.float32] = np.exp(table["wq"].astype(np.float32))
        self._vocabulary = {word: row for row, word in enumerate(words)}
        self._longest = max(map(len, words))
        self._cache: dict[str, tuple[int, ...]] = {}
        self._document_weight = 1 + np.log(np.maximum(np.arange(_LOGARITHMS), 1), dtype=np.float32)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed chunks: shape (n, 256). A text may begin with a line of its path's words; nothing requires it."""
        out = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        last = _LOGARITHMS - 1
        for i, text in enumerate(texts):
            bag = self._bag(text)
            if bag:
                rows = np.fromiter(bag, dtype=np.intp, count=len(bag))
                occurrences = np.fromiter(bag.values(), dtype=np.intp, count=len(bag))
                weights = self._document_weight[np.minimum(occurrences, last)]
                np.dot(weights * self._scale[rows], self._rows[rows].astype(np.float32), out=out[i])
        return _normalised(out)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question: shape (256,)."""
        bag = self._bag(text)
        rows = np.fromiter(bag, dtype=np.intp, count=len(bag))
        weights = np.fromiter(bag.values(), dtype=np.float32, count=len(bag))
        weights *= self._query_weight[rows] * self._scale[rows]
        out = np.zeros((1, self.dimensions), dtype=np.float32)
        np.dot(weights, self._rows[rows].astype(np.float32), out=out[0])
        vector: NDArray[np.float32] = _normalised(out)[0]
        return vector

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed chunks on this thread; hand large batches to a worker process instead."""
        return self.encode_documents(texts)

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question: some 50 µs."""
        return self.encode_query(text)

    async def aclose(self) -> None:
        """Nothing to release."""

    def _bag(self, text: str) -> dict[int, int]:
        """Return how often each row of the table occurs in a text."""
        cache = self._cache
        bag: dict[int, int] = {}
        get = bag.get
        for run, count in Counter(_RUNS.findall(text)).items():
            rows = cache.get(run)
            for row in self._remember(run) if rows is None else rows:
                bag[row] = get(row, 0) + count
        return bag

    def _remember(self, run: str) -> tuple[int, ...]:
        if len(self._cache) >= _CACHE_ENTRIES:
            self._cache.clear()
        rows = self._cache[run] = tuple(row for word in _WORDS.findall(run) for row in self._pieces(word.lower()))
        return rows

    def _pieces(self, word: str) -> Iterable[int]:
        """Yield the row of a known word, or those of an unknown one's longest known prefixes, from left to right."""
        known = self._vocabulary.get(word)
        if known is not None:
            yield known
            return
        if len(word) < _MIN_SPLIT or word[0].isdigit():
            return
        start = 0
        while start <= len(word) - _MIN_PIECE:
            for end in range(min(len(word), start + self._longest), start + _MIN_PIECE - 1, -1):
                row = self._vocabulary.get(word[start:end])
                if row is not None:
                    yield row
                    start = end
                    break
            else:
                start += 1


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to unit length in place, leaving zero rows zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors
