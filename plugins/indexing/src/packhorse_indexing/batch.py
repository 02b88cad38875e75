"""A batch: files read, decoded, chunked and turned into rows, everything but their ids, before a transaction begins."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from packhorse_indexing.postings import Postings
from packhorse_indexing.store.listing import FileRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from packhorse_indexing.chunking import Chunk, Definition
    from packhorse_indexing.plan import Todo
    from packhorse_indexing.prepare import Prepared

HEAD_BYTES = 4096
"""What language detection looks at."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes, `size` of them, on their way to becoming a blob."""

    todo: Todo
    data: bytes
    hash: bytes
    language: str
    size: int

    @property
    def key(self) -> tuple[bytes, str]:
        """What identifies the blob within a pool."""
        return self.hash, self.language

    def cut(self) -> Content:
        """Return it without its bytes, which nobody needs once they are chunks."""
        return replace(self, data=b"")


@dataclass(slots=True)
class NewBlob:
    """A blob to write: its chunks are the batch's from `first` on; `id` is set when a known one is made anew."""

    content: Content
    id: int | None
    lines: int
    first: int
    chunks: Sequence[Chunk]
    definitions: Sequence[Definition]
    lengths: list[int]
    hashes: Sequence[bytes]
    fallback: str | None = None


@dataclass(slots=True)
class Batch:
    """Work for one transaction.

    `listed` are the files whose blob exists, with its id; `contents` those whose blob is in `blobs`, by its key.
    """

    blobs: dict[tuple[bytes, str], NewBlob] = field(default_factory=dict)
    listed: list[tuple[Todo, int]] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    skipped: list[tuple[Todo, str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    postings: Postings = field(default_factory=Postings)
    vectors: list[NDArray[np.float16]] = field(default_factory=list)
    """Those of its chunks in order, some files' at a time, when they are made at once."""
    source_bytes: int = 0
    """Of the files whose chunks it holds."""
    redacted: Counter[str] = field(default_factory=Counter)
    """Secrets that were taken out of the texts, by kind."""

    @property
    def chunks(self) -> int:
        """How many chunks it will write."""
        return self.postings.chunks

    @property
    def files(self) -> int:
        """How many files it deals with."""
        return len(self.listed) + len(self.contents) + len(self.skipped) + len(self.gone)

    def rows(self, blob_ids: dict[tuple[bytes, str], int]) -> list[FileRow]:
        """Return the rows of its files, given the ids of its new blobs."""
        rows = [FileRow(todo.path, blob, None, todo.signature) for todo, blob in self.listed]
        rows += [FileRow(one.todo.path, blob_ids[one.key], None, one.todo.signature) for one in self.contents]
        rows += [FileRow(todo.path, None, reason, todo.signature) for todo, reason in self.skipped]
        return rows

    def take(self, content: Content, blob_id: int | None, prepared: Prepared) -> None:
        """Take in what was made of a content that is new to the pool, or, with `blob_id`, is to be made anew."""
        if prepared.reason is not None:
            self.skipped.append((content.todo, prepared.reason))
            return
        self.redacted.update(prepared.redacted or {})
        first = self.postings.chunks
        self.source_bytes += content.size
        content = content.cut()
        self.blobs[content.key] = NewBlob(
            content=content,
            id=blob_id,
            lines=prepared.lines,
            first=first,
            chunks=prepared.chunks,
            definitions=prepared.definitions,
            lengths=[self.postings.add(counts) for counts in prepared.counts],
            hashes=prepared.hashes,
            fallback=prepared.fallback,
        )
        self.contents.append(content)
