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

COMMON = 400
"""A lexeme that more tasks have than this tells them hardly apart; it counts only when no rarer one finds anything."""
WORDED = 400
MEANT = 50
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
) -> list[UUID]:
    """Return the ids of all tasks that fit, best first."""
    rankings = [await _by_words(connection, question, wanted)]
    if near is not None:
        statement = store.NEAREST if wanted == Filter() else store.NEAREST_MATCHING
        found = await store.rows(connection, statement, {**wanted.arguments, "vector": near.vector, "most": MEANT})
        rankings.append([row["id"] for row in found if row["distance"] is not None and row["distance"] < FARTHEST])
    return fused(rankings)


async def _by_words(connection: AsyncConnection[TupleRow], question: str, wanted: Filter) -> list[UUID]:
    lexemes = await store.rows(connection, store.LEXEMES, {"question": question})
    rare = [row for row in lexemes if 0 < row["tasks"] <= COMMON]
    if rare:
        queries, rarities = [row["query"] for row in rare], [math.log(1 + _SCALE / row["tasks"]) for row in rare]
        found = await _worded(connection, wanted, queries, rarities)
        if found:
            return found
    common = [row["query"] for row in lexemes if row["tasks"]]
    return await _worded(connection, wanted, [" | ".join(common)], [1.0]) if common else []


async def _worded(
    connection: AsyncConnection[TupleRow], wanted: Filter, queries: Sequence[str], rarities: Sequence[float]
) -> list[UUID]:
    arguments = {**wanted.arguments, "queries": queries, "rarities": rarities, "most": WORDED}
    statement = store.WORDED if wanted == Filter() else store.WORDED_MATCHING
    return [row["id"] for row in await store.rows(connection, statement, arguments)]


def fused(rankings: Sequence[Sequence[UUID]]) -> list[UUID]:
    """Fuse rankings by reciprocal rank (Cormack, Clarke and Büttcher 2009); ties stay in order."""
    scores: dict[UUID, float] = {}
    for ranking in rankings:
        for place, task_id in enumerate(ranking, start=1):
            scores[task_id] = scores.get(task_id, 0.0) + 1 / (_RANK_CONSTANT + place)
    return sorted(scores, key=lambda task_id: -scores[task_id])
