"""What a file's name says: its words, and how near their meaning is to a query's."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from packhorse_indexing.embedders.static import StaticEmbedder
from packhorse_indexing.lexemes import path_lexemes
from packhorse_search.kinds import FileKind, file_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_UNNAMED = frozenset({"mod", "index", "__init__", "init"})
"""Names that say nothing: the file speaks for its folder."""

_CACHED = 16_384
"""Names whose words or vectors are kept, for they come again with every query: 20 MB at most."""


def stem(path: str) -> str:
    """Return a file's name without its extensions, or its folder's where the file's own says nothing."""
    *folders, name = path.split("/")
    own = name[:1] + name[1:].partition(".")[0]
    return folders[-1] if folders and own in _UNNAMED else own


@lru_cache(maxsize=_CACHED)
def words(name: str) -> frozenset[str]:
    """Return the distinct lexemes of a name or path."""
    return frozenset(path_lexemes(name))


class Place(NamedTuple):
    """What a path says of its file: its stem, the words of both, and the kind of file."""

    stem: str
    folded: str
    """The stem without case and punctuation."""
    words: frozenset[str]
    stem_words: frozenset[str]
    kind: FileKind


@lru_cache(maxsize=_CACHED)
def place_of(path: str) -> Place:
    """Return what a path says."""
    name = stem(path)
    return Place(name, folded(name), frozenset(path_lexemes(path)), words(name), file_kind(path))


def folded(name: str) -> str:
    """Return a name without case and punctuation, in which languages differ."""
    return name.replace("_", "").replace("-", "").lower()


def meanings(query: str, names: Sequence[str]) -> list[float]:
    """Return how near each name is to a query in meaning, in 0..1.

    The static table serves here whatever embedder the index was made with: a name is a few words, and no service is
    worth asking for hundreds of them within one search.
    """
    if len(_vectors) > _CACHED:
        _vectors.clear()
    new = list({name for name in names if name not in _vectors})
    _vectors.update(zip(new, _table().encode_documents(new), strict=True))
    near: NDArray[np.float32] = np.stack([_vectors[name] for name in names]) @ _query_vector(query)
    return [max(0.0, value) for value in near.tolist()]


_vectors: dict[str, NDArray[np.float32]] = {}
"""The vectors of names, which begin afresh when they are many."""


@cache
def _table() -> StaticEmbedder:
    return StaticEmbedder()


@lru_cache(maxsize=64)
def _query_vector(query: str) -> NDArray[np.float32]:
    return _table().encode_query(query)
