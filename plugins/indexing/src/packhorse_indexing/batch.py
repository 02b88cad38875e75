"""A batch: files read, decoded, chunked and turned into rows, everything but their ids, before a transaction begins."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from packhorse_indexing import chunking, decode, lexemes
from packhorse_indexing.plan import file_row
from packhorse_indexing.postings import Postings
from packhorse_indexing.secrets import redact

if TYPE_CHECKING:
    from packhorse_indexing.plan import Todo
    from packhorse_indexing.store.content import FileRow

HEAD_BYTES = 4096
"""What language detection looks at."""

FALLBACK_LANGUAGE = "text"
"""A file of this language is cut by lines, without parsing."""

_HASH_BYTES = 16


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes on their way to becoming a blob."""

    todo: Todo
    data: bytes
    hash: bytes
    language: str

    @property
    def key(self) -> tuple[bytes, str]:
        """What identifies the blob within a pool."""
        return self.hash, self.language


@dataclass(slots=True)
class NewBlob:
    """A blob to write: its chunks are the batch's from `first` on; `id` is set when a known one is made anew."""

    content: Content
    id: int | None
    lines: int
    first: int
    chunks: list[chunking.Chunk]
    definitions: list[chunking.Definition]
    lengths: list[int]
    hashes: list[bytes]


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
        rows = [file_row(todo.path, blob, None, todo.signature) for todo, blob in self.listed]
        rows += [file_row(one.todo.path, blob_ids[one.key], None, one.todo.signature) for one in self.contents]
        rows += [file_row(todo.path, None, reason, todo.signature) for todo, reason in self.skipped]
        return rows

    def add(self, content: Content, blob_id: int | None, *, parse: bool) -> str | None:
        """Chunk a content that is new to the pool (or, with `blob_id`, is to be made anew) and take it in.

        Args:
            content: what was read.
            blob_id: the blob to make anew.
            parse: whether the language's own chunker may be used; without, the file is cut by lines.

        Returns:
            A sentence when the chunker failed and the file was cut by lines instead.
        """
        decoded = decode.decode(content.data, max_bytes=len(content.data))
        if isinstance(decoded, decode.Skipped):
            self.skipped.append((content.todo, decoded.reason))
            return None
        # PostgreSQL has no room for NUL.
        redacted = redact(decoded.text.replace("\x00", "\ufffd"), content.language)
        self.redacted.update(redacted.kinds)
        text = redacted.text
        problem = None
        try:
            chunked = chunking.chunk(text, content.language if parse else FALLBACK_LANGUAGE)
        except Exception as error:  # noqa: BLE001 - a language may come from another plugin
            problem = f"{content.todo.path}: its chunker failed ({type(error).__name__}), so it was cut by lines."
            chunked = chunking.chunk(text, FALLBACK_LANGUAGE)
        first = self.postings.chunks
        self.blobs[content.key] = NewBlob(
            content=content,
            id=blob_id,
            lines=text.count("\n") + (bool(text) and not text.endswith("\n")),
            first=first,
            chunks=chunked.chunks,
            definitions=chunked.definitions,
            lengths=[self.postings.add(lexemes.counts(chunk.content)) for chunk in chunked.chunks],
            hashes=[sha256(chunk.content.encode()).digest()[:_HASH_BYTES] for chunk in chunked.chunks],
        )
        self.contents.append(content)
        return problem
