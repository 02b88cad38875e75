"""What a reader is shown of a chunk."""

from __future__ import annotations

import pytest

from packhorse_search import present
from packhorse_search.answer import SearchAnswer, SearchResult, TaskLink, output_schema
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
    }
    return SearchResult.model_validate(fields | changes)


def answer(*results: SearchResult, warnings: tuple[str, ...] = ()) -> SearchAnswer:
    return SearchAnswer(
        results=list(results), total_count=7, latency_ms=1.0, index=["/app: 3 files"], warnings=list(warnings)
    )


def test_a_chunk_that_fits_is_shown_whole():
    assert excerpt("a\nb\n", 5, (), 100) == ("a\nb", 5, 6, False)


def test_windows_line_ends_are_not_shown():
    assert excerpt("a\r\nb\r\n", 1, (), 100).content == "a\nb"


def test_a_chunk_that_does_not_fit_is_cut_to_the_lines_with_the_query_words():
    lines = [f"line_{i} = {i}" for i in range(50)]
    lines[30] = "open session pool"
    cut = excerpt("\n".join(lines), 101, ("session", "pool"), 30)
    assert "open session pool" in cut.content
    assert cut.truncated
    assert cut.content.split("\n") == lines[cut.start_line - 101 : cut.end_line - 100]
    assert tokens(cut.content) <= 30


def test_without_any_of_the_words_the_beginning_is_shown():
    cut = excerpt("\n".join("word" * 10 for _ in range(50)), 1, ("other",), 60)
    assert cut.start_line == 1
    assert cut.end_line > 1


def test_one_line_is_shown_whatever_it_costs_and_a_long_one_is_cut():
    cut = excerpt("x" * 10_000, 1, (), 1)
    assert cut.start_line == cut.end_line == 1
    assert len(cut.content) == MAX_LINE + 2
    assert cut.truncated


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
    assert "1. a.py:1-1 | Pool.open | 0.50 | words" in text
    assert "```python\nbefore\nx = 1\nafter\n```" in text


def test_repositories_are_named_where_there_are_several():
    assert "app | a.py" not in present.text(answer(result()))
    assert "app | a.py" in present.text(answer(result(), result(repository="other")))


def test_tasks_and_warnings_are_told():
    linked = result(tasks=[TaskLink(id="7", title="fix pool", status="in-progress")])
    text = present.text(answer(linked, warnings=("half indexed",)))
    assert "fix pool (in-progress, 7)" in text
    assert "Warning: half indexed" in text


def test_no_result_says_what_to_try():
    assert present.text(answer()).startswith("No match. Try")


def test_the_fence_is_longer_than_any_in_the_content():
    assert "\n`````python\n" in present.text(answer(result(content="````\n```\n")))


def test_the_output_schema_has_the_fields_and_no_titles():
    schema = output_schema()
    assert "title" not in str(schema["properties"]["total_count"])
    assert "title" in schema["$defs"]["TaskLink"]["properties"], "a property of this name stays"
    assert set(schema["$defs"]["SearchResult"]["required"]) >= {"chunk_id", "file_path", "content"}
