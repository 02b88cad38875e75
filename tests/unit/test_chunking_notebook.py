"""Notebooks: cells and their outputs apart, every line in one chunk, outputs found by their exact text only."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import pytest

from packhorse_indexing import lexemes
from packhorse_indexing.chunking import NOTEBOOK, OUTPUT, Chunked, chunk
from packhorse_indexing.crew import work
from packhorse_indexing.embedders.static import StaticEmbedder
from packhorse_indexing.prepare import Source

pytestmark = pytest.mark.unit

IMAGE = "iVBORw0KGgo" * 2000


def code(*source: str, outputs: list[Any] | None = None) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "outputs": outputs or [], "source": list(source)}


def prose(*source: str, **more: Any) -> dict[str, Any]:
    return more | {"cell_type": "markdown", "metadata": {}, "source": list(source)}


def notebook(*cells: dict[str, Any], indent: int = 1, sort: bool = True) -> str:
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, indent=indent, sort_keys=sort) + "\n"


def kinds(made: Chunked) -> list[str]:
    """Return the kinds of chunks in order, each once in a row."""
    return [kind for kind, _ in groupby(one.kind for one in made.chunks)]


PICTURE = {"data": {"image/png": IMAGE, "text/plain": ["<Figure>"]}, "output_type": "display_data"}
TEXT = notebook(
    prose("# Load the *data*\n", "Some words.\n"),
    code(
        "import pandas\n",
        "def load(path):\n",
        "    return pandas.read_csv(path)\n",
        "class Frame: ...",
        outputs=[PICTURE],
    ),
    code("load('a.csv')"),
)


@pytest.mark.parametrize("indent", [1, 2, 4])
def test_cells_and_their_outputs_are_chunks_of_their_own(indent: int) -> None:
    text = notebook(*json.loads(TEXT)["cells"], indent=indent)
    made = chunk(text, NOTEBOOK)
    assert "".join(one.content for one in made.chunks) == text
    assert kinds(made) == ["markdown", OUTPUT, "cell", "text"]
    assert [one.symbol for one in made.chunks if one.kind != OUTPUT] == ["Load the *data*", "load", None, None]
    assert all(IMAGE not in one.content for one in made.chunks if one.kind != OUTPUT)
    assert [(one.name, one.kind) for one in made.definitions] == [
        ("Load the *data*", "section"), ("load", "function"), ("Frame", "class"),
    ]  # fmt: skip
    lines = text.split("\n")
    for one in made.definitions:
        assert one.name in lines[one.line - 1]
        assert made.chunks[one.chunk].start_line <= one.line <= made.chunks[one.chunk].end_line


def test_outputs_may_come_last_and_pictures_be_attached_to_prose() -> None:
    late = {"cell_type": "code", "source": ["x = 1"], "outputs": [{"text": ["def no(): ..."]}]}
    attached = prose("![a](attachment:a.png)", attachments={"a.png": {"image/png": IMAGE}})
    made = chunk(notebook(late, attached, sort=False), NOTEBOOK)
    assert kinds(made) == ["cell", OUTPUT, "markdown", "text"]
    assert "x = 1" in made.chunks[0].content
    assert made.definitions == []


@pytest.mark.parametrize(
    "text",
    [
        '{"cells": []}', "no json\n", '{\n "cells": [\n  {\n   "outputs": [\n', '{\n "cells": [\n ]\n}\n',
        '{\n "cells": [\n  {\n   "outputs": [\n  }\n',
        '{\n "cells": [\n  {\n   "cell_type": "markdown",\n"# \\u0000"\n"# \\ud800"\n"\\q"\n  }\n',
    ],
)  # fmt: skip
def test_what_is_not_laid_out_so_is_cut_all_the_same(text: str) -> None:
    made = chunk(text, NOTEBOOK)
    assert "".join(one.content for one in made.chunks) == text
    assert all(one.name.isprintable() for one in made.definitions)


def test_outputs_have_neither_words_nor_a_direction() -> None:
    [prepared], vectors = work([Source("a.ipynb", TEXT.encode(), NOTEBOOK)], StaticEmbedder().encode_documents)
    assert prepared.reason is None
    for number, one in enumerate(prepared.chunks):
        is_output = one.kind == OUTPUT
        assert (prepared.counts[number] == {lexemes.UNCOUNTED: 1}) is is_output
        assert (not vectors[number].any()) is is_output or one.kind == "text"
