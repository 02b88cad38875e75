"""The code whose meaning is nearest to that of a place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from packhorse.errors import InvalidInputError, NotFoundError
from packhorse_indexing.ids import chunk_uuid, parse_chunk_uuid
from packhorse_search import store as chunks
from packhorse_search.area import narrowed
from packhorse_search.candidates import ChunkKey
from packhorse_search.description import describe
from packhorse_search.excerpt import excerpt, shown, tokens
from packhorse_search.lookup import outline, store, symbols
from packhorse_search.lookup.answer import SimilarAnswer, SimilarPlace
from packhorse_search.nearest import ask_nearest, nearest, passing
from packhorse_search.retrieve import EXACT_CHUNKS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from psycopg import AsyncConnection

    from packhorse.database.pool import Database
    from packhorse_indexing.models import Repository
    from packhorse_search.area import Area
    from packhorse_search.candidates import Candidate
    from packhorse_search.lookup.store import PlaceRow
    from packhorse_search.scope import Scope

MAX_RESULTS = 50
BUDGET = 2_500
"""Tokens of all contents."""

_LEAST = 60
_LOCATION = re.compile(r"(?P<path>.+?):(?P<line>\d+)(?:[-:]\d+)?", re.DOTALL)
_MORE = 20
"""Chunks that are looked at beyond those asked for, because duplicates are left out."""


@dataclass(frozen=True, slots=True)
class Request:
    """Like which place: `path:line`, or the id of a chunk."""

    location: str
    limit: int = 10


async def answer(database: Database, where: Scope, request: Request) -> SimilarAnswer:
    """Answer a request from the index as it is.

    Raises:
        NotFoundError: nothing that is indexed is at the place, or it has no vector yet.
        InvalidInputError: the location names no place.
    """
    if not 1 <= request.limit <= MAX_RESULTS:
        raise InvalidInputError(f"limit is {request.limit}; it may be 1 to {MAX_RESULTS}.")
    place, vector = await _find(database, where, request.location)
    comparable = [one for one in where.repositories if (one.embedder, one.dimensions) == (place.embedder, len(vector))]
    repositories = {repository.id: repository for repository in comparable}
    found: list[Candidate] = []
    for area in where.areas:
        if not repositories.keys() & set(area.repository_ids):
            continue
        async with database.connection() as connection:
            found += await _nearest(connection, area, vector, request.limit + _MORE)
    found.sort(key=lambda one: (-one.meaning, one.file.path, one.start_line))
    chosen = _distinct(found, place)[: request.limit]
    return SimilarAnswer(
        place=shown(f"{place.path}:{place.start_line}-{place.end_line}"),
        results=await _shown(database, chosen, repositories),
        warnings=_left_out(where, len(comparable)),
    )


async def _nearest(
    connection: AsyncConnection[Any], area: Area, vector: NDArray[np.float32], wanted: int
) -> list[Candidate]:
    """Return the visible chunks nearest to a vector; if the index of vectors finds too few, by comparing all."""
    area = await narrowed(connection, area)
    few = None if area.is_open else await passing(connection, area, EXACT_CHUNKS)
    near = await nearest(await ask_nearest(connection, area, vector, wanted, few))
    found = await describe(connection, area, near, meaning=near)
    # Others of the pool may be nearer: a worktree that is not searched, what is listed no more, what does not pass.
    if few is None and len(found) < wanted and (len(near) >= wanted or not area.is_open):
        area = await narrowed(connection, area, listed=True)
        near = await nearest(await ask_nearest(connection, area, vector, wanted, await passing(connection, area)))
        found = await describe(connection, area, near, meaning=near)
    return found


async def _find(database: Database, where: Scope, location: str) -> tuple[PlaceRow, NDArray[np.float32]]:
    given = location.strip()
    located = _LOCATION.fullmatch(given)
    if located is None and (found := await _chunk(database, where, given)) is not None:
        return found, _vector(found)
    if located is None:
        raise InvalidInputError(
            f"location is {given[:100]!r}, which is no place.", remedy="Give path:line, or the chunk_id of a result."
        )
    # A file of 30 digits' lines does not exist, and PostgreSQL counts to 2^31.
    line = min(int(located["line"][:10]), 2**31 - 1)
    places = []
    for repository in where.repositories:
        path = outline.relative(located["path"], repository.path)
        if path:
            async with database.connection() as connection:
                place = await store.place(connection, repository.pool_id, repository.id, path, line)
            if place is not None:
                places.append(place)
    if not places:
        raise NotFoundError(
            f"Nothing indexed is at {given[:200]!r}.",
            remedy="Give a path from the repository's root and a line that the file has.",
        )
    if len({(place.pool_id, place.chunk_id) for place in places}) > 1:
        raise InvalidInputError(
            f"Several repositories have {given[:200]!r}.", remedy="Give repository_id, or an absolute path."
        )
    return places[0], _vector(places[0])


async def _chunk(database: Database, where: Scope, given: str) -> PlaceRow | None:
    try:
        key = parse_chunk_uuid(UUID(given))
    except ValueError:
        return None
    if key is not None:
        members = [repository.id for repository in where.repositories if repository.pool_id == key[0]]
        async with database.connection() as connection:
            found = await store.chunk_place(connection, *key, members)
        if found is not None:
            return found
    raise NotFoundError(f"There is no chunk {given!r}.", remedy="It may have changed since; give path:line.")


def _vector(place: PlaceRow) -> NDArray[np.float32]:
    if place.vector is None:
        raise NotFoundError(
            f"{shown(place.path)}:{place.start_line} has no embedding yet.", remedy="Try again when indexing is done."
        )
    return np.asarray(place.vector.to_list(), dtype=np.float32)


def _distinct(found: list[Candidate], place: PlaceRow) -> list[Candidate]:
    """Leave out the place itself, what reads the same, and copies of one another."""
    seen: set[object] = {place.hash, ChunkKey(place.pool_id, place.chunk_id)}
    kept = []
    for one in found:
        marks = {one.hash, one.key}
        if seen.isdisjoint(marks):
            kept.append(one)
        seen |= marks
    return kept


async def _shown(
    database: Database, chosen: list[Candidate], repositories: dict[UUID, Repository]
) -> list[SimilarPlace]:
    texts: dict[ChunkKey, str] = {}
    for pool_id in {one.pool_id for one in chosen}:
        async with database.connection() as connection:
            members = [one.chunk_id for one in chosen if one.pool_id == pool_id]
            found = await chunks.contents(connection, pool_id, members)
        texts |= {ChunkKey(pool_id, chunk_id): one.text for chunk_id, one in found.items()}
    left = BUDGET
    answer = []
    for number, one in enumerate(chosen):
        if one.file.repository_id not in repositories:
            continue
        allowance = max(_LEAST, left // (len(chosen) - number))
        cut = excerpt(texts.get(one.key, ""), one.start_line, (), allowance=allowance)
        left -= tokens(cut.content)
        answer.append(
            SimilarPlace(
                chunk_id=str(chunk_uuid(*one.key)),
                repository=shown(repositories[one.file.repository_id].path),
                file_path=shown(one.file.path),
                start_line=cut.start_line,
                end_line=cut.end_line,
                symbol=shown(symbols.qualified(one.scope, one.symbol)) if one.symbol else None,
                language=one.file.language,
                similarity_score=round(max(0.0, min(1.0, one.meaning)), 4),
                content=cut.content,
                truncated=cut.truncated,
            )
        )
    return answer


def _left_out(where: Scope, compared: int) -> list[str]:
    others = len(where.repositories) - compared
    return [f"{others} repositories were embedded by another model and are not compared."] if others else []
