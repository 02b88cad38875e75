"""String literals that code puts together: `"abc" + "def"`, and two beside one another."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_PIECES = 40
_GLUE = re.compile(
    r"\\{0,3}[\"'`]{1,3}\s{0,80}(?:\+|\.\.?|&|\|\||<>|\\\r?\n)?\s{0,80}[bBrRuUfF]{0,2}\\{0,3}[\"'`]{1,3}"
)


class Piece(NamedTuple):
    """A stretch of a text that is part of a value."""

    start: int
    end: int


def pieces(text: str, at: int, characters: re.Pattern[str]) -> list[Piece]:
    """Return the stretches of `characters` that begin at an offset and go on in the literals glued to it."""
    found: list[Piece] = []
    for _ in range(MAX_PIECES):
        match = characters.match(text, at)
        end = match.end() if match else at
        if end > at:
            found.append(Piece(at, end))
        glue = _GLUE.match(text, end)
        if glue is None:
            break
        at = glue.end()
    return found


def join(text: str, found: list[Piece]) -> str:
    """Return the value that pieces make."""
    return "".join(text[start:end] for start, end in found)


def project(found: list[Piece], start: int, end: int) -> list[Piece]:
    """Return where the characters from `start` to `end` of the joined value stand in the text."""
    places, offset = [], 0
    for piece in found:
        length = piece.end - piece.start
        first, last = max(start - offset, 0), min(end - offset, length)
        if first < last:
            places.append(Piece(piece.start + first, piece.start + last))
        offset += length
    return places
