"""The one way in: a request goes through parsing, retrieval, fusion and ranking, and comes out as an answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packhorse.database import reading
from packhorse.errors import InvalidInputError, UnavailableError
from packhorse_search import advice, assemble, query, scope, signals
from packhorse_search import cursor as cursors
from packhorse_search.answer import SearchAnswer
from packhorse_search.area import files_of, narrowed
from packhorse_search.assemble import CONCISE, Form
from packhorse_search.candidates import PathStatistics
from packhorse_search.cursor import Position
from packhorse_search.filters import Filter
from packhorse_search.fuse import fuse
from packhorse_search.rank import rank
from packhorse_search.retrieve import retrieve
from packhorse_search.weights import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from packhorse.context import PluginContext
    from packhorse_indexing.service import Index
    from packhorse_search.area import Area
    from packhorse_search.candidates import Candidate, ChunkKey
    from packhorse_search.query import Query
    from packhorse_search.rank import Ranking
    from packhorse_search.retrieve import Retrieved
    from packhorse_search.scope import Scope
    from packhorse_search.weights import Weights

MAX_RESULTS = 50
MAX_CONTEXT_LINES = 10
MAX_LINES = 200
MAX_WARNINGS = 5
_POOLS_AT_ONCE = 4
"""Pools that one search reads at the same time, each over its own connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    `repository` names repositories by id, path or folder; None searches everything that is indexed. It and the filters
    (see `filters.parse`) may be several, separated by commas. `changed_since` is a revision of git, `cursor` that of an
    answer to the same request.
    """

    query: str
    repository: str | None = None
    file_type: str | None = None
    directory: str | None = None
    language: str | None = None
    kind: str | None = None
    changed_since: str | None = None
    limit: int = 10
    form: Form = CONCISE
    cursor: str | None = None


class Search:
    """Search over the index of the indexing plugin; it keeps nothing between two requests."""

    def __init__(self, context: PluginContext, index: Index, weights: Weights = DEFAULT) -> None:
        self._context = context
        self._index = index
        self._weights = weights

    async def search(self, request: Request) -> SearchAnswer:
        """Answer a request.

        Raises:
            InvalidInputError: the query, a filter or a limit cannot be meant.
            NotFoundError: the repository does not exist, or nothing is indexed.
            DatabaseError: the database is gone, frozen or refuses.
        """
        _check(request)
        started = time.perf_counter()
        asked = query.parse(request.query)
        where = await self._scope(request)
        # The folders are compared with their indexes while these are searched already, which is nearly always enough.
        refreshing = asyncio.gather(*map(self._index.refresh, where.repositories))
        try:
            answer = await self._answer(request, asked, where)
        except BaseException:
            refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await refreshing
            raise
        freshness = await refreshing
        if any(one.updated for one in freshness):
            answer = await self._answer(request, asked, await self._scope(request))
        notes = [one.note for one in freshness if one.note and (one.changes or len(freshness) == 1)]
        return answer.model_copy(
            update={
                "warnings": _few([*answer.warnings, *notes]),
                "latency_ms": round((time.perf_counter() - started) * 1000, 1),
            }
        )

    async def _scope(self, request: Request) -> Scope:
        return await scope.choose(
            self._index,
            request.repository,
            file_type=request.file_type,
            directory=request.directory,
            language=request.language,
            kind=request.kind,
            changed_since=request.changed_since,
        )

    async def _answer(self, request: Request, asked: Query, where: Scope) -> SearchAnswer:
        """Answer from the index as it is."""
        vectors, warnings = await self._vectors(asked, where)
        found = await self._retrieve(asked, where, vectors)
        candidates = [candidate for pool in found for candidate in pool.candidates]
        contributed = await signals.contributed(self._context, asked.text, where, candidates)
        ranked = self._rank(asked, where, found, candidates, contributed)
        position, words = _position(request, where)
        page = ranked[position.offset : position.offset + request.limit]
        results = await assemble.results(self._context, asked, where, page, position.offset, request.form)
        given = position.offset + len(results)
        if not ranked and not where.filter.is_empty:
            warnings = [*warnings, await self._advice(request, where)]
        if not position.is_current:
            warnings = [cursors.CHANGED, *warnings]
        return SearchAnswer(
            results=results,
            total_count=len(ranked),
            latency_ms=0.0,
            index=where.notes(),
            warnings=[*where.warnings(), *warnings],
            more=assemble.more(where, ranked.ordered, given) if not (request.form.detailed or position.offset) else [],
            next_cursor=cursors.encode(given, *words) if given < len(ranked) else "",
        )

    async def _vectors(self, asked: Query, where: Scope) -> tuple[dict[int, NDArray[np.float32]], list[str]]:
        """Return the query's embedding for each pool that it can be compared with, and what stands in the way."""
        configured = self._index.embedder
        usable = {}
        warnings = []
        for repository in where.repositories:
            if repository.embedder == configured.name and repository.dimensions == configured.dimensions:
                usable[repository.pool_id] = repository
            else:
                warnings.append(
                    f"{repository.path} is searched by words only: it was embedded with {repository.embedder}, "
                    f"and {configured.name} is configured. Index it again with force_reindex=true."
                )
        if not usable:
            return {}, warnings
        try:
            vector = await self._index.embed_query(asked.text)
        except UnavailableError as error:
            return {}, [*warnings, f"Searched by words only: {error}"]
        if not vector.any():
            return {}, warnings
        return dict.fromkeys(usable, vector), warnings

    async def _retrieve(self, asked: Query, where: Scope, vectors: dict[int, NDArray[np.float32]]) -> list[Retrieved]:
        slots = asyncio.Semaphore(_POOLS_AT_ONCE)

        async def one(area: Area) -> Retrieved:
            async with slots, reading(self._context.database) as connection:
                return await retrieve(connection, asked, area, vectors.get(area.pool_id), self._weights)

        areas = where.areas
        if len(areas) == 1:
            return [await one(areas[0])]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(area)) for area in areas]
        return [task.result() for task in tasks]

    def _rank(
        self,
        asked: Query,
        where: Scope,
        found: Sequence[Retrieved],
        candidates: Sequence[Candidate],
        contributed: Mapping[ChunkKey, Mapping[str, float]],
    ) -> Ranking:
        paths: Counter[str] = Counter()
        for pool in found:
            paths.update(pool.paths)
        statistics = PathStatistics(where.files, paths)
        return _once(rank(asked, candidates, fuse(candidates), statistics, self._weights, contributed))

    async def _advice(self, request: Request, where: Scope) -> str:
        """Say why filters leave nothing."""
        async with reading(self._context.database) as connection:
            passed = [await narrowed(connection, area) for area in where.areas]
            if all(area.blobs is None for area in passed):
                return "No symbol of that kind matches."
            if files := sum(len(area.blobs or ()) for area in passed):
                return f"The filters pass {files} files, and none of them matches."
            if where.filter.changed == ():
                return f"Nothing that is indexed differs from {request.changed_since}."
            known = [file for area in passed for file in await files_of(connection, replace(area, filter=Filter()))]
        return advice.for_no_file(request.directory, known)


