"""What looking up gives back: places by file, as the tools and commands print them."""

from __future__ import annotations

from pydantic import BaseModel


class Line(BaseModel):
    """A line of a file, 1-based; one that only surrounds a match has `is_match` false."""

    line: int
    text: str
    symbol: str | None = None
    is_match: bool = True


class FileLines(BaseModel):
    """The lines of one file; `more` counts those that match and are not shown."""

    repository: str
    file_path: str
    language: str
    lines: list[Line]
    more: int = 0


class Definition(BaseModel):
    """Where a symbol is defined, and its beginning; `end_line` is None where an older version indexed the file."""

    repository: str
    file_path: str
    language: str
    symbol: str
    kind: str
    start_line: int
    end_line: int | None
    content: str


class Told(BaseModel):
    """What every answer tells beside its places: how long it took, what was searched, and what may be missing."""

    latency_ms: float = 0.0
    index: list[str] = []
    warnings: list[str] = []
    cursor: str | None = None


class LinesAnswer(Told):
    """Lines that match; the totals are of all, or at least so many when `is_complete` is false."""

    files: list[FileLines]
    total_lines: int
    total_files: int
    is_complete: bool
    searched: str = ""


class SymbolAnswer(LinesAnswer):
    """The definitions of a symbol and, when they were asked for, the lines that name it."""

    definitions: list[Definition]
    total_definitions: int
    suggestions: list[str] = []
    with_references: bool = False


class Entry(BaseModel):
    """A symbol of a file, or a file or folder of a folder; `depth` counts from 0."""

    name: str
    kind: str
    depth: int = 0
    start_line: int | None = None
    end_line: int | None = None
    files: int | None = None
    symbols: list[str] = []


class OutlineAnswer(Told):
    """What a file or folder holds, in order; `total_count` is of all entries."""

    repository: str
    path: str
    entries: list[Entry]
    total_count: int


class SimilarPlace(BaseModel):
    """Code like the place that was asked about; `similarity_score` is the cosine of their meanings."""

    chunk_id: str
    repository: str
    file_path: str
    start_line: int
    end_line: int
    symbol: str | None
    language: str
    similarity_score: float
    content: str
    truncated: bool = False


class SimilarAnswer(Told):
    """The code most like a place, most similar first."""

    place: str
    results: list[SimilarPlace]


def is_empty(answer: Told) -> bool:
    """Return whether an answer has nothing to show, and no cursor to more."""
    shown = (getattr(answer, what, ()) for what in ("files", "definitions", "results", "entries"))
    return not (answer.cursor or any(shown))
