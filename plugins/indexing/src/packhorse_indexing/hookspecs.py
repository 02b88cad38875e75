"""The hooks that the indexing plugin declares for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packhorse_indexing.chunking import Chunker, Language
    from packhorse_indexing.embedding import Factory


@hookspec
def register_embedders() -> Mapping[str, Factory]:
    """Return embedders by the name that PACKHORSE_INDEXING_EMBEDDER selects them with.

    A factory gets the indexing plugin's settings and returns an `Embedder`. It runs in the server, for queries, and
    in the worker process, for documents; vectors of the same `name` must be the same in both.
    """
    raise NotImplementedError


@hookspec
def register_languages() -> Iterable[Language]:
    """Return languages to add to those that are known, or to replace them by name."""
    raise NotImplementedError


@hookspec
def register_chunkers() -> Mapping[str, Chunker]:
    """Return functions that cut files into chunks, by the name of the language or by extension (`.ext`).

    A function takes the text of a file and returns `Piece`s, or pairs (first line, last line), that are in order and
    together all its lines. It runs in the worker process; when it raises, takes too much time or memory or leaves a
    line out, the file is cut by lines and the reason is told.
    """
    raise NotImplementedError
