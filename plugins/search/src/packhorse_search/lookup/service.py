"""The one way in: each method answers one way of looking up, from indexes that are brought up to date meanwhile."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from packhorse_search import advice, scope
from packhorse_search.area import files_of
from packhorse_search.excerpt import shown
from packhorse_search.filters import Filter
from packhorse_search.lookup import grep, outline, similar, symbols
from packhorse_search.lookup.answer import Told, is_empty

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from packhorse.context import PluginContext
    from packhorse_indexing.service import Index
    from packhorse_search.lookup.answer import LinesAnswer, OutlineAnswer, SimilarAnswer, SymbolAnswer
    from packhorse_search.scope import Scope

A = TypeVar("A", bound=Told)

MAX_WARNINGS = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: repositories by id, path or folder, and the filters of a search (`packhorse_search.filters`)."""

    repository: str | None = None
    directory: str | None = None
    file_type: str | None = None
    language: str | None = None


class Lookup:
    """Looking things up in the index of the indexing plugin; it keeps nothing between two requests."""

    def __init__(self, context: PluginContext, index: Index) -> None:
        self._context = context
        self._index = index

    async def grep(self, request: grep.Request, place: Place) -> LinesAnswer:
        """Return the lines that match a pattern.

        Raises:
            InvalidInputError: the pattern, a filter or the cursor cannot be meant.
            NotFoundError: the repository does not exist, or nothing is indexed.
            DatabaseError: the database is gone, frozen or refuses.
        """
        asked = grep.parse(request)
        return await self._current(place, lambda where: grep.answer(self._context.database, where, asked))

    async def symbol(self, request: symbols.Request, place: Place) -> SymbolAnswer:
        """Return where a symbol is defined, and where it is named; raises as `grep` does."""
        asked = symbols.parse(request)
        return await self._current(place, lambda where: symbols.answer(self._context.database, where, asked))

    async def outline(self, request: outline.Request, place: Place) -> OutlineAnswer:
        """Return what a file or folder holds; raises as `grep` does, and NotFoundError for a path not indexed."""
        return await self._current(place, lambda where: outline.answer(self._context.database, where, request))

    async def similar(self, request: similar.Request, place: Place) -> SimilarAnswer:
        """Return the code that is most like a place; raises as `outline` does."""
        return await self._current(place, lambda where: similar.answer(self._context.database, where, request))

    async def _current(self, place: Place, answer: Callable[[Scope], Awaitable[A]]) -> A:
        """Answer, and once more when the index of a folder was brought up to date meanwhile."""
        started = time.perf_counter()
        where = await self._scope(place)
        refreshing = asyncio.gather(*map(self._index.refresh, where.repositories))
        try:
            given = await answer(where)
        except BaseException:
            refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await refreshing
            raise
        freshness = await refreshing
        if any(one.updated for one in freshness):
            where = await self._scope(place)
            given = await answer(where)
        if not where.filter.is_empty and is_empty(given):
            given.warnings += await self._advice(place, where)
        notes = [one.note for one in freshness if one.note and (one.changes or len(freshness) == 1)]
        warnings = [*where.warnings(), *given.warnings, *notes]
        return given.model_copy(
            update={
                "index": list(map(shown, where.notes())),
                "warnings": list(map(shown, warnings[:MAX_WARNINGS])),
                "latency_ms": round((time.perf_counter() - started) * 1000, 1),
            }
        )

    async def _advice(self, place: Place, where: Scope) -> list[str]:
        """Say what to try when filters pass no file, which an answer without results does not tell."""
        async with self._context.database.connection() as connection:
            if any([await files_of(connection, area) for area in where.areas]):
                return []
            known = [await files_of(connection, replace(area, filter=Filter())) for area in where.areas]
        return [advice.for_no_file(place.directory, list(chain.from_iterable(known)))]

    async def _scope(self, place: Place) -> Scope:
        return await scope.choose(
            self._index,
            place.repository,
            file_type=place.file_type,
            directory=place.directory,
            language=place.language,
        )
