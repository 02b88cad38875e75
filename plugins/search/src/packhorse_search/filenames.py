"""What a file's name says: its words, and how near their meaning is to a query's."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, cast

from packhorse_indexing.embedders.static import StaticEmbedder
from packhorse_indexing.lexemes import path_lexemes

if TYPE_CHECKING:
    import numpy as np
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


def meaning(query: str, name: str) -> float:
    """Return how near a name is to a query in meaning, in 0..1.

    The static table serves here whatever embedder the index was made with: a name is a few words, and no service is
    worth asking for hundreds of them within one search.
    """
    return max(0.0, float(_query_vector(query) @ _name_vector(name)))


@cache
def _table() -> StaticEmbedder:
    return StaticEmbedder()


@lru_cache(maxsize=64)
def _query_vector(query: str) -> NDArray[np.float32]:
    return _table().encode_query(query)


@lru_cache(maxsize=_CACHED)
def _name_vector(name: str) -> NDArray[np.float32]:
    [vector] = _table().encode_documents([name])
    return cast("NDArray[np.float32]", vector)