def _check(request: Request) -> None:
    if not 1 <= request.limit <= MAX_RESULTS:
        raise InvalidInputError(f"limit is {request.limit}; it may be 1 to {MAX_RESULTS}.")
    form = request.form
    if not 0 <= form.context_lines <= MAX_CONTEXT_LINES:
        raise InvalidInputError(f"context_lines is {form.context_lines}; it may be 0 to {MAX_CONTEXT_LINES}.")
    if form.max_lines is not None and not 1 <= form.max_lines <= MAX_LINES:
        raise InvalidInputError(f"max_lines is {form.max_lines}; it may be 1 to {MAX_LINES}.")


def _position(request: Request, where: Scope) -> tuple[Position, tuple[bytes, bytes]]:
    """Return where the answer goes on, and the digests of the request and the index for the next cursor."""
    words = (
        cursors.digest(
            request.query, request.repository, request.file_type, request.directory, request.language, request.kind,
            request.changed_since,
        ),
        cursors.state(where.coverage.values()),
    )  # fmt: skip
    return cursors.decode(request.cursor, *words) if request.cursor else Position(0, True), words


def _few(warnings: list[str]) -> list[str]:
    """Return the first warnings and how many more there are; each of a hundred repositories may have one."""
    more = len(warnings) - MAX_WARNINGS
    return warnings if more <= 0 else [*warnings[:MAX_WARNINGS], f"{more} more repositories have warnings."]


def _once(ranking: Ranking) -> Ranking:
    """Keep the best place of each text, and of each definition that was cut in parts.

    Copies of a file and worktrees of a repository give the same text again. What goes on with a definition after its
    beginning defines nothing itself.
    """
    seen: set[object] = set()
    kept = []
    files = ranking.files.tolist()
    for number in ranking.order:
        candidate = ranking.candidates[number]
        chunk = (candidate.pool_id, candidate.chunk_id)
        text = (candidate.file.path, candidate.hash)
        if chunk in seen or text in seen:
            continue
        seen.add(chunk)
        seen.add(text)
        if candidate.symbol:
            part = (files[number], candidate.scope, candidate.symbol)
            if part in seen and not candidate.definitions:
                continue
            seen.add(part)
        kept.append(number)
    return replace(ranking, order=kept)
