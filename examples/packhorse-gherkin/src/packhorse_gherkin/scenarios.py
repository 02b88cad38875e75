"""Cutting a feature into scenarios. English keywords only; a file in another language is a single piece."""

from __future__ import annotations

import re

from packhorse_indexing.chunking import Piece

_HEAD = re.compile(
    r"\s*(?P<kind>Feature|Rule|Background|Scenario Outline|Scenario Template|Scenario|Example):(?P<name>.*)"
)
_BEFORE = re.compile(r"\s*[@#]")


def cut(text: str) -> list[Piece]:
    """Return the pieces of a feature: what comes before the first scenario, then each with its tags and comments."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    starts = [1]
    heads: dict[int, re.Match[str]] = {}
    for number, line in enumerate(lines, 1):
        head = _HEAD.match(line)
        if head is None:
            continue
        start = _with_tags(lines, number)
        if start > starts[-1]:
            starts.append(start)
        heads[starts[-1]] = heads.get(starts[-1], head)
    ends = [*(start - 1 for start in starts[1:]), len(lines)]
    feature = next((_name(head) for head in heads.values() if head["kind"] == "Feature"), None)
    return [_piece(start, end, heads.get(start), feature) for start, end in zip(starts, ends, strict=True)]


def _with_tags(lines: list[str], number: int) -> int:
    """Return the first of the lines of tags and comments right above a line, counted from 1 as it is."""
    while number > 1 and _BEFORE.match(lines[number - 2]):
        number -= 1
    return number


def _piece(start: int, end: int, head: re.Match[str] | None, feature: str | None) -> Piece:
    if head is None:
        return Piece(start, end)
    kind = head["kind"].split()[0].lower()
    scope = None if kind == "feature" else feature
    return Piece(start, end, kind, _name(head) or None, scope, head[0].strip())


def _name(head: re.Match[str]) -> str:
    return head["name"].strip()
