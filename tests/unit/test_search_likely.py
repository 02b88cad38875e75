"""Finding the texts that may hold a word of a query without cutting every text into its words."""

from __future__ import annotations

import pytest

from packhorse_indexing.lexemes import lexemes
from packhorse_search.likely import hits, likely, probes
from packhorse_search.query import parse

pytestmark = pytest.mark.unit


def test_what_a_word_and_its_forms_begin_with_stands_for_all_of_them():
    assert probes({"parse": frozenset({"parsing", "parser"})}) == ("pars",)
    assert probes({"io": frozenset()}) == ("io",)
    assert set(probes({"map": frozenset({"remap", "maps"})})) == {"map", "remap", "maps"}


@pytest.mark.parametrize(
    "query", ["parse the routes", "how are tries retried", "HTTPServer.close", "größe prüfen", "读取 文件"]
)
def test_no_text_with_a_word_of_the_query_is_missed(query):
    asked = parse(query)
    texts = [f"def {form}_it(x):" for form in asked.vocabulary]
    texts += [form.upper() for form in asked.vocabulary] + ["nothing of it", ""]
    found = likely(asked.probes, texts)
    holds = {i for i, text in enumerate(texts) if not asked.vocabulary.keys().isdisjoint(lexemes(text))}
    assert holds <= found
    assert len(texts) - 1 not in found


def test_a_text_that_is_not_ascii_is_likely_as_its_words_may_be_written_otherwise():
    assert likely(("size",), ["plain", "\uff33ize", "sizes"]) == {1, 2}


def test_hits_counts_the_probes_that_a_text_holds_each_once():
    assert hits(("open", "pool", "none"), ["Open the POOL, open it", "a pool", ""]) == [2, 1, 0]
