"""BM25 and fusion over plain arrays."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from packhorse_search.fuse import shares
from packhorse_search.lexical import Corpus, Postings, best, bm25, query_weights
from packhorse_search.query import parse
from packhorse_search.weights import DEFAULT

pytestmark = pytest.mark.unit

CORPUS = Corpus(chunks=100, length=10_000)


def postings(*rows: tuple[str, list[tuple[int, int, int]]]) -> Postings:
    """The postings of rows of (lexeme, its (chunk id, frequency, length)), through the packed form."""
    entries = [entry for _, row in rows for entry in row]
    ids, frequencies, lengths = zip(*entries, strict=True) if entries else ((), (), ())
    return Postings.unpack(
        [lexeme for lexeme, _ in rows],
        [len(row) for _, row in rows],
        np.array(ids, "<i4").tobytes(),
        np.array(frequencies, "u1").tobytes(),
        np.array(lengths, "<u2").tobytes(),
    )


def ranked(found: Postings, query: dict[str, float], corpus: Corpus = CORPUS) -> tuple[list[int], list[float]]:
    """The chunks that the query finds and their scores, best first."""
    ids, scores = best(*bm25(found, query, corpus, DEFAULT), 1000)
    return ids.tolist(), scores.tolist()


def test_a_score_is_the_textbook_formula():
    ids, scores = ranked(postings(("pool", [(7, 3, 50)])), {"pool": 1.0})
    idf = math.log(1 + (100 - 1 + 0.5) / (1 + 0.5))
    norm = DEFAULT.bm25_k1 * (1 - DEFAULT.bm25_b + DEFAULT.bm25_b * 50 / 100)
    assert ids == [7]
    assert scores[0] == pytest.approx(idf * 3 * (DEFAULT.bm25_k1 + 1) / (3 + norm))


def test_rare_words_count_more_and_scores_add_up():
    found = postings(("pool", [(i, 1, 100) for i in range(50)]), ("socket", [(3, 1, 100), (60, 1, 100)]))
    ids, scores = ranked(found, {"pool": 1.0, "socket": 1.0})
    assert ids[:2] == [3, 60]
    assert len(ids) == 51
    assert scores == sorted(scores, reverse=True)


def test_the_segments_of_a_lexeme_are_one_posting():
    whole = ranked(postings(("pool", [(1, 1, 100), (2, 2, 100)])), {"pool": 1.0})
    apart = ranked(postings(("pool", [(1, 1, 100)]), ("pool", [(2, 2, 100)])), {"pool": 1.0})
    assert apart == whole
    assert whole[0] == [2, 1]


def test_equal_scores_come_in_the_order_of_their_ids():
    assert ranked(postings(("pool", [(9, 1, 10), (4, 1, 10), (6, 1, 10)])), {"pool": 1.0})[0] == [4, 6, 9]


def test_the_best_are_those_of_a_whole_ranking():
    ids = np.arange(500, dtype=np.int32)
    scores = np.random.default_rng(4).integers(0, 40, 500).astype(np.float32)
    whole, _ = best(ids, scores, 500)
    for limit in (1, 7, 200, 499, 600):
        few, their_scores = best(ids, scores, limit)
        assert few.tolist() == whole[:limit].tolist()
        assert their_scores.tolist() == scores[few].tolist()


def test_no_posting_gives_no_chunk():
    assert ranked(postings(), {"pool": 1.0}, Corpus(0, 0)) == ([], [])


def test_a_word_in_more_chunks_than_are_counted_does_not_break_the_sum():
    _, scores = ranked(postings(("the", [(i, 1, 1) for i in range(10)])), {"the": 1.0}, Corpus(2, 2))
    assert all(score >= 0 for score in scores)


def test_related_forms_are_looked_up_with_less_weight():
    weights = query_weights(parse("parsing"), replace(DEFAULT, related_form=0.25))
    assert weights["parsing"] == 1.0
    assert weights["parse"] == 0.25


def test_a_word_that_is_another_ones_form_keeps_its_full_weight():
    assert query_weights(parse("parse parsing"), DEFAULT)["parse"] == 1.0


def test_fusion_gives_each_score_as_a_share_of_the_best_of_its_kind():
    assert shares([8.0, 4.0, 0.0]).tolist() == [1.0, 0.5, 0.0]
    assert shares([0.5, -0.1]).tolist() == [1.0, 0.0]


def test_fusion_of_nothing_is_nothing_and_of_zeros_zero():
    assert shares([]).tolist() == []
    assert shares([0.0, -1.0]).tolist() == [0.0, 0.0]
