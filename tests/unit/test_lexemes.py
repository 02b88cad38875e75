"""Lexemes: the words that chunks, paths and queries have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse_indexing import lexemes as module
from packhorse_indexing.lexemes import counts, lexemes, path_lexemes

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("parseHTTPHeader", ["parsehttpheader", "parse", "http", "header"]),
        ("snake_case_name", ["snake_case_name", "snake", "case", "name"]),
        ("SCREAMING_CASE", ["screaming_case", "screaming", "case"]),
        ("sha256sum", ["sha256sum", "sha", "256", "sum"]),
        ("__init__", ["init"]),
        ("_private", ["private"]),
        ("simple", ["simple"]),
        ("x = i + 1", []),
        ("x1", ["x1"]),
        ("a.b.method()", ["method"]),
        ("kebab-case", ["kebab", "case"]),
        ("größeÄnderung", ["größeänderung", "größe", "änderung"]),
        ("ПарсерHTTP", ["парсерhttp", "парсер", "http"]),
        ("cafe\u0301", ["café"]),
        ("ﬁle", ["file"]),
        ("データ", ["データ", "デー", "ータ"]),
        ("税", ["税"]),
        ("日本_名前", ["日本_名前", "日本", "名前"]),
        ("version2名前", ["version2名前", "version", "名前"]),
        ("404 not", ["404", "not"]),
        ("1" * 17, []),
        ("__", []),
        ("", []),
    ],
)
def test_an_identifier_counts_whole_and_in_parts(text: str, expected: list[str]) -> None:
    assert lexemes(text) == expected


def test_order_and_repetitions_are_kept() -> None:
    assert lexemes("open close open") == ["open", "close", "open"]
    assert counts("openFile open") == {"openfile": 1, "open": 2, "file": 1}


def test_a_long_word_counts_by_its_parts_only_and_a_very_long_one_not_at_all() -> None:
    word = "parse" + "Internationalization" * 3
    assert lexemes(word)[0] == "parse"
    assert all(len(lexeme) <= module.MAX_LEXEME for lexeme in lexemes(word))
    assert lexemes("x" * 300) == []


@pytest.mark.parametrize("word", ["x" * 65, "x" * 300, "1" * 17, "ﬁle", "getItemsOf" + "X" * 60])
def test_a_chunk_with_a_word_that_no_lexeme_holds_as_written_says_so_once(word: str) -> None:
    assert counts(f"{word} {word}")[module.PARTIAL] == 1
    assert module.PARTIAL not in lexemes(word)


def test_what_the_lexemes_hold_is_not_partial() -> None:
    assert module.PARTIAL not in counts("parseHTTPHeader_v2 größe 1234567890123456 _x_ データ " + "y" * 64)


def test_a_hash_counts_whole_instead_of_shattering() -> None:
    revision = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0"
    assert lexemes(revision) == [revision]


def test_a_path_gives_its_distinct_words_in_order() -> None:
    assert path_lexemes("src/http/httpServer.test.ts") == ["src", "http", "httpserver", "server", "test", "ts"]


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHE_ENTRIES", 3)
    monkeypatch.setattr(module, "_cache", {})
    assert lexemes("one two three four five") == ["one", "two", "three", "four", "five"]
    assert len(module._cache) <= 3


@given(st.text(max_size=200))
def test_any_text_gives_short_lower_case_words_the_same_each_time(text: str) -> None:
    found = lexemes(text)
    assert found == lexemes(text)
    assert sum(count for lexeme, count in counts(text).items() if lexeme != module.PARTIAL) == len(found)
    assert all(0 < len(lexeme) <= module.MAX_LEXEME and lexeme == lexeme.lower() for lexeme in found)


@given(st.from_regex(r"[a-z]{2,8}(_[a-z]{2,8}){1,3}", fullmatch=True))
def test_a_query_for_one_part_meets_the_identifier(name: str) -> None:
    assert set(name.split("_")) <= set(lexemes(name))
