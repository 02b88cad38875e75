"""Cycles among tasks."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse_tasks.graph import shortest_cycle

pytestmark = pytest.mark.unit

edges = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=30)


def test_there_is_none_in_a_chain_or_a_diamond() -> None:
    assert shortest_cycle([(1, 2), (2, 3)], 1) == []
    assert shortest_cycle([(1, 2), (1, 3), (2, 4), (3, 4)], 1) == []
    assert shortest_cycle([], 1) == []


def test_a_node_that_needs_itself_is_a_cycle() -> None:
    assert shortest_cycle([(1, 1)], 1) == [1, 1]


def test_the_shortest_is_found() -> None:
    assert shortest_cycle([(1, 2), (2, 3), (3, 1), (2, 1)], 1) == [1, 2, 1]


def test_a_cycle_elsewhere_does_not_count_and_does_not_hang() -> None:
    assert shortest_cycle([(1, 2), (2, 3), (3, 2)], 1) == []


def test_ten_thousand_layers_of_diamonds_take_no_time() -> None:
    layers = [edge for i in range(0, 30_000, 3) for edge in ((i, i + 1), (i, i + 2), (i + 1, i + 3), (i + 2, i + 3))]
    assert len(shortest_cycle([*layers, (30_000, 0)], 0)) == 20_002


@given(edges)
def test_what_is_found_is_a_cycle_of_the_given_edges(given_edges: list[tuple[int, int]]) -> None:
    cycle = shortest_cycle(given_edges, 0)
    assert all(edge in given_edges for edge in itertools.pairwise(cycle))
    assert not cycle or cycle[0] == cycle[-1] == 0
    reached = {target for source, target in given_edges if source == 0}
    for _ in given_edges:
        reached |= {target for source, target in given_edges if source in reached}
    assert bool(cycle) == (0 in reached)
