"""Patterns: what every match contains, that no candidate is lost by it, and what a pattern may cost."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.errors import InvalidInputError
from packhorse_indexing.lexemes import PARTIAL, counts
from packhorse_search.lookup import vocabulary
from packhorse_search.lookup.literals import MAX_ALTERNATIVES, Piece
from packhorse_search.lookup.pattern import MAX_STEPS, Pattern, parse
from packhorse_search.lookup.syntax import Edge

pytestmark = pytest.mark.unit

CLOSED, ASCII, OPEN = Edge.CLOSED, Edge.ASCII, Edge.OPEN


def pieces(pattern: str, **options: bool) -> list[set[tuple[str, Edge, Edge]]]:
    return [
        {(piece.text, piece.left, piece.right) for piece in group}
        for group in parse(pattern, **options).required.pieces
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("acquire", [{("acquire", OPEN, OPEN)}]),
        (r"acquire\(", [{("acquire", OPEN, CLOSED)}]),
        (r"\bacquire\b", [{("acquire", ASCII, ASCII)}]),
        ("^def open$", [{("def", CLOSED, CLOSED)}, {("open", CLOSED, CLOSED)}]),
        (r"def\s+open", [{("def", OPEN, CLOSED)}, {("open", CLOSED, OPEN)}]),
        (r"def\s*open", [{("def", OPEN, OPEN)}, {("open", OPEN, OPEN)}]),
        (r"def\Wopen", [{("def", OPEN, ASCII)}, {("open", ASCII, OPEN)}]),
        ("get|set", [{("get", OPEN, OPEN), ("set", OPEN, OPEN)}]),
        ("(?:get|)name", [{("name", OPEN, OPEN)}]),
        ("(get|set)_name", [{("get", OPEN, OPEN), ("set", OPEN, OPEN)}, {("_name", OPEN, OPEN)}]),
        ("fo+bar", [{("fo", OPEN, OPEN)}, {("bar", OPEN, OPEN)}]),
        ("colou?r", [{("colo", OPEN, OPEN)}, {("r", OPEN, OPEN)}]),
        ("a{0,2}bc", [{("bc", OPEN, OPEN)}]),
        ("(foo){2}?x", [{("foo", OPEN, OPEN)}, {("x", OPEN, OPEN)}]),
        ("(?P<name>foo)(?<other>bar)", [{("foobar", OPEN, OPEN)}]),
        ("(?i)foo", [{("foo", OPEN, OPEN)}]),
        ("(?i:foo)bar", [{("foobar", OPEN, OPEN)}]),
        ("[f]oo[.]bar", [{("foo", OPEN, CLOSED)}, {("bar", CLOSED, OPEN)}]),
        ("foo[ (]bar", [{("foo", OPEN, CLOSED)}, {("bar", CLOSED, OPEN)}]),
        ("foo[+--]bar[^ ]x", [{("foo", OPEN, OPEN)}, {("bar", OPEN, OPEN)}, {("x", OPEN, OPEN)}]),
        ("foo[[:space:]]bar", [{("foo", OPEN, OPEN)}, {("bar", OPEN, OPEN)}]),
        ("[]a]foo", [{("foo", OPEN, OPEN)}]),
        (r"foo[\]x]bar", [{("foo", OPEN, OPEN)}, {("bar", OPEN, OPEN)}]),
        (r"\Qa.b*\Ec", [{("a", OPEN, CLOSED)}, {("b", CLOSED, CLOSED)}, {("c", CLOSED, OPEN)}]),
        (r"\Qfoo", [{("foo", OPEN, OPEN)}]),
        (r"foo\tbar", [{("foo", OPEN, CLOSED)}, {("bar", CLOSED, OPEN)}]),
        (r"\x41foo\x{42}bar\pLx\p{Greek}y\101z\dw", [
            {("foo", OPEN, OPEN)}, {("bar", OPEN, OPEN)}, {("x", OPEN, OPEN)}, {("y", OPEN, OPEN)}, {("z", OPEN, OPEN)},
            {("w", OPEN, OPEN)},
        ]),
        ("naïve", [{("na", OPEN, OPEN)}, {("ve", OPEN, OPEN)}]),
        ("a{,3}b{x", [{("b", OPEN, CLOSED)}, {("x", CLOSED, OPEN)}]),
        (".*", []),
        ("x|.", []),
    ],
)  # fmt: skip
def test_the_words_that_every_match_contains(pattern: str, expected: list[set[tuple[str, Edge, Edge]]]) -> None:
    assert pieces(pattern) == expected


def test_a_word_by_itself_is_closed_and_a_literal_is_taken_as_it_is() -> None:
    assert pieces("open", word=True) == [{("open", CLOSED, CLOSED)}]
    assert pieces("a|b[c](x)+", literal=True)[-1] == {("x", CLOSED, CLOSED)}
    assert parse("a|b", literal=True).required.run == "a|b"


def test_a_choice_among_too_many_words_says_nothing() -> None:
    assert pieces("|".join(f"word{chr(97 + i)}" for i in range(MAX_ALTERNATIVES + 1))) == []


def test_the_longest_text_is_required_exactly_unless_case_is_ignored() -> None:
    assert parse(r"\w+ => \{ x").required.run == " => { x"
    assert parse("(?i)foo => {").required.run == ""
    assert parse("=> {", ignore_case=True).required.run == "=> {"


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="nests deeper"):
        parse("(" * 230 + "a" + ")" * 230)


def hit_lines(pattern: Pattern, text: str) -> list[int]:
    return [hit.line for hit in pattern.hits(text.encode())]


def test_lines_are_counted_and_cut_as_grep_does() -> None:
    text = "one\ntwo one\n\nthree"
    assert hit_lines(parse("one"), text) == [0, 1]
    assert hit_lines(parse("^$"), text) == [2]
    assert hit_lines(parse("$"), text) == [0, 1, 2, 3]
    assert hit_lines(parse("x*"), "a\nb\n") == [0, 1]
    assert hit_lines(parse(r"one\s+two"), "one\ntwo\n") == []
    assert hit_lines(parse("[^a]two"), "one\ntwo\n") == []
    [_, hit] = parse("one").hits(text.encode())
    assert (hit.text, hit.start, hit.end) == (b"two one", 4, 7)


def test_a_word_is_not_part_of_another_in_any_script() -> None:
    word = parse("foo", word=True)
    assert hit_lines(word, "foo\n(foo)\nfoobar\néfoo\nfoo\u0301\n→foo\nx foo y") == [0, 1, 5, 6]
    assert word.spans("a foo, foo") == [(2, 5), (7, 10)]
    assert parse("o+").spans("foo") == [(1, 3)]


WORDS = st.sampled_from(
    ["foo", "foo_bar", "_foo", "getHTTP", "x", "a1", "1" * 17, "é", "cafe\u0301", "\u212afoo", "\ufb01le", "foo" * 30]
)
SEPARATORS = st.sampled_from([" ", ".", "(", "\n", "", "_", "→", "-", "\t"])
TEXTS = st.lists(st.tuples(WORDS, SEPARATORS), max_size=6).map(
    lambda parts: "".join(word + separator for word, separator in parts)
)
ATOMS = st.sampled_from(
    ["foo", "fo", "o", "_bar", "bar", "get", "http", "1", r"\b", "^", "$", r"\s", r"\W", r"\w", ".", " ", r"\(", r"\.",
     "[f]", "[fg]", "[ .]", "[^o]", "é", "e", "k", "file", "[[:alpha:]]"]
)  # fmt: skip
QUANTIFIERS = st.sampled_from(["", "", "", "", "*", "+", "?", "{2}", "{0,1}", "+?"])
PATTERNS = st.recursive(
    st.tuples(ATOMS, QUANTIFIERS).map(
        lambda one: f"(?:{one[0]}){one[1]}" if one[1] and len(one[0]) > 1 else one[0] + one[1]
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: f"({'|'.join(branches)})"),
    ),
    max_leaves=6,
)


def is_candidate(pattern: Pattern, text: str) -> bool:
    """Whether the index, as `narrow` asks it, offers a chunk of this text."""
    found = counts(text)
    words = ["\n".join(("", *found, "")).encode()]
    for group in pattern.required.pieces:
        if not vocabulary.is_telling(group):
            continue
        lexemes = vocabulary.lexemes_with(group, words)
        assert lexemes is not None
        if vocabulary.may_be_partial(group):
            lexemes.add(PARTIAL)
        if not lexemes & found.keys():
            return False
    return pattern.required.run in text


@given(PATTERNS, TEXTS, st.booleans(), st.booleans())
def test_a_chunk_that_matches_is_always_a_candidate(pattern: str, text: str, ignore_case: bool, word: bool) -> None:
    try:
        asked = parse(pattern, ignore_case=ignore_case, word=word)
    except InvalidInputError:
        return
    if hit_lines(asked, text):
        assert is_candidate(asked, text)


@given(PATTERNS, TEXTS)
def test_the_lines_are_those_that_a_plain_scan_with_re_finds(pattern: str, text: str) -> None:
    text = "".join(one for one in text if one.isascii())
    try:
        asked = parse(pattern)
        plain = re.compile(pattern.replace("[[:alpha:]]", "[a-zA-Z]"), re.ASCII)
    except (InvalidInputError, re.error):
        return
    lines = text.removesuffix("\n").split("\n") if text else []
    assert hit_lines(asked, text) == [number for number, line in enumerate(lines) if plain.search(line)]


@given(st.text(max_size=12), st.text(max_size=40))
def test_a_literal_is_found_wherever_it_is(pattern: str, text: str) -> None:
    if not pattern or {"\n", "\0"} & set(pattern) or pattern.encode("utf-8", "ignore").decode() != pattern:
        return
    text = f"{text}{pattern}".encode("utf-8", "ignore").decode()
    asked = parse(pattern, literal=True)
    lines = text.removesuffix("\n").split("\n")
    assert hit_lines(asked, text) == [number for number, line in enumerate(lines) if pattern in line]
    assert is_candidate(asked, text)


@pytest.mark.parametrize("pattern", ["(x+x+)+y", "(x|xx)+y", "(x*)*y", r"(.*)(.*)(.*)(.*)[^x]", "(x?){200}x{200}y"])
def test_no_pattern_takes_long_over_a_text_that_it_may_be_matched_with(pattern: str) -> None:
    asked = parse(pattern)
    text = b"x" * 1_000_000
    began = time.process_time()
    if asked.is_cheap(text):
        assert not list(asked.hits(text)) or pattern.endswith("[^x]")
    assert time.process_time() - began < 2


def test_a_text_is_too_long_for_an_intricate_pattern() -> None:
    intricate = parse(r"(.{1,200}){1,3}\d")
    assert not intricate.is_cheap(b"x" * 2_000_000)
    assert intricate.is_cheap(b"x" * 1_600)
    assert MAX_STEPS >= 1_600 * 20_000


def test_the_lexemes_with_a_piece() -> None:
    words = [b"\nacquire\nacquire_session\nreacquire\nsession\n"]
    found = vocabulary.lexemes_with([Piece("acquire", OPEN, CLOSED)], words)
    assert found == {"acquire", "reacquire"}
    assert vocabulary.lexemes_with([Piece("_acquire", CLOSED, OPEN)], words) == {"acquire", "acquire_session"}
    assert vocabulary.lexemes_with([Piece("session", CLOSED, CLOSED)], []) == {"session"}
    assert vocabulary.lexemes_with([Piece("x" * 70, CLOSED, CLOSED)], words) == set()


def test_a_piece_in_too_many_lexemes_tells_nothing() -> None:
    many = ["".join(f"\nword{i}" for i in range(vocabulary.MAX_LEXEMES + 1)).encode() + b"\n"]
    assert vocabulary.lexemes_with([Piece("word", OPEN, OPEN)], many) is None
    assert not vocabulary.is_telling([Piece("wo", OPEN, OPEN)])
    assert not vocabulary.is_telling([Piece("__", CLOSED, CLOSED)])
