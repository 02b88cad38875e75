"""What another plugin's chunker returns, and what is made of it: checked, and cut further where it is too large."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packhorse_indexing.chunking import lines as by_lines
from packhorse_indexing.chunking.model import Chunk, Chunked, Definition
from packhorse_indexing.chunking.segment import WHOLE, segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_KIND = 40
MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of a file, counted from 1 and inclusive.

    Attributes:
        start_line: the first line; the piece before ends on the line before.
        end_line: the last line.
        kind: `function`, `class`, `section`, … or `text`.
        symbol: what it defines, by which it is found; None when it defines nothing.
        scope: the definitions around it, outermost first, joined by `.`.
        signature: the head of the definition on one line.
    """

    start_line: int
    end_line: int
    kind: str = "text"
    symbol: str | None = None
    scope: str | None = None
    signature: str | None = None


Chunker = Callable[[str], Iterable[Piece | tuple[int, int]]]
"""Cuts the text of a file into pieces that are, in order and together, all of its lines."""


class ChunkerError(Exception):
    """A chunker returned what is no cut of the text; the message says why, in a clause."""


def cut(text: str, lines: Sequence[str], chunker: Chunker) -> Chunked:
    """Cut a text with another plugin's chunker.

    Raises:
        ChunkerError: its pieces are not all lines of the text in order.
        Exception: whatever it raises.
    """
    chunks: list[Chunk] = []
    definitions: list[Definition] = []
    for piece in _checked(chunker(text), len(lines)):
        if piece.symbol is not None:
            definitions.append(
                Definition(piece.symbol, piece.kind, piece.start_line, len(chunks), piece.scope, piece.end_line)
            )
        for first, last in _small_enough(lines, piece):
            content = "".join(lines[first : last + 1])
            chunks.append(Chunk(first + 1, last + 1, piece.kind, piece.symbol, piece.scope, piece.signature, content))
    return Chunked(chunks, definitions)


def _checked(pieces: Iterable[Piece | tuple[int, int]], count: int) -> Iterator[Piece]:
    expected = 1
    for given in pieces:
        piece = given if isinstance(given, Piece) else Piece(*given)
        if piece.start_line != expected or not expected <= piece.end_line <= count:
            raise ChunkerError(
                f"its pieces do not tile the file: lines {piece.start_line} to {piece.end_line} where {expected} was "
                f"to come, of {count}"
            )
        yield _plain(piece)
        expected = piece.end_line + 1
    if expected != count + 1:
        raise ChunkerError(f"its pieces do not tile the file: line {expected} of {count} is in none")


def _plain(piece: Piece) -> Piece:
    """Return a piece as the database takes it."""
    texts = (piece.symbol, piece.scope, piece.signature)
    given: tuple[object, ...] = (piece.kind, *(text for text in texts if text is not None))
    if not all(isinstance(text, str) for text in given):
        raise ChunkerError("its pieces hold something other than text")
    symbol, scope, signature = (None if text is None else one_line(text, MAX_TEXT) or None for text in texts)
    return Piece(piece.start_line, piece.end_line, one_line(piece.kind, MAX_KIND) or "text", symbol, scope, signature)


def one_line(text: str, limit: int) -> str:
    """Return a text as the database takes it, on one line and cut to a number of characters."""
    return " ".join(text.replace("\x00", " ").encode("utf-8", "replace").decode().split())[:limit]


def _small_enough(lines: Sequence[str], piece: Piece) -> Iterator[tuple[int, int]]:
    """Yield the rows of a piece, cut by its lines where it is larger than a chunk may be."""
    first, after = piece.start_line - 1, piece.end_line
    within = lines[first:after]
    if sum(map(len, within)) <= WHOLE:
        yield first, after - 1
        return
    yield from ((first + start, first + end) for start, end in segment(within, by_lines.outline(within)))
