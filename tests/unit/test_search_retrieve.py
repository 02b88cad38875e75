"""Which candidates are looked at closely."""

from __future__ import annotations

from dataclasses import replace

import pytest

from packhorse_search.retrieve import Found
from packhorse_search.weights import DEFAULT

pytestmark = pytest.mark.unit

WEIGHTS = replace(DEFAULT, lexical=0.5, cosine=0.7)
NOTHING = Found({}, {}, [], [], {}, 0)


def test_words_and_meaning_count_together_and_what_meaning_did_not_find_as_its_last():
    found = replace(NOTHING, words={1: 4.0, 2: 2.0, 3: 1.0}, meaning={2: 0.9, 4: 0.8, 5: 0.5})
    assert found.likeliest(5, WEIGHTS) == [2, 1, 4, 3, 5]
    assert found.likeliest(2, WEIGHTS) == [2, 1]


def test_what_is_found_by_path_or_name_is_always_among_them():
    found = replace(NOTHING, words={1: 4.0, 2: 2.0}, path=[7], name=[2, 8])
    assert found.likeliest(1, WEIGHTS) == [1, 7, 2, 8]


@pytest.mark.parametrize("cosine", [0.0, -0.2])
def test_a_query_that_nothing_is_like_is_no_error(cosine: float):
    assert replace(NOTHING, words={1: 1.0}, meaning={2: cosine}).likeliest(2, WEIGHTS) == [1, 2]
    assert NOTHING.likeliest(2, WEIGHTS) == []
