"""What a reader is shown of a chunk."""

from __future__ import annotations

from typing import Any

import pytest

from packhorse_search import present
from packhorse_search.answer import OUTPUT_SCHEMA, SearchAnswer, SearchResult, TaskLink
from packhorse_search.context_lines import Span, read, wanted_spans
from packhorse_search.excerpt import MAX_LINE, excerpt, shown_lines, tokens
from packhorse_search.store import LinesRow

pytestmark = pytest.mark.unit


def result(**changes: object) -> SearchResult:
    fields = {
        "chunk_id": "1",
        "repository": "app",
        "file_path": "a.py",
        "start_line": 1,
        "end_line": 1,
        "symbol": None,
        "language": "python",
        "similarity_score": 0.5,
        "why": "words",
        "content": "x = 1",
        "context_before": "",
        "context_after": "",
    }
    return SearchResult.model_validate(fields | changes)


def answer(*results: SearchResult, warnings: tuple[str, ...] = ()) -> SearchAnswer:
    return SearchAnswer(
        results=list(results), total_count=7, latency_ms=1.0, index=["/app: 3 files"], warnings=list(warnings)
    )


def cut(content: str, start_line: int = 1, probes: tuple[str, ...] = (), **limits: Any) -> Any:
    return excerpt(content, start_line, probes, **{"lines": 100, "allowance": 1000} | limits)


def test_a_chunk_that_fits_is_shown_whole_but_for_the_blank_lines_around_it():
    assert cut("a\nb\n", 5) == ("a\nb", 5, 6, False)
    assert cut("\n\na\n\nb\n\n", 5) == ("a\n\nb", 7, 9, False)
    assert cut("\n\n", 5) == ("", 5, 5, False)


def test_windows_line_ends_are_not_shown():
    assert cut("a\r\nb\r\n").content == "a\nb"


@pytest.mark.parametrize("limit", [{"allowance": 30}, {"lines": 3}])
def test_a_chunk_that_does_not_fit_is_cut_to_the_lines_with_the_query_words(limit):
    lines = [f"line_{i} = {i}" for i in range(50)]
    lines[30] = "open session pool"
    found = cut("\n".join(lines), 101, ("session", "pool"), **limit)
    assert "open session pool" in found.content
    assert found.truncated
    assert found.content.split("\n") == lines[found.start_line - 101 : found.end_line - 100]
    assert tokens(found.content) <= 30


def test_of_one_line_the_definition_is_shown_and_no_comment_that_names_it():
    lines = ["# acquire takes a session of the pool", "def acquire(self):", "    return session.pool.wait()"]
    assert cut("\n".join(lines), 1, ("session", "pool"), lines=1, symbol="acquire").content == lines[1]
    assert cut("\n".join(lines), 1, ("session", "pool", "wait"), lines=1).content == lines[2]


def test_a_window_at_the_end_uses_what_is_left_before_it():
    lines = ["one"] * 9 + ["two"]
    assert cut("\n".join(lines), 1, ("two",), lines=4)[1:3] == (7, 10)


def test_without_any_of_the_words_the_beginning_is_shown():
    found = cut("\n".join("word" * 10 for _ in range(50)), 1, ("other",), allowance=60)
    assert found.start_line == 1
    assert found.end_line > 1


def test_one_line_is_shown_whatever_it_costs_and_a_long_one_is_cut():
    found = cut("x" * 10_000, allowance=1)
    assert found.start_line == found.end_line == 1
    assert len(found.content) == MAX_LINE + 2
    assert found.truncated


def test_hidden_characters_are_made_visible_and_tabs_are_kept():
    assert shown_lines("\ta\x1b[31m\u202eb\x00\n\u200bc") == "\ta\\x1b[31m\\u202eb\\x00\n\\u200bc"


def test_tokens_are_never_underestimated_for_other_scripts():
    assert tokens("検索する") >= 4
    assert tokens("") >= 0


def test_lines_around_a_chunk_are_put_together_from_its_neighbours():
    rows = [
        LinesRow(1, 1, 2, "a\nb\n"),
        LinesRow(1, 3, 3, "c\n"),
        LinesRow(2, 1, 3, "x\ny\nz\n"),
        LinesRow(1, 4, 5, "d\r\ne"),
    ]
    before, after = wanted_spans(1, 3, 3, 10)
    assert before == Span(1, 1, 2)
    assert read(before, rows) == "a\nb"
    assert read(after, rows) == "d\ne"


def test_before_the_first_line_there_is_nothing():
    before, _ = wanted_spans(1, 1, 4, 10)
    assert read(before, [LinesRow(1, 1, 4, "a\nb\nc\nd\n")]) == ""


def test_the_text_names_place_symbol_score_and_reasons():
    text = present.text(answer(result(symbol="Pool.open", context_before="before", context_after="after")))
    assert text.splitlines()[0].startswith("1 of 7 matches")
    assert "/app: 3 files" in text
    assert "1. a.py:1 | Pool.open | 0.50 | words" in text
    assert "```python\nbefore\nx = 1\nafter\n```" in text


def test_one_line_of_code_stands_in_the_line_of_its_place():
    part = result(start_line=7, end_line=7, chunk_lines=[3, 40], content="    a = `b` ")
    assert "1. a.py:7 of 3-40 | 0.50 | words | ``a = `b```" not in present.text(answer(part))
    assert present.text(answer(part)).endswith("1. a.py:7 of 3-40 | 0.50 | words | `` a = `b` ``")
    assert present.text(answer(result(content="x = 1"))).endswith("| `x = 1`")


def test_further_files_and_the_way_on_are_named():
    told = answer(result()).model_copy(update={"more": ["b.py:3 open", "c.py:1"], "next_cursor": "AAAA"})
    assert present.text(told).endswith('More files: `b.py:3 open; c.py:1`\nMore results: cursor "AAAA"')
    assert present.text(told, 10).startswith("11-11 of 7 matches")
    assert present.text(answer(), 10).startswith("No more of 7 matches")


def test_repositories_are_named_where_there_are_several():
    assert "app | a.py" not in present.text(answer(result()))
    assert "app | a.py" in present.text(answer(result(), result(repository="other")))


def test_tasks_and_warnings_are_told():
    linked = result(tasks=[TaskLink(id="7", title="fix pool", status="in-progress"), TaskLink(id="8")])
    text = present.text(answer(linked, warnings=("half indexed",)))
    assert "tasks: fix pool (in-progress, 7); 8" in text
    assert "Warning: half indexed" in text


def test_no_result_says_what_to_try():
    assert present.text(answer()).startswith("No match. Try")


def test_the_fence_is_longer_than_any_in_the_content():
    assert "\n`````python\n" in present.text(answer(result(content="````\n```\n")))


def test_fields_that_say_nothing_are_left_out_but_for_those_of_the_contract():
    [plain] = answer(result()).structured()["results"]
    assert plain.keys() == result().model_dump().keys() - {"chunk_lines", "tasks", "explain"}
    assert set(OUTPUT_SCHEMA["properties"]) <= set(SearchAnswer.model_fields)


def test_of_one_line_the_first_of_those_with_most_of_the_query_is_shown():
    cut = excerpt("one\nopen pool\nopen the pool\n", 7, {"open", "pool"}, lines=1, allowance=85)
    assert cut == ("open pool", 8, 8, True)
    assert excerpt("\n only \n", 7, {"open"}, lines=1, allowance=85) == (" only ", 8, 8, False)
