"""Which chunks of a pool may match, told by the index if it can, and otherwise by PostgreSQL, which reads them all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from packhorse_indexing.lexemes import PARTIAL, UNCOUNTED
from packhorse_search.area import narrowed
from packhorse_search.lookup import store, vocabulary
from packhorse_search.lookup.literals import worth

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from psycopg import AsyncConnection

    from packhorse_search.area import Area
    from packhorse_search.lookup.literals import Required

FEW = 200
"""Chunks that are read rather than narrowed down further."""

MANY = 20_000
"""Chunks of which knowing them saves too little: reading every file in order finds something to show sooner."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The ids of chunks, ascending, among which are all that match, None when every chunk may.

    `by_index` says that the index told them, and no text was read.
    """

    chunks: NDArray[np.int32] | None
    by_index: bool


async def candidates(connection: AsyncConnection[Any], area: Area, required: Required) -> Narrowed:
    """Return the chunks that may match, if the area's filter leaves too many files to read them all."""
    found = await _by_lexemes(connection, area.pool_id, required)
    by_index = found is not None
    if found is None and required.run:
        passing = await narrowed(connection, area)
        if passing.blobs is None or passing.size > MANY:
            found = await store.chunks_containing(connection, area.pool_id, required.run)
    return Narrowed(found if found is not None and len(found) <= MANY else None, by_index)


async def _by_lexemes(connection: AsyncConnection[Any], pool_id: int, required: Required) -> NDArray[np.int32] | None:
    found: NDArray[np.int32] | None = None
    words: list[bytes] | None = None
    for pieces in sorted(required.pieces, key=worth, reverse=True):
        if not vocabulary.is_telling(pieces):
            continue
        if words is None and vocabulary.needs_vocabulary(pieces):
            words = await store.vocabulary(connection, pool_id)
        lexemes = await asyncio.to_thread(vocabulary.lexemes_with, pieces, words or [])
        if lexemes is None:
            continue
        lexemes.add(UNCOUNTED)
        if vocabulary.may_be_partial(pieces):
            lexemes.add(PARTIAL)
        chunks = await store.chunks_with(connection, pool_id, lexemes)
        found = chunks if found is None else np.intersect1d(found, chunks, assume_unique=True)
        if len(found) <= FEW:
            break
    return found
