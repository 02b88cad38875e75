"""Chunks tile the text: every line is in exactly one chunk, whatever the text and its language."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packhorse_indexing.chunking import Chunked, chunk, detect, registry
from packhorse_indexing.chunking.segment import WHOLE

pytestmark = pytest.mark.unit

LANGUAGES = sorted(language.name for language in registry)
PIECES = [
    "def f(a, b):\n", "class A {\n", "}\n", "    return x\n", "\n", "# comment\n", "// comment\r\n", '"""', "'", "`",
    "if (x) {", "end\n", "\t", "x = [", "]\n", "function g() {\n", "@decorator\n", "/* open", "*/", "## Heading\n",
    "```\n", "é", "日本\n", "\x0c", "\r", "a" * 500 + "\n", "b" * 9000, "\u2028", "\ud800", "<?php ", "#[attr]\n",
    "SELECT 1;\n", "CREATE TABLE t (\n", "key: value\n", "  - item\n", "fn main() -> i32 {\n", "impl X for Y {\n",
]  # fmt: skip


def assert_tiles(text: str, chunked: Chunked) -> None:
    assert "".join(piece.content for piece in chunked.chunks) == text
    lines = [line + "\n" for line in text.split("\n")]
    row = 1
    for piece in chunked.chunks:
        assert piece.start_line == row
        assert piece.end_line >= row
        assert piece.content
        assert piece.content.rstrip("\n") == "".join(lines[row - 1 : piece.end_line]).rstrip("\n")
        row = piece.end_line + 1
    for definition in chunked.definitions:
        holder = chunked.chunks[definition.chunk]
        assert holder.start_line <= definition.line <= holder.end_line
        assert definition.name


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_has_no_chunks(language: str) -> None:
    assert chunk("", language) == Chunked([], [])


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=300), st.sampled_from(LANGUAGES))
def test_any_text_is_tiled(text: str, language: str) -> None:
    assert_tiles(text, chunk(text, language))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join), st.sampled_from(LANGUAGES))
def test_code_in_any_state_is_tiled(text: str, language: str) -> None:
    assert_tiles(text, chunk(text, language))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 120)), min_size=30, max_size=200),
    st.sampled_from(LANGUAGES),
)
def test_chunks_stay_near_the_budget(shape: list[tuple[int, int]], language: str) -> None:
    text = "".join("    " * indent + "x" * length + "\n" for indent, length in shape)
    assert all(len(piece.content) <= WHOLE for piece in chunk(text, language).chunks)


def test_real_files_are_tiled() -> None:
    folder = Path(sysconfig.get_paths()["purelib"])
    files = [path for pattern in ("*/*.py", "*/*/*.pyi", "*/*.md", "*/*.toml") for path in sorted(folder.glob(pattern))]
    assert len(files) > 100
    for path in files[:: max(1, len(files) // 150)]:
        text = path.read_bytes().decode("utf-8", "replace")
        assert_tiles(text, chunk(text, detect(path.as_posix(), b"")))
