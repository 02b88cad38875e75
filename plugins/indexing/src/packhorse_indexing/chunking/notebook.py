"""Jupyter notebooks, cut at their cells: what was written in them apart from what came out of it.

Goes by the lines of a notebook as its tools write it (nbformat, "The Notebook file format"): a key or a line of code on
each, all indented alike. No string of JSON has a line's end in it, so indentation says where a cell or its outputs end.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from packhorse_indexing.chunking import pieces
from packhorse_indexing.chunking.model import OUTPUT, Chunked, Definition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOTEBOOK = "jupyter"

_CELLS = re.compile(r'(\s*)"cells": \[\s*$')
_OUTPUTS = re.compile(r'(\s*)"(?:outputs|attachments)": [\[{]\s*$')
_MARKDOWN = re.compile(r'\s*"cell_type": "markdown"')
_HEADING = re.compile(r" {0,3}#{1,6}\s+(?P<name>\S.*?)\s*#*\s*$")
_DEFINITION = re.compile(r"(?:async\s+)?(?P<kind>def|class)\s+(?P<name>\w+)")
_KINDS = {"def": "function", "class": "class", None: "section"}


def cut(text: str, lines: Sequence[str]) -> Chunked | None:
    """Cut a notebook into cells (`cell`, `markdown`), their outputs and the rest; None when it is not laid out so."""
    cells = list(_cells(lines))
    if not cells:
        return None
    parts: list[pieces.Piece] = []
    named: list[tuple[int, int, str, str]] = []
    begin = 0
    for first, last in cells:
        is_markdown = any(_MARKDOWN.match(line) for line in lines[first : last + 1])
        outputs = _outputs(lines, first, last)
        names = [one for one in _names(lines, first, last, is_markdown) if not outputs[0] <= one[0] <= outputs[1]]
        kind, symbol = ("markdown" if is_markdown else "cell"), (names[0][2] if names else None)
        if outputs[0] > outputs[1]:
            parts.append(pieces.Piece(begin + 1, last + 1, kind, symbol))
        elif outputs[1] + 1 < last:
            parts.append(pieces.Piece(begin + 1, outputs[1] + 1, OUTPUT))
            parts.append(pieces.Piece(outputs[1] + 2, last + 1, kind, symbol))
        else:
            parts.append(pieces.Piece(begin + 1, outputs[0], kind, symbol))
            parts.append(pieces.Piece(outputs[0] + 1, last + 1, OUTPUT))
        named += [(row, last, kind, name) for row, kind, name in names]
        begin = last + 1
    if begin < len(lines):
        parts.append(pieces.Piece(begin + 1, len(lines)))
    chunks = pieces.cut(text, lines, lambda _: parts).chunks
    starts = [chunk.start_line - 1 for chunk in chunks]
    return Chunked(
        chunks,
        [
            Definition(name, kind, row + 1, bisect_right(starts, row) - 1, None, end + 1)
            for row, end, kind, name in named
        ],
    )


def _cells(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the first and last row of each cell."""
    rows = iter(enumerate(lines))
    start = next(((row, match[1]) for row, line in rows if (match := _CELLS.match(line))), None)
    if start is None:
        return
    indent, first = None, -1
    for row, line in rows:
        body = line.strip()
        lead = line[: len(line) - len(line.lstrip())]
        if first < 0 and lead == start[1] and body.startswith("]"):
            return
        if first < 0 and body == "{" and indent in {None, lead}:
            indent, first = lead, row
        elif first >= 0 and lead == indent and body in {"}", "},"}:
            yield first, row
            first = -1


def _outputs(lines: Sequence[str], first: int, last: int) -> tuple[int, int]:
    """Return the rows of a cell's outputs, or of the files attached to it; the second is less where there are none."""
    for row in range(first, last):
        match = _OUTPUTS.match(lines[row])
        if match is not None:
            closing = {match[1] + end for end in ("]", "],", "}", "},")}
            return row, next((below for below in range(row, last) if lines[below].rstrip() in closing), last - 1)
    return last, first - 1


def _names(lines: Sequence[str], first: int, last: int, is_markdown: bool) -> Iterator[tuple[int, str, str]]:
    """Yield row, kind and name of what a cell defines, or of its headings."""
    pattern = _HEADING if is_markdown else _DEFINITION
    for row in range(first, last + 1):
        match = pattern.match(_written(lines[row]))
        name = pieces.one_line(match["name"], pieces.MAX_TEXT) if match else ""
        if match and name:
            yield row, _KINDS[match.groupdict().get("kind")], name


def _written(line: str) -> str:
    """Return the line of code or prose that a line of JSON holds; empty when it holds something else."""
    body = line.strip().removesuffix(",")
    if not body.startswith('"'):
        return ""
    try:
        written = json.loads(body)
    except ValueError:
        return ""
    return written if isinstance(written, str) else ""
