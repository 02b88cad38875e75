"""What a file's name says: its words, and how near their meaning is to a query's."""

from __future__ import annotations

import threading
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from packhorse_indexing.embedders.static import StaticEmbedder
from packhorse_indexing.lexemes import path_lexemes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_UNNAMED = frozenset({"mod", "index", "__init__", "init"})
"""Names that say nothing: the file speaks for its folder."""

_CACHED = 16_384
"""Names whose words or vectors are kept, for they come again with every query: 20 MB at most."""


@lru_cache(maxsize=_CACHED)
def stem(path: str) -> str:
    """Return a file's name without its extensions, or its folder's where the file's own says nothing."""
    *folders, name = path.split("/")
    own = name[:1] + name[1:].partition(".")[0]
    return folders[-1] if folders and own in _UNNAMED else own


@lru_cache(maxsize=_CACHED)
def words(name: str) -> frozenset[str]:
    """Return the distinct lexemes of a name or path."""
    return frozenset(path_lexemes(name))


@lru_cache(maxsize=_CACHED)
def parts(name: str) -> frozenset[str]:
    """Return the words of a name without the name itself, where it has several."""
    found = words(name)
    return found - {name.strip("_").lower()} if len(found) > 1 else found


class Place(NamedTuple):
    """The words of a path and of its stem."""

    words: frozenset[str]
    stem_words: frozenset[str]


@lru_cache(maxsize=_CACHED)
def place_of(path: str) -> Place:
    """Return what a path says."""
    return Place(frozenset(path_lexemes(path)), words(stem(path)))


def folded(name: str) -> str:
    """Return a name without case and punctuation, in which languages differ."""
    return name.replace("_", "").replace("-", "").lower()


def meanings(query: str, names: Sequence[str]) -> NDArray[np.float32]:
    """Return how near each name is to a query in meaning, in 0..1, shape (names,).

    The static table serves here whatever embedder the index was made with: a name is a few words, and no service is
    worth asking for hundreds of them within one search.
    """
    vectors = _vectors()
    found: NDArray[np.float32] = np.maximum(vectors.of(names) @ _query_vector(query), 0.0)
    return found


class _Vectors:
    """The vectors of names by the static table, which begin afresh when they are many."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._matrix: NDArray[np.float32] = np.empty((256, _table().dimensions), np.float32)
        self._lock = threading.Lock()

    def of(self, names: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of some names, shape (names, 256)."""
        with self._lock:  # ranking runs in threads
            new = list({name for name in names if name not in self._rows})
            if len(self._rows) + len(new) > _CACHED:
                self._rows.clear()
                new = list(set(names))
            first, end = len(self._rows), len(self._rows) + len(new)
            if end > len(self._matrix):
                self._matrix = np.concatenate([self._matrix, np.empty_like(self._matrix, shape=(end, 256))])
            if new:
                self._matrix[first:end] = _table().encode_documents(new)
                self._rows.update(zip(new, range(first, end), strict=True))
            found: NDArray[np.float32] = self._matrix[[self._rows[name] for name in names]]
        return found


@cache
def _vectors() -> _Vectors:
    return _Vectors()


@cache
def _table() -> StaticEmbedder:
    return StaticEmbedder()


@lru_cache(maxsize=64)
def _query_vector(query: str) -> NDArray[np.float32]:
    return _table().encode_query(query)
