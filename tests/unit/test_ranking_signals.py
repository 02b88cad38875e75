"""Ranking over plain candidates: each signal, and what lifts it."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest

from packhorse_search.candidates import Candidate, Definition, File, PathStatistics
from packhorse_search.definitions import definition_strength
from packhorse_search.fuse import Evidence
from packhorse_search.kinds import FileKind
from packhorse_search.query import parse
from packhorse_search.rank import Ranking, rank
from packhorse_search.weights import DEFAULT

pytestmark = pytest.mark.unit

REPOSITORY = UUID(int=1)
STATISTICS = PathStatistics(files=100, frequencies={"pool": 3, "src": 90})


def candidate(
    path: str,
    *,
    chunk_id: int = 1,
    words: float = 0.5,
    meaning: float = 0.5,
    definitions: tuple[tuple[str, str], ...] = (),
    content: str = "",
    symbol: str | None = None,
    scope: str | None = None,
) -> Candidate:
    return Candidate(
        pool_id=1,
        chunk_id=chunk_id,
        file=File(REPOSITORY, path, "python", 1),
        kind="function",
        symbol=symbol,
        scope=scope,
        start_line=chunk_id,
        end_line=chunk_id,
        hash=bytes([chunk_id]),
        words=words,
        meaning=meaning,
        definitions=tuple(Definition(*definition) for definition in definitions),
        content=content,
    )


def ranked(query: str, *candidates: Candidate) -> Ranking:
    """Rank candidates whose words and meaning are shares already."""
    evidence = Evidence(np.array([one.words for one in candidates]), np.array([one.meaning for one in candidates]))
    return rank(parse(query), candidates, evidence, STATISTICS, DEFAULT)


def order(query: str, *candidates: Candidate) -> list[str]:
    return [candidate.file.path for candidate in ranked(query, *candidates).ordered]


def test_nothing_ranks_to_nothing():
    assert list(ranked("pool")) == []


def test_more_evidence_ranks_higher_and_scores_stay_within_bounds():
    weak, strong = candidate("a.py", words=0.2), candidate("b.py", words=1.0, meaning=1.0)
    entries = ranked("connection", weak, strong)
    assert [entry.candidate for entry in entries] == [strong, weak]
    assert all(0 <= entry.score <= 1 for entry in entries)


def test_the_definition_comes_before_a_better_matching_use():
    use = candidate("use.py", words=1.0, meaning=0.6)
    definition = candidate("made.py", chunk_id=2, words=0.6, meaning=0.6, definitions=(("SessionPool", "class"),))
    assert order("SessionPool", use, definition) == ["made.py", "use.py"]


def test_a_member_of_what_the_query_names_comes_before_one_of_something_else():
    other = candidate("a.py", symbol="close", scope="Task", definitions=(("close", "method"),))
    own = candidate("z.py", chunk_id=2, symbol="close", scope="Pool", definitions=(("close", "method"),))
    assert order("Pool.close", other, own) == ["z.py", "a.py"]
    assert order("close", other, own) == ["a.py", "z.py"]


def test_a_long_name_is_found_where_it_is_defined_however_well_its_parts_match_elsewhere():
    parts = candidate("pool/open_all.py", words=1.0, meaning=1.0)
    definition = candidate("a.py", chunk_id=2, definitions=(("open_all_pools", "function"),))
    assert order("open_all_pools", parts, definition)[0] == "a.py"


def test_what_most_of_the_query_stands_in_word_for_word_comes_first():
    about = candidate("about.py", words=0.6, meaning=1.0, content="the pool is closed, so no connection is open")
    prints = candidate("z.py", chunk_id=2, content='raise Closed(f"no connection in pool {name} is left")')
    assert order("Error: no connection in pool main", about, prints) == ["z.py", "about.py"]
    entry = ranked("no connection in pool", prints)[0]
    assert entry.signals["word for word"] == pytest.approx(DEFAULT.verbatim)
    assert "word for word" not in ranked("Pool", prints)[0].signals


def test_a_symbol_of_several_words_that_the_query_names_counts_for_itself():
    whole = candidate("a.py", symbol="isHostInNoProxy")
    half = candidate("z.py", chunk_id=2, symbol="parseProxyAddressHost")
    first, second = ranked("hosts excluded by no proxy list", half, whole)
    assert first.candidate is whole
    assert first.signals["symbol"] > second.signals["symbol"]


def test_a_file_named_by_the_query_comes_first():
    assert order("how the pool grows", candidate("src/other.py"), candidate("src/pool.py")) == [
        "src/pool.py",
        "src/other.py",
    ]


def test_a_rare_word_in_a_path_counts_more_than_one_that_every_path_has():
    assert order("src pool", candidate("src/x.py"), candidate("lib/pool.py"))[0] == "lib/pool.py"


def test_a_file_whose_other_chunks_match_too_comes_first():
    lone = candidate("lone.py", words=0.6)
    company = [candidate("company.py", chunk_id=i, words=0.5) for i in (2, 3, 4)]
    assert order("connection", lone, *company)[0] == "company.py"


def test_results_spread_over_files_but_none_is_lost():
    many = [candidate("many.py", chunk_id=i, words=1.0, meaning=0.9) for i in (1, 2, 3)]
    other = candidate("other.py", chunk_id=4, words=0.8, meaning=0.8)
    assert order("connection", *many, other) == ["many.py", "other.py", "many.py", "many.py"]


@pytest.mark.parametrize("path", ["tests/a.py", "examples/a.py", "vendor/a.py", "a_pb2.py", "docs/a.md", "a.yml"])
def test_what_is_not_source_ranks_lower(path):
    assert order("connection", candidate(path), candidate("z.py"))[0] == "z.py"


def test_a_query_that_asks_for_tests_gets_them():
    entries = (candidate("tests/pool.py"), candidate("src/pool.py", words=0.45))
    assert order("tests of the pool", *entries)[0] == "tests/pool.py"
    assert order("the pool", *entries)[0] == "src/pool.py"


def test_tests_within_a_source_file_rank_as_tests_and_the_source_does_not():
    inline = candidate("pool.rs", chunk_id=1, words=0.6, scope="tests")
    source = candidate("pool.rs", chunk_id=2)
    [first, second] = ranked("open the pool", inline, source)
    assert (first.candidate, second.candidate) == (source, inline)
    assert (first.kind, second.kind) == (FileKind.SOURCE, FileKind.TEST)
    assert ranked("test of the pool", inline, source)[0].candidate == inline
    assert ranked("the pool", candidate("a.py", symbol="test"))[0].kind is FileKind.SOURCE


def test_the_signals_say_what_the_score_was_summed_from():
    entry = ranked("SessionPool", candidate("pool.py", symbol="SessionPool"))[0]
    assert entry.signals["words"] == pytest.approx(DEFAULT.lexical * 0.5)
    assert {"meaning", "symbol", "path"} <= entry.signals.keys()
    assert "definition" not in entry.signals


@pytest.mark.parametrize(
    "line",
    [
        "class Pool(Base):",
        "pub trait Pool<T>: Sized {",
        "export default async function Pool() {",
        "func (s *Server) Pool() error {",
        "defmodule App.Pool do",
        "fun <T> List<T>.Pool(): Int = 1",
        "#define Pool 4",
        "newtype Pool a = Pool a",
        "Pool :: Int -> Int",
        "Pool() {",
        "  Pool = async (size) => size",
        "static CURLcode Pool(struct data *d)",
        "    public static Task<int> Pool(int size)",
        "local function Pool()",
        "const Pool = 4",
        "struct Pool final : Base {",
        "var Pool *sync.Pool",
        "struct Pool;",
    ],
)
def test_a_definition_is_recognised_by_its_text_in_any_language(line):
    assert definition_strength(("Pool",), candidate("a.x", content=f"// text\n{line}\n  body\n")) > 0


@pytest.mark.parametrize(
    "line",
    [
        "return Pool(4)",
        "x = Pool(4)",
        "impl Clone for Pool {",
        "import Pool",
        "await Pool()",
        "// the Pool (of all)",
        "new Pool(1)",
        "static Pool *open(void) {",
        "struct Pool shared;",
        "    struct Pool *next;",
        "void close(struct Pool *pool) {",
        "void close(const Pool *pool) {",
    ],
)
def test_a_use_is_no_definition(line):
    assert definition_strength(("Pool",), candidate("a.x", content=f"{line}\n")) == 0


def test_a_type_is_a_stronger_definition_than_a_value_and_the_same_case_than_another():
    def strength(name: str, kind: str) -> float:
        return definition_strength(("Pool",), candidate("a.py", definitions=((name, kind),)))

    assert strength("Pool", "class") > strength("Pool", "function") > strength("Pool", "variable") > 0
    assert strength("Pool", "class") > strength("pool", "class") > 0
    assert strength("App.Pool", "module") == strength("Pool", "module")
    assert strength("Other", "class") == 0
