"""The plain data of chunking: what comes out (`Chunked`) and what is cut along (`Outline`)."""

from __future__ import annotations

from dataclasses import dataclass, field

OUTPUT = "output"
"""The kind of a chunk that a program made: it is found by its exact text, but neither by meaning nor by its words."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of whole lines; the contents of a file's chunks, in order, are its text.

    Attributes:
        start_line: the first line, counted from 1.
        end_line: the last line, inclusive.
        kind: `function`, `method`, `class`, `section`, …, or `module` for code and `text` for prose between those.
        symbol: the definition that the chunk is, or the innermost one that it is a part of.
        scope: the definitions around `symbol`, outermost first, joined by `.`.
        signature: the head of `symbol`'s definition on one line.
        content: the lines with their terminators.
    """

    start_line: int
    end_line: int
    kind: str
    symbol: str | None
    scope: str | None
    signature: str | None
    content: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A name that the file defines, for symbol lookup.

    `chunk` is the ordinal of the chunk that holds `line`; `scope` the enclosing definitions, outermost first, joined
    by `.`; `end_line` the last line of what is defined, inclusive.
    """

    name: str
    kind: str
    line: int
    chunk: int
    scope: str | None
    end_line: int


@dataclass(frozen=True, slots=True)
class Chunked:
    """The chunks and definitions of one file; `fallback` says why its syntax could not be used, if it should have."""

    chunks: list[Chunk]
    definitions: list[Definition]
    fallback: str | None = None


@dataclass(slots=True)
class Span:
    """A definition in an outline; rows count from 0 and `last` is inclusive."""

    name: str
    kind: str
    row: int
    first: int
    last: int
    parent: int
    """The index of the enclosing definition in the outline, or -1."""
    signature: str | None = None
    qualifier: str | None = None
    """A scope that the name itself is written with, as in `void Pool::open()`."""


@dataclass(slots=True)
class Outline:
    """Where a text may be cut.

    Attributes:
        costs: for each row, how much a cut before it would tear apart: the number of syntax nodes that it goes
            through, plus `GLUE` where the rows belong together for another reason. The smallest is cut first.
        spans: the definitions, each after the one that encloses it.
        fallback: why the syntax could not be used.
    """

    costs: list[int]
    spans: list[Span] = field(default_factory=list)
    fallback: str | None = None


GLUE = 1000
"""More than any depth of nesting: a comment and what it explains are parted only when all else has been."""
