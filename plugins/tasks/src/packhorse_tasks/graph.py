"""Finds a cycle among tasks that need one another."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from typing import TypeVar

N = TypeVar("N", bound=Hashable)


def shortest_cycle(edges: Iterable[tuple[N, N]], start: N) -> list[N]:
    """Return the nodes of a shortest cycle through `start`, which is both first and last; empty when there is none.

    Breadth first, in time linear in the edges.
    """
    successors: dict[N, list[N]] = {}
    for source, target in edges:
        successors.setdefault(source, []).append(target)
    previous: dict[N, N] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for successor in successors.get(node, []):
            if successor == start:
                way = [start, node]
                while way[-1] != start:
                    way.append(previous[way[-1]])
                return way[::-1] if node != start else [start, start]
            if successor not in previous:
                previous[successor] = node
                waiting.append(successor)
    return []
