"""What stands in a text word for word."""

from __future__ import annotations

import pytest

from packhorse_search.verbatim import shares

pytestmark = pytest.mark.unit

TEXT = 'if not pool:\n    raise Closed("No connection in\tpool is left; open it again.")'


@pytest.mark.parametrize(
    ("query", "share"),
    [
        ("no connection in pool is left", 1.0),
        ("Closed: No connection in pool", 1.0),
        ("error: no connection in pool", 0.8),
        ("connection in pool was lost just now", 0.0),
        ("no connection", 0.0),
        ("pool left connection in no is", 0.0),
        ("connection in pool", 1.0),
        ("connection in pools", 0.0),
        ("no connection in pools", 0.0),
        ("(*", 0.0),
    ],
)
def test_the_longest_run_counts_where_it_is_most_of_the_query(query, share):
    assert shares(query, [TEXT, ""]) == [pytest.approx(share), 0.0]


def test_the_query_is_text_and_no_pattern():
    assert shares("a.b.c [d", ["axbxc d", "a b c d"]) == [0.0, 1.0]
