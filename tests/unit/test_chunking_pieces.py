"""What other plugins' chunkers return: checked, made storable, and cut further where it is too large."""

from __future__ import annotations

from typing import Any

import pytest

from packhorse_indexing.chunking import ChunkerError, Language, Piece, pieces
from packhorse_indexing.chunking.languages import Registry

pytestmark = pytest.mark.unit

LINES = ["one\n", "two\n", "three\n"]


def cut(*given: Any, lines: list[str] = LINES) -> Any:
    return pieces.cut("".join(lines), lines, lambda _: given)


def test_pieces_become_chunks_and_their_symbols_definitions() -> None:
    made = cut(Piece(1, 2, "entry", "Alpha", "Book", "entry Alpha"), (3, 3))
    assert [(chunk.start_line, chunk.end_line, chunk.kind, chunk.symbol) for chunk in made.chunks] == [
        (1, 2, "entry", "Alpha"),
        (3, 3, "text", None),
    ]
    assert "".join(chunk.content for chunk in made.chunks) == "".join(LINES)
    [defined] = made.definitions
    assert (defined.name, defined.kind, defined.line, defined.end_line, defined.chunk, defined.scope) == (
        "Alpha", "entry", 1, 2, 0, "Book",
    )  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [(), ((1, 2),), ((2, 3),), ((1, 1), (3, 3)), ((1, 2), (2, 3)), ((1, 4),), ((1, 0), (1, 3)), ((3, 3), (1, 2))],
    ids=["nothing", "end", "start", "gap", "overlap", "beyond", "backwards", "disorder"],
)
def test_what_leaves_a_line_out_or_has_it_twice_is_refused(given: tuple[Any, ...]) -> None:
    with pytest.raises(ChunkerError, match="do not tile"):
        cut(*given)


@pytest.mark.parametrize("piece", [Piece(1, 3, 7), Piece(1, 3, symbol=b"x")])  # type: ignore[arg-type]  # as plugins may
def test_what_is_no_text_is_refused(piece: Piece) -> None:
    with pytest.raises(ChunkerError, match="other than text"):
        cut(piece)


@pytest.mark.parametrize("given", [None, 7, ("a", "b", "c", 1, 2, 3, 4)])
def test_what_is_no_piece_is_an_error_of_the_chunkers(given: Any) -> None:
    with pytest.raises(TypeError):
        cut(given)


def test_texts_are_made_as_the_database_takes_them() -> None:
    [chunk] = cut(Piece(1, 3, "k" * 99, "a\x00b\n\ud800c", "", "s" * 999)).chunks
    assert (chunk.kind, chunk.symbol, chunk.scope) == ("k" * pieces.MAX_KIND, "a b ?c", None)
    assert len(chunk.signature) == pieces.MAX_TEXT


def test_a_piece_that_is_too_large_is_cut_by_its_lines_and_keeps_its_name() -> None:
    lines = [f"line {number} of many\n" for number in range(400)]
    made = cut(Piece(1, 400, "entry", "Long"), lines=lines)
    assert len(made.chunks) > 3
    assert {chunk.symbol for chunk in made.chunks} == {"Long"}
    assert "".join(chunk.content for chunk in made.chunks) == "".join(lines)
    assert len(made.definitions) == 1


def test_a_chunker_belongs_to_one_language_and_the_first_has_it() -> None:
    registry = Registry([Language("ledger", ("led",))])
    assert registry.add_chunker("ledger", lambda _: [])
    assert not registry.add_chunker("Ledger", lambda _: [])
    assert registry.add_chunker(".Book", lambda _: [])
    assert registry.detect("a.book", b"") == "book"
    assert registry.chunker("book") is not None
    assert registry.chunker("text") is None
