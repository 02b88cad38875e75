"""The hooks that the indexing plugin declares for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packhorse_indexing.chunking import Language
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
