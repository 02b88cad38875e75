"""Cursors: a way on through one answer that says when it no longer holds."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from packhorse.errors import InvalidInputError
from packhorse_indexing.models import Coverage
from packhorse_search import cursor

pytestmark = pytest.mark.unit

REQUEST, INDEX = cursor.digest("session", None), cursor.digest("as it is")
COVERED = Coverage(UUID(int=1), 3, 3, 9, 9, None, None, None)


def test_a_cursor_leads_to_where_it_was_made_for():
    word = cursor.encode(40, REQUEST, INDEX)
    assert cursor.decode(word, REQUEST, INDEX) == (40, True)
    assert len(word) == 16
    assert word.isascii()


def test_an_index_that_changed_since_is_noticed():
    word = cursor.encode(40, REQUEST, cursor.state([COVERED]))
    assert cursor.decode(word, REQUEST, cursor.state([COVERED])) == (40, True)
    assert cursor.decode(word, REQUEST, cursor.state([replace(COVERED, chunks=10)])) == (40, False)


def test_the_order_of_repositories_is_no_change():
    other = replace(COVERED, repository_id=UUID(int=2))
    assert cursor.state([COVERED, other]) == cursor.state([other, COVERED])


def test_a_cursor_of_another_request_is_refused():
    with pytest.raises(InvalidInputError, match="another request"):
        cursor.decode(cursor.encode(40, REQUEST, INDEX), cursor.digest("session", "src"), INDEX)


@pytest.mark.parametrize("word", ["", "x", "10", "A" * 16, "é" * 16, "=" * 16, "A" * 10_000, "\ud800"])
def test_what_is_no_cursor_is_refused_in_a_sentence(word):
    with pytest.raises(InvalidInputError, match="which is none"):
        cursor.decode(word, REQUEST, INDEX)


def test_a_changed_character_is_noticed():
    word = cursor.encode(40, REQUEST, INDEX)
    with pytest.raises(InvalidInputError):
        cursor.decode(("B" if word[0] == "A" else "A") + word[1:], REQUEST, INDEX)
