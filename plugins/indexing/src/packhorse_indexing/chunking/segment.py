"""Cutting an outline into pieces: split along the outermost boundaries, then merge what is small.

The split-then-merge of cAST (Zhang et al. 2025), on rows instead of nodes: a range that is too large is cut at its
cheapest boundaries, neighbours are merged up to the budget, and a part that is still too large is cut in turn.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packhorse_indexing.chunking.model import Outline

BUDGET = 1600
"""Characters of a chunk, at most, unless one line or one definition is a little longer."""
WHOLE = 2000
"""Characters up to which a single definition is kept whole."""
ALONE = 800
"""Characters from which a definition shares its chunk with no other."""
CRUMB = 80
"""Characters below which a piece without a definition joins its neighbour."""


def segment(lines: Sequence[str], outline: Outline) -> list[tuple[int, int]]:
    """Return the rows (first, last inclusive) of each piece; together they are all rows, in order."""
    if not lines:
        return []
    cutter = _Cutter(lines, outline)
    return cutter.joined(cutter.cut(0, len(lines) - 1))


class _Cutter:
    def __init__(self, lines: Sequence[str], outline: Outline) -> None:
        self._offsets = list(accumulate(map(len, lines), initial=0))
        self._costs = outline.costs
        # Variables do not make a chunk worth keeping apart.
        self._inside = _inside(lines, outline)
        self._starts = sorted({span.first for span in outline.spans if span.kind not in {"variable", "constant"}})

    def _size(self, first: int, last: int) -> int:
        return self._offsets[last + 1] - self._offsets[first]

    def _definitions(self, first: int, last: int) -> int:
        """Count the rows of a range on which a definition starts."""
        return bisect_left(self._starts, last + 1) - bisect_left(self._starts, first)

    def cut(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Cut a range of rows; recursion is as deep as there are distinct costs, which `Outline` bounds."""
        if first == last or self._size(first, last) <= self._limit(first, last):
            yield first, last
            return
        cheapest = min(self._costs[first + 1 : last + 1])
        rows = [first, *(row for row in range(first + 1, last + 1) if self._costs[row] == cheapest), last + 1]
        budget = self._budget(first, last)
        start: int | None = None
        for begin, after in pairwise(rows):
            end = after - 1
            large = self._is_large(begin, end)
            if start is not None and (large or self._size(start, end) > budget):
                yield start, begin - 1
                start = None
            if large or self._size(begin, end) > budget:
                yield from self.cut(begin, end)
            elif start is None:
                start = begin
        if start is not None:
            yield start, last

    def _limit(self, first: int, last: int) -> int:
        return WHOLE if self._definitions(first, last) == 1 else BUDGET

    def _budget(self, first: int, last: int) -> int:
        """Return the size of the pieces of a range: even ones for the inside of one definition."""
        if self._definitions(first, last) > 1:
            return BUDGET
        size = self._size(first, last)
        return min(BUDGET, int(1.15 * size / -(-size // BUDGET)))

    def joined(self, pieces: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Join neighbours that were cut at different depths of one definition, and pieces too small to mean much."""
        out: list[tuple[int, int]] = []
        for first, last in pieces:
            if out and self._belong_together(out[-1], (first, last)):
                out[-1] = (out[-1][0], last)
            else:
                out.append((first, last))
        return out

    def _belong_together(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        size = self._size(one[0], other[1])
        if size > WHOLE or self._is_large(*one) or self._is_large(*other):
            return False
        return (size <= BUDGET and self._inside[other[0]]) or self._is_crumb(*one) or self._is_crumb(*other)

    def _is_large(self, first: int, last: int) -> bool:
        return self._size(first, last) >= ALONE and self._definitions(first, last) > 0

    def _is_crumb(self, first: int, last: int) -> bool:
        return self._size(first, last) < CRUMB and not self._definitions(first, last)


def _inside(lines: Sequence[str], outline: Outline) -> list[bool]:
    """Tell for each row whether a cut before it would go through a definition."""
    steps = [0] * (len(lines) + 2)
    for span in outline.spans:
        steps[span.first + 1] += 1
        steps[span.last + 1] -= 1
    return [depth > 0 for depth in accumulate(steps)]
