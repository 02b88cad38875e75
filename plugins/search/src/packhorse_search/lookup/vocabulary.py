"""From the words that a match contains to the lexemes of the index: without these a chunk cannot match.

A word of the text is in the index as one lexeme, lower-cased and without its outer underscores; where it is not, the
chunk has the lexeme PARTIAL (`packhorse_indexing.lexemes`). Normalisation may merge the last letter of a piece with a
combining accent behind it, and makes an ASCII letter of one character, the sign of the kelvin.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packhorse_indexing.lexemes import MAX_DIGITS, MAX_LEXEME
from packhorse_search.lookup.syntax import Edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packhorse_search.lookup.literals import Piece

MAX_LEXEMES = 5_000
"""Lexemes that contain a piece; of more, reading the postings costs more than it saves."""

_SHORTEST_PART = 3
_SHORTEST = 2
_END = 10  # the newline on either side of a lexeme
_KELVIN = ord("k")
_ASCII = 0x80


def is_telling(pieces: Iterable[Piece]) -> bool:
    """Whether the index can say which chunks have one of these pieces."""
    return all(len(_core(piece)) >= _shortest(piece) for piece in pieces)


def needs_vocabulary(pieces: Iterable[Piece]) -> bool:
    """Whether the lexemes cannot be told from the pieces alone."""
    return not all(piece.is_whole for piece in pieces)


def may_be_partial(pieces: Iterable[Piece]) -> bool:
    """Whether a word with one of these pieces may be one that no lexeme holds."""
    return not all(piece.is_whole and len(_core(piece)) <= _longest(piece) for piece in pieces)


def lexemes_with(pieces: Iterable[Piece], vocabulary: Sequence[bytes]) -> set[str] | None:
    """Return the lexemes of which a chunk with one of these pieces has at least one; None when they are too many.

    Args:
        pieces: telling ones.
        vocabulary: the lexemes of segments, each between two newlines.
    """
    found: set[str] = set()
    for piece in pieces:
        core = _core(piece)
        if piece.is_whole:
            found |= {core} if len(core) <= MAX_LEXEME else set()
            continue
        for text in vocabulary:
            for lexeme in _containing(core, piece, text):
                found.add(lexeme)
                if len(found) > MAX_LEXEMES:
                    return None
    return found


def _core(piece: Piece) -> str:
    return piece.text.strip("_").lower()


def _longest(piece: Piece) -> int:
    return MAX_DIGITS if _core(piece).isdigit() else MAX_LEXEME


def _shortest(piece: Piece) -> int:
    return _SHORTEST_PART if Edge.OPEN in (piece.left, piece.right) else _SHORTEST


def _containing(core: str, piece: Piece, text: bytes) -> Iterator[str]:
    for match in re.finditer(re.escape(core.encode()), text):
        if _fits(piece.left, text[match.start() - 1]) and _fits(piece.right, text[match.end()]):
            yield _lexeme(text, match.start())
    if piece.right is not Edge.CLOSED:
        for match in re.finditer(re.escape(core[:-1].encode()) + rb"(?=[\x80-\xff])", text):
            if _fits(piece.left, text[match.start() - 1]):
                yield _lexeme(text, match.start())


def _fits(edge: Edge, byte: int) -> bool:
    return edge is Edge.OPEN or byte == _END or (edge is Edge.ASCII and (byte >= _ASCII or byte == _KELVIN))


def _lexeme(text: bytes, at: int) -> str:
    return text[text.rfind(b"\n", 0, at) + 1 : text.index(b"\n", at)].decode()
