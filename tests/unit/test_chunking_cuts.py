"""Where code and prose are cut: along their structure, and never through what belongs together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from packhorse_indexing.chunking import chunk, syntax
from packhorse_indexing.chunking.segment import ALONE, BUDGET, WHOLE

if TYPE_CHECKING:
    from packhorse_indexing.chunking.model import Chunk

pytestmark = pytest.mark.unit


def body(lines: int, indent: str = "    ") -> str:
    return "".join(f"{indent}value_{number} = compute(value, {number})\n" for number in range(lines))


def holder(chunks: list[Chunk], text: str) -> Chunk:
    return next(piece for piece in chunks if text in piece.content)


def test_a_small_file_is_one_chunk_named_for_its_only_definition() -> None:
    found = chunk("import os\n\n\ndef load(path: str) -> str:\n    return path\n", "python")
    assert [(c.start_line, c.end_line, c.kind, c.symbol, c.scope, c.signature) for c in found.chunks] == [
        (1, 5, "function", "load", None, "def load(path: str) -> str")
    ]


def test_small_definitions_share_a_chunk_and_large_ones_stand_alone() -> None:
    small = "".join(f"def small_{number}():\n    return {number}\n\n\n" for number in range(5))
    large = "def large():\n" + body(30)
    assert len(large) > ALONE
    found = chunk(small + large + "\n\n" + small.replace("small", "another_small_one") * 4, "python")
    assert [c.symbol for c in found.chunks] == [None, "large", None]
    assert [c.kind for c in found.chunks] == ["module", "function", "module"]


def test_a_large_class_is_cut_between_its_methods_which_know_where_they_are() -> None:
    methods = "".join(f"    def method_{number}(self):\n{body(25, ' ' * 8)}\n" for number in range(4))
    found = chunk('class Store:\n    """Keeps things."""\n\n' + methods, "python")
    assert found.chunks[0].symbol == "Store"
    assert found.chunks[0].kind == "class"
    assert found.chunks[0].signature == "class Store"
    assert [(c.kind, c.symbol, c.scope) for c in found.chunks[1:]] == [
        ("method", f"method_{number}", "Store") for number in range(4)
    ]


def test_a_function_too_large_for_one_chunk_is_cut_evenly_and_each_part_names_it() -> None:
    found = chunk("def huge(value):\n" + body(120), "python")
    assert len(found.chunks) > 2
    assert {(c.kind, c.symbol, c.signature) for c in found.chunks} == {("function", "huge", "def huge(value)")}
    sizes = [len(c.content) for c in found.chunks]
    assert max(sizes) <= BUDGET
    assert min(sizes) > BUDGET / 3


def test_a_definition_a_little_over_the_budget_is_kept_whole() -> None:
    function = "def nearly(value):\n" + body(50)
    assert BUDGET < len(function) < WHOLE
    found = chunk("def before():\n" + body(30) + "\n\n" + function, "python")
    assert holder(found.chunks, "value_49").content == function


@pytest.mark.parametrize(
    ("language", "lead", "function"),
    [
        ("python", "# why it is so\n@cache\n@other(\n    1\n)\n", "def target():\n" + body(25)),
        ("rust", "/// why it is so\n#[inline]\n", "fn target() {\n" + body(25) + "}\n"),
        ("java", "/**\n * why it is so\n */\n@Test\n", "void target() {\n" + body(25) + "}\n"),
        ("elixir", '@doc """\nwhy it is so\n"""\n', "def target(x) do\n" + body(25) + "end\n"),
        ("haskell", "-- | why it is so\ntarget :: Int -> Int\n", "target n =\n" + body(1) + "\n"),
        ("typescript", "// why it is so\n", "export function target() {\n" + body(25) + "}\n"),
    ],
)
def test_comments_and_decorators_stay_with_what_follows(language: str, lead: str, function: str) -> None:
    before = function.replace("target", "earlier")
    text = before + "\n" + lead + function
    if language == "java":
        text = "class A {\n" + text + "}\n"
    if language == "elixir":
        text = "defmodule A do\n" + text + "end\n"
    found = chunk(text, language)
    piece = holder(found.chunks, lead)
    assert function in piece.content or language == "haskell"
    assert next(item for item in found.definitions if item.name == "target").chunk == found.chunks.index(piece)


def test_a_closing_brace_is_never_a_chunk_of_its_own() -> None:
    methods = "".join(f"  method{number}() {{\n{body(25, '    ')}  }}\n" for number in range(5))
    found = chunk(f"class A {{\n{methods}}}\n", "javascript")
    assert all(c.content.strip() != "}" for c in found.chunks)


def test_code_outside_functions_is_in_chunks_too() -> None:
    statements = "".join(f"register('name-{number}', {number})\n" for number in range(100))
    found = chunk("def first():\n" + body(30) + statements, "python")
    assert all(f"'name-{number}'" in "".join(c.content for c in found.chunks) for number in range(100))
    assert holder(found.chunks, "'name-50'").kind == "module"


def test_a_large_table_of_data_is_named_for_its_variable() -> None:
    found = chunk("TABLE = {\n" + "".join(f"    'key-{n}': {n},\n" for n in range(400)) + "}\n", "python")
    assert len(found.chunks) > 1
    assert {c.symbol for c in found.chunks} == {"TABLE"}


def test_windows_line_ends_change_nothing_but_the_content() -> None:
    text = "class A:\n    def f(self):\n" + body(40, " " * 8) + "\n    def g(self):\n" + body(30, " " * 8)
    plain, windows = chunk(text, "python"), chunk(text.replace("\n", "\r\n"), "python")
    assert {item.name: item.line for item in plain.definitions} == {
        item.name: item.line for item in windows.definitions
    }
    assert "".join(c.content for c in windows.chunks) == text.replace("\n", "\r\n")


def test_the_signature_is_the_whole_head_on_one_line() -> None:
    text = "async def load(\n    path: str,\n    *,\n    limit: int = 3,\n) -> dict[str, int]:  # note\n    return {}\n"
    signature = chunk(text, "python").chunks[0].signature
    assert signature == "async def load( path: str, *, limit: int = 3, ) -> dict[str, int]"
    assert chunk("const load = async (path: string): Promise<void> => {\n};\n", "typescript").chunks[0].signature == (
        "load = async (path: string): Promise<void> =>"
    )


def test_an_error_in_the_middle_loses_no_definition_around_it() -> None:
    text = "def before():\n    pass\n\n\ndef broken(:\n    ))) = \n\n\ndef after():\n    pass\n"
    assert {"before", "after"} <= {item.name for item in chunk(text, "python").definitions}


def test_an_unclosed_string_loses_no_definition_after_it() -> None:
    text = "def before():\n    pass\n\n\nX = '''never closed\n\n" + "".join(
        f"def after_{n}():\n    pass\n\n" for n in range(9)
    )
    names = {item.name for item in chunk(text, "python").definitions}
    assert {"before", *(f"after_{n}" for n in range(9))} <= names


def test_a_very_long_line_makes_a_chunk_of_its_own_and_a_reason() -> None:
    text = "def load():\n    pass\n\nDATA = '" + "A" * 9000 + "'\n\ndef save():\n    pass\n"
    found = chunk(text, "python")
    assert found.fallback == "a line is longer than 8,000 characters"
    assert holder(found.chunks, "AAAA").content.strip().startswith("DATA")
    assert {item.name for item in found.definitions} == {"load", "save"}


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [("TIME_LIMIT", -1.0, "took longer than"), ("MAX_BYTES", 10, "larger than 10 bytes")],
)
def test_beyond_a_limit_the_lines_are_used(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: float, reason: str
) -> None:
    monkeypatch.setattr(syntax, limit, value)
    found = chunk("def load():\n" + body(100), "python")
    assert reason in (found.fallback or "")
    assert [item.name for item in found.definitions] == ["load"]
    assert len(found.chunks) > 1


def test_a_tree_that_takes_too_long_to_walk_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = syntax._parse

    def slow(*arguments: Any) -> Any:
        tree = parse(*arguments)
        monkeypatch.setattr(syntax.time, "thread_time", lambda: 1e9)
        return tree

    monkeypatch.setattr(syntax, "_parse", slow)
    assert chunk("def load():\n    pass\n", "python").fallback == "walking its tree took longer than 1.2 s"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("javascript", "[" * 100_000),
        ("json", "[\n" * 100_000),
        ("python", "(\n" * 50_000),
        ("c", "{\n" * 50_000),
        ("go", "func f() {\n" * 20_000),
        ("python", "\n" * 500_000),
        ("python", "x = '''\n" + "text\n" * 100_000),
        ("markdown", "# a\n" * 50_000),
        ("text", "a\n" * 300_000),
        ("bash", "$(" * 4000 + "\n"),
    ],
)
def test_a_bomb_is_over_in_time(language: str, text: str) -> None:
    start = time.process_time()
    found = chunk(text, language)
    assert time.process_time() - start < 6
    assert "".join(c.content for c in found.chunks) == text


def test_markdown_is_cut_at_its_headings_and_not_in_code() -> None:
    code = "```sh\n# not a heading\n" + "echo line\n" * 30 + "```\n"
    text = (
        f"# Guide\n\nIntro.\n\n## Install\n\n{'Words about it. ' * 70}\n\n{code}\nUse\n---\n\n{'More words. ' * 90}\n"
    )
    found = chunk(text, "markdown")
    assert [(item.name, item.kind, item.scope) for item in found.definitions] == [
        ("Guide", "section", None), ("Install", "section", "Guide"), ("Use", "section", "Guide"),
    ]  # fmt: skip
    assert code in holder(found.chunks, "not a heading").content
    assert holder(found.chunks, "More words").symbol == "Use"


def test_other_prose_has_headings_too() -> None:
    rst = chunk("=====\nTitle\n=====\n\nText.\n\nPart\n----\n\nMore.\n", "restructuredtext")
    assert [(item.name, item.scope) for item in rst.definitions] == [("Title", None), ("Part", "Title")]
    adoc = chunk("= Title\n\nText.\n\n== Part\n\nMore.\n", "asciidoc")
    assert [(item.name, item.scope) for item in adoc.definitions] == [("Title", None), ("Part", "Title")]


def test_prose_without_headings_is_cut_at_its_paragraphs() -> None:
    paragraphs = [f"Paragraph {number}. " + "Some words here. " * 20 + "\n" for number in range(12)]
    found = chunk("\n".join(paragraphs), "text")
    assert all(c.kind == "text" and c.content.startswith("Paragraph") for c in found.chunks)


def test_configuration_is_cut_at_its_outer_keys() -> None:
    services = [f"service-{n}:\n" + "".join(f"  key-{k}: value\n" for k in range(60)) for n in range(4)]
    found = chunk("".join(services), "yaml")
    assert [c.symbol for c in found.chunks] == [f"service-{n}" for n in range(4)]
