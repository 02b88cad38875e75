"""BM25 and fusion over plain arrays."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from packhorse_search.candidates import ChunkKey
from packhorse_search.fuse import fuse
from packhorse_search.lexical import Corpus, Posting, bm25, query_weights
from packhorse_search.query import parse
from packhorse_search.weights import DEFAULT

pytestmark = pytest.mark.unit

CORPUS = Corpus(chunks=100, length=10_000)


def posting(lexeme: str, *entries: tuple[int, int, int]) -> Posting:
    """A posting row of (chunk id, frequency, length), through the packed form."""
    ids, frequencies, lengths = zip(*entries, strict=True)
    return Posting.unpack(
        lexeme,
        np.array(ids, "<i4").tobytes(),
        np.array(frequencies, "u1").tobytes(),
        np.array(lengths, "<u2").tobytes(),
    )


def test_a_score_is_the_textbook_formula():
    ids, scores = bm25([posting("pool", (7, 3, 50))], {"pool": 1.0}, CORPUS, DEFAULT)
    idf = math.log(1 + (100 - 1 + 0.5) / (1 + 0.5))
    norm = DEFAULT.bm25_k1 * (1 - DEFAULT.bm25_b + DEFAULT.bm25_b * 50 / 100)
    assert ids.tolist() == [7]
    assert scores[0] == pytest.approx(idf * 3 * (DEFAULT.bm25_k1 + 1) / (3 + norm))


def test_rare_words_count_more_and_scores_add_up():
    rows = [posting("pool", *((i, 1, 100) for i in range(50))), posting("socket", (3, 1, 100), (60, 1, 100))]
    ids, scores = bm25(rows, {"pool": 1.0, "socket": 1.0}, CORPUS, DEFAULT)
    assert ids.tolist()[:2] == [3, 60]
    assert len(ids) == 51
    assert (np.diff(scores) <= 0).all()


def test_the_segments_of_a_lexeme_are_one_posting():
    whole, _ = bm25([posting("pool", (1, 1, 100), (2, 2, 100))], {"pool": 1.0}, CORPUS, DEFAULT)
    apart = bm25([posting("pool", (1, 1, 100)), posting("pool", (2, 2, 100))], {"pool": 1.0}, CORPUS, DEFAULT)
    assert apart[0].tolist() == whole.tolist() == [2, 1]


def test_equal_scores_come_in_the_order_of_their_ids():
    ids, _ = bm25([posting("pool", (9, 1, 10), (4, 1, 10), (6, 1, 10))], {"pool": 1.0}, CORPUS, DEFAULT)
    assert ids.tolist() == [4, 6, 9]


def test_no_posting_gives_no_chunk():
    ids, scores = bm25([], {"pool": 1.0}, Corpus(0, 0), DEFAULT)
    assert ids.size == scores.size == 0


def test_a_word_in_more_chunks_than_are_counted_does_not_break_the_sum():
    _, scores = bm25([posting("the", *((i, 1, 1) for i in range(10)))], {"the": 1.0}, Corpus(2, 2), DEFAULT)
    assert (scores >= 0).all()


def test_related_forms_are_looked_up_with_less_weight():
    weights = query_weights(parse("parsing"), replace(DEFAULT, related_form=0.25))
    assert weights["parsing"] == 1.0
    assert weights["parse"] == 0.25


def test_a_word_that_is_another_ones_form_keeps_its_full_weight():
    assert query_weights(parse("parse parsing"), DEFAULT)["parse"] == 1.0


def test_fusion_gives_each_score_as_a_share_of_the_best_of_its_kind():
    one, two, three = (ChunkKey(1, i) for i in range(3))
    fused = fuse({one: 8.0, two: 4.0}, {two: 0.5, three: -0.1})
    assert fused[one] == (1.0, 0.0)
    assert fused[two] == (0.5, 1.0)
    assert fused[three] == (0.0, 0.0)


def test_fusion_of_nothing_is_nothing_and_of_zeros_zero():
    assert fuse({}, {}) == {}
    assert fuse({}, {ChunkKey(1, 1): 0.0}) == {ChunkKey(1, 1): (0.0, 0.0)}
