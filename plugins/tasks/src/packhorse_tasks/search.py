"""Finds tasks by words and by meaning, both narrowed by the same filter, and fuses the two rankings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packhorse_tasks import store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from pgvector import HalfVector
    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

WORDED = 100
"""How many tasks are looked at for their words, the newest: of those that have all, and of those that have one."""
FEW = 20
"""With fewer tasks that have every word of the question, those count too that have some."""
COMMON = 200
"""A lexeme that more tasks have than this tells them hardly apart; it counts only when no rarer one finds anything."""
MEANT = 40
FARTHEST = 0.7
"""The cosine distance from which on a task's meaning has nothing to do with the question."""
_SCALE = 10_000
_RANK_CONSTANT = 60


@dataclass(frozen=True, slots=True)
class Filter:
    """What a listing is narrowed to; None does not narrow."""

    status: str | None = None
    branch: str | None = None
    label: str | None = None
    assignee: str | None = None
    parent_id: UUID | None = None
    ready: bool = False
    deleted: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """The filter as arguments of the store's statements."""
        return {
            "status": self.status, "branch": self.branch, "label": self.label, "assignee": self.assignee,
            "parent_id": self.parent_id, "ready": self.ready, "deleted": self.deleted,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Nearness:
    """What a search by meaning looks near to: the vector that the named embedder made of the question."""

    embedder: str
    vector: HalfVector


async def search(
    connection: AsyncConnection[TupleRow], question: str, wanted: Filter, near: Nearness | None
) -> list[int]:
    """Return the numbers of the tasks that fit, best first: by words and by meaning.

    Those that have every word of the question come before those that have some, and these only when the first are few.
    """
    statement = store.FITTING if wanted == Filter() else store.FITTING_MATCHING
    limits = {"worded": WORDED, "meant": MEANT, "farthest": FARTHEST}
    vector = None if near is None else near.vector
    [found] = await store.rows(
        connection, statement, {**wanted.arguments, **limits, "question": question, "vector": vector}
    )
    worded: list[int] = found["worded"]
    if len(worded) < FEW:
        worded = list(dict.fromkeys([*worded, *await _by_some_words(connection, question, wanted)]))
    return fused([worded, found["meant"]])


async def _by_some_words(connection: AsyncConnection[TupleRow], question: str, wanted: Filter) -> list[int]:
    lexemes = await store.rows(connection, store.LEXEMES, {"question": question, "common": COMMON})
    if len(lexemes) <= 1:
        return []
    rare = [row for row in lexemes if 0 < row["tasks"] <= COMMON]
    if rare:
        queries, rarities = [row["query"] for row in rare], [math.log(1 + _SCALE / row["tasks"]) for row in rare]
        found = await _partly_worded(connection, wanted, queries, rarities)
        if found:
            return found
    common = [row["query"] for row in lexemes if row["tasks"]]
    return await _partly_worded(connection, wanted, [" | ".join(common)], [1.0]) if common else []


async def _partly_worded(
    connection: AsyncConnection[TupleRow], wanted: Filter, queries: Sequence[str], rarities: Sequence[float]
) -> list[int]:
    arguments = {**wanted.arguments, "queries": queries, "rarities": rarities, "most": WORDED}
    return [row["number"] for row in await store.rows(connection, store.PARTLY_WORDED, arguments)]


def fused(rankings: Sequence[Sequence[int]]) -> list[int]:
    """Fuse rankings by reciprocal rank (Cormack, Clarke and Büttcher 2009); ties stay in order."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for place, number in enumerate(ranking, start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (_RANK_CONSTANT + place)
    return sorted(scores, key=lambda number: -scores[number])
