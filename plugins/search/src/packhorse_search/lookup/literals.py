"""Which words and texts every match of a pattern contains."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from packhorse_search.lookup.syntax import Choice, Edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from packhorse_search.lookup.syntax import Item

MAX_ALTERNATIVES = 20
"""Words of which one must occur; a choice among more is taken to say nothing."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of ASCII letters, digits and underscores, and what may stand on either side of it."""

    text: str
    left: Edge
    right: Edge

    @property
    def is_whole(self) -> bool:
        """Whether it is a word of its own."""
        return self.left is self.right is Edge.CLOSED


@dataclass(frozen=True, slots=True)
class Required:
    """What every match contains: of each set of `pieces` at least one, and the text `run`, exactly, if not empty."""

    pieces: tuple[frozenset[Piece], ...]
    run: str


def required(items: Sequence[Item], *, folds: bool) -> Required:
    """Return what a match of these items contains; `folds` says that its case may be another."""
    runs = ["".join(run) for run in _runs(items)]
    if folds:
        runs = [run for run in runs if run.lower() == run.upper()]
    return Required(tuple(_pieces(items)), max(runs, key=len, default=""))


def _runs(items: Iterable[Item]) -> Iterable[list[str]]:
    run: list[str] = []
    for item in items:
        if isinstance(item, str):
            run.append(item)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _pieces(items: Sequence[Item]) -> Iterable[frozenset[Piece]]:
    text = ""
    left = Edge.OPEN
    for before, item in pairwise((Edge.OPEN, *items, Edge.OPEN)):
        if _is_word(item):
            if not text:
                left = _edge(before)
            text += str(item)
            continue
        if text:
            yield frozenset((Piece(text, left, _edge(item)),))
            text = ""
        if isinstance(item, Choice) and (alternatives := _alternatives(item)):
            yield alternatives


def _alternatives(choice: Choice) -> frozenset[Piece]:
    """Return pieces of which one occurs whichever branch matches; none when a branch may match without any."""
    found: set[Piece] = set()
    for branch in choice.branches:
        sets = list(_pieces(branch))
        if not sets:
            return frozenset()
        found |= max(sets, key=worth)
    return frozenset(found if len(found) <= MAX_ALTERNATIVES else ())


def worth(pieces: AbstractSet[Piece]) -> tuple[int, bool]:
    """Return how much a set of pieces is likely to narrow a search: by the shortest of them, whole words first."""
    return min(len(piece.text.strip("_")) for piece in pieces), all(piece.is_whole for piece in pieces)


def _is_word(item: Item) -> bool:
    return isinstance(item, str) and item.isascii() and (item.isalnum() or item == "_")


def _edge(beside: Item) -> Edge:
    if isinstance(beside, Edge):
        return beside
    # A character beyond ASCII may belong to the word, or combine with its last letter.
    return Edge.CLOSED if isinstance(beside, str) and beside.isascii() else Edge.OPEN
