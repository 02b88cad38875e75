"""The outline of prose with headings: Markdown (`#` and underlined), reStructuredText (underlined), AsciiDoc (`=`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packhorse_indexing.chunking.model import GLUE, Outline, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HASH = re.compile(r" {0,3}(?P<marks>#{1,6})[ \t]+(?P<name>.*?)[ \t]*#*[ \t]*$")
_EQUALS = re.compile(r"(?P<marks>={1,6})[ \t]+(?P<name>\S.*?)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+:.<>_])\1{2,}\s*$")
_DEEPEST = 6
_TEXT = 20


def outline(lines: Sequence[str], language: str) -> Outline:
    """Draw the outline of a document: sections within sections, code fences kept whole."""
    fenced = _fenced(lines) if language == "markdown" else [False] * len(lines)
    headings = dict(_headings(lines, fenced, language))
    costs: list[int] = []
    blank_before = True
    for row, line in enumerate(lines):
        blank = not line.strip()
        if row in headings:
            costs.append(headings[row][0])
        elif blank:
            costs.append(GLUE)
        else:
            follows_heading = row - 1 in headings or row - 2 in headings
            costs.append(_TEXT + (_TEXT if fenced[row] else 0) + (0 if blank_before else 1) + follows_heading)
        blank_before = blank
    return Outline(costs, _sections(lines, headings))


def _fenced(lines: Sequence[str]) -> list[bool]:
    """Tell for each row whether it continues a fenced block of code."""
    inside: list[bool] = []
    fence: str | None = None
    for line in lines:
        inside.append(fence is not None)
        mark = _FENCE.match(line)
        if mark is None:
            continue
        if fence is None:
            fence = mark[1]
        elif mark[1].startswith(fence) and line.strip() == mark[1]:
            fence = None
    return inside


def _headings(lines: Sequence[str], fenced: Sequence[bool], language: str) -> Iterator[tuple[int, tuple[int, str]]]:
    """Yield the row, and the level and text, of each heading."""
    pattern = _EQUALS if language == "asciidoc" else _HASH
    adornments: list[str] = ["=", "-"] if language == "markdown" else []
    for row, line in enumerate(lines):
        if fenced[row] or not line.strip():
            continue
        marked = None if language == "restructuredtext" else pattern.match(line)
        if marked and marked["name"]:
            yield row, (len(marked["marks"]), marked["name"])
        elif language != "asciidoc" and row + 1 < len(lines) and _is_underlined(line, lines[row + 1], language):
            adornment = lines[row + 1].strip()[0]
            if adornment not in adornments:
                adornments.append(adornment)
            yield row, (min(adornments.index(adornment) + 1, _DEEPEST), line.strip())


def _is_underlined(line: str, below: str, language: str) -> bool:
    mark = _UNDERLINE.match(below)
    if mark is None or _UNDERLINE.match(line) or not line[:1].strip():
        return False
    if language == "markdown":
        return mark[1] in "=-" and line[0].isalnum()
    return len(below.strip()) >= len(line.strip())


def _sections(lines: Sequence[str], headings: dict[int, tuple[int, str]]) -> list[Span]:
    spans: list[Span] = []
    open_sections: list[tuple[int, int]] = []
    for row, (level, name) in headings.items():
        while open_sections and open_sections[-1][0] >= level:
            spans[open_sections.pop()[1]].last = row - 1
        parent = open_sections[-1][1] if open_sections else -1
        spans.append(Span(name[:200], "section", row, row, len(lines) - 1, parent))
        open_sections.append((level, len(spans) - 1))
    return spans
