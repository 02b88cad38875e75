"""What a query is understood to ask."""

from __future__ import annotations

import pytest

from packhorse.errors import InvalidInputError
from packhorse_search.inflection import related_forms
from packhorse_search.kinds import FileKind, file_kind
from packhorse_search.query import parse

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SessionPool", "symbol"),
        ("open_pool()", "symbol"),
        ("valid?", "symbol"),
        ("Database.open", "qualified"),
        ("std::vector::push_back", "qualified"),
        ("where are sessions closed", "sentence"),
        ("sessions", "symbol"),
        ("TypeError: 'NoneType' object is not iterable", "error"),
        ("fatal: not a git repository", "error"),
        ("how is a TypeError raised", "sentence"),
    ],
)
def test_the_kind_of_a_query_is_read_from_its_form(text, kind):
    assert parse(text).kind == kind


def test_words_that_every_question_contains_do_not_count():
    assert parse("how does the pool open a connection").words == ("pool", "open", "connection")


def test_a_query_of_nothing_but_such_words_keeps_them():
    assert parse("what is this").words == ("what", "is", "this")


def test_an_identifier_counts_whole_and_in_parts():
    assert parse("parseHeader").words == ("parseheader", "parse", "header")


def test_names_in_a_sentence_are_what_is_written_like_one():
    assert parse("How does HTTPServer call parse_header in the Router").names == (
        "HTTPServer",
        "parse_header",
        "Router",
    )
    assert parse("where the router calls the server").names == ()


def test_the_last_part_of_a_qualified_name_is_what_is_asked_for():
    assert parse("Database.open").names == ("open",)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("what does `drain` wait for", ("drain",)),
        ("what calls `pool.acquire()`?", ("acquire",)),
        ("def drain", ("drain",)),
        ("drain method", ("drain",)),
        ("where is drain defined?", ("drain",)),
        ("definition of drain", ("drain",)),
        ("how Pool.acquire waits", ("Pool", "acquire")),
        ("how fmt::print formats", ("print",)),
        ("function composition utility", ()),
        ("method for draining", ()),
        ("use of `-- %%`", ()),
    ],
)
def test_a_plain_word_is_a_name_where_only_a_name_stands(text, names):
    assert parse(text).names == names


@pytest.mark.parametrize("text", ["where are routes kept in the RoutesBuilder?", "RoutesBuilder?"])
def test_the_mark_of_a_question_may_be_no_part_of_the_name_at_its_end(text):
    assert parse(text).names == ("RoutesBuilder?", "RoutesBuilder")


def test_a_query_that_names_a_kind_of_file_wants_it():
    assert FileKind.TEST in parse("tests of the session pool").wanted
    assert parse("the session pool").wanted == frozenset()


@pytest.mark.parametrize("text", ["", "   ", "?!…", "()", "\0\0", "\ud800"])
def test_a_query_without_a_word_is_refused_with_what_to_do(text):
    with pytest.raises(InvalidInputError, match="Ask in words"):
        parse(text)


def test_a_query_that_is_too_long_is_refused_with_its_length():
    assert parse("ab " * 166 + "ab")
    with pytest.raises(InvalidInputError, match="501"):
        parse("b" * 501)


def test_nul_and_lone_surrogates_are_passed_over():
    assert parse("open\0pool \udc80now").words == ("open", "pool", "now")


@pytest.mark.parametrize(
    ("word", "form"),
    [("parsing", "parse"), ("routes", "route"), ("mapping", "map"), ("queries", "query"), ("parse", "parser")],
)
def test_a_word_is_found_in_its_other_forms(word, form):
    assert form in related_forms(word)
    assert word not in related_forms(word)


@pytest.mark.parametrize("word", ["tls", "utf8", "größe", "x"])
def test_abbreviations_and_what_is_no_english_word_have_no_other_forms(word):
    assert related_forms(word) == frozenset()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("src/pool.py", FileKind.SOURCE),
        ("src/latest.py", FileKind.SOURCE),
        ("src/contest/inspect.py", FileKind.SOURCE),
        ("tests/unit/pool.py", FileKind.TEST),
        ("pkg/pool_test.go", FileKind.TEST),
        ("src/pool.spec.ts", FileKind.TEST),
        ("src/PoolTest.java", FileKind.TEST),
        ("src/Test.java", FileKind.TEST),
        ("examples/tests/pool.py", FileKind.TEST),
        ("examples/pool.py", FileKind.EXAMPLE),
        ("vendor/lib/tests/a.c", FileKind.VENDORED),
        ("web/node_modules/a/index.js", FileKind.VENDORED),
        ("proto/pool_pb2.py", FileKind.GENERATED),
        ("dist/app.min.js", FileKind.GENERATED),
        ("package-lock.json", FileKind.GENERATED),
        ("src/_compat.py", FileKind.LEGACY),
        ("t/t4018-funcname.sh", FileKind.TEST),
        ("t/helper/test-date.c", FileKind.TEST),
        ("test-utils/src/Pool.java", FileKind.TEST),
        ("pkg/integration_test/pool.go", FileKind.TEST),
        ("e2e/pool.ts", FileKind.TEST),
        ("oss-fuzz/fuzz-config.c", FileKind.TEST),
        ("lib/test_pool.rb", FileKind.TEST),
        ("lib/test_functions.bash", FileKind.SOURCE),
        ("watchOS Example/Networking.swift", FileKind.EXAMPLE),
        ("jmh-benchmarks/src/Pool.java", FileKind.EXAMPLE),
        ("packages/bench/array.ts", FileKind.EXAMPLE),
        ("src/workbench/pool.ts", FileKind.SOURCE),
        ("deps/lua/src/lua.c", FileKind.VENDORED),
        ("app/api/deps/session.py", FileKind.SOURCE),
        ("README.md", FileKind.DOCUMENTATION),
        ("LICENSE", FileKind.DOCUMENTATION),
        ("LICENSE-MIT", FileKind.DOCUMENTATION),
        ("README.SETUP", FileKind.DOCUMENTATION),
        ("src/readme.ts", FileKind.SOURCE),
        ("lib/ecto/changeset.ex", FileKind.SOURCE),
        ("internal/plans/changes.go", FileKind.SOURCE),
        ("man/man1/pool.1", FileKind.DOCUMENTATION),
        ("CMakeLists.txt", FileKind.CONFIGURATION),
        ("requirements-dev.txt", FileKind.CONFIGURATION),
        ("packages/client/vitest.config.ts", FileKind.CONFIGURATION),
        ("src/config.ts", FileKind.SOURCE),
        ("docs/openapi.yaml", FileKind.CONFIGURATION),
        (".github/workflows/ci.yml", FileKind.CONFIGURATION),
        (".editorconfig", FileKind.CONFIGURATION),
        ("src/pool/__init__.py", FileKind.REEXPORT),
        ("src/pool/index.ts", FileKind.REEXPORT),
    ],
)
def test_the_kind_of_a_file_is_read_from_its_path(path, kind):
    assert file_kind(path) is kind
