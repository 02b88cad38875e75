"""The plain data between retrieval and ranking: chunks that may answer, and the files that they stand in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID


class ChunkKey(NamedTuple):
    """A chunk's identity in the whole index."""

    pool_id: int
    chunk_id: int


class File(NamedTuple):
    """A file of a repository."""

    repository_id: UUID
    path: str
    language: str
    blob_id: int


class Definition(NamedTuple):
    """A name that a chunk defines, as written, and what it is, such as a class or a function."""

    name: str
    kind: str


class Candidate(NamedTuple):
    """A chunk that may answer, in one file that contains it, with what the retrievals say of it.

    `hash` stands for its text. `words` is its BM25 score and `meaning` its cosine, each 0 where it has none.
    `definitions` and `content`, its text, are read of the likeliest only.
    """

    pool_id: int
    chunk_id: int
    file: File
    kind: str
    symbol: str | None
    scope: str | None
    start_line: int
    end_line: int
    hash: bytes
    words: float = 0.0
    meaning: float = 0.0
    definitions: Sequence[Definition] = ()
    content: str = ""

    @property
    def key(self) -> ChunkKey:
        """The chunk's identity."""
        return ChunkKey(self.pool_id, self.chunk_id)


@dataclass(frozen=True, slots=True)
class PathStatistics:
    """How many files are searched, and in how many of their paths each lexeme of the query occurs."""

    files: int = 0
    frequencies: Mapping[str, int] = field(default_factory=dict)
