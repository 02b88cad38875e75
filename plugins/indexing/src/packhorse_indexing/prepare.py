"""From the bytes of a file to what is stored of it, as far as it takes neither the database nor other files. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from packhorse_indexing import chunking, decode, lexemes
from packhorse_indexing.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

FALLBACK_LANGUAGE = "text"
"""A file of this language is cut by lines, without parsing."""

_HASH_BYTES = 16


@dataclass(frozen=True, slots=True)
class Source:
    """A file to prepare; `parse` says whether the chunker of its language may be used."""

    path: str
    data: bytes
    language: str
    parse: bool = True


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file's chunks with their lexemes and hashes.

    `reason` says why there are none; `problem` is a sentence when its chunker failed and it was cut by lines instead;
    `redacted` counts the secrets that were taken out, by kind.
    """

    reason: str | None = None
    problem: str | None = None
    lines: int = 0
    chunks: tuple[chunking.Chunk, ...] = ()
    definitions: tuple[chunking.Definition, ...] = ()
    counts: tuple[Mapping[str, int], ...] = ()
    hashes: tuple[bytes, ...] = ()
    redacted: Mapping[str, int] | None = None


def prepare(source: Source) -> Prepared:
    """Decode, redact, chunk and count the words of a file."""
    decoded = decode.decode(source.data, max_bytes=len(source.data))
    if isinstance(decoded, decode.Skipped):
        return Prepared(reason=decoded.reason)
    # PostgreSQL has no room for NUL.
    redacted = redact(decoded.text.replace("\x00", "\ufffd"), source.language)
    text = redacted.text
    problem = None
    try:
        chunked = chunking.chunk(text, source.language if source.parse else FALLBACK_LANGUAGE)
    except Exception as error:  # noqa: BLE001 - a language may come from another plugin
        problem = f"{source.path}: its chunker failed ({type(error).__name__}), so it was cut by lines."
        chunked = chunking.chunk(text, FALLBACK_LANGUAGE)
    return Prepared(
        problem=problem,
        lines=text.count("\n") + (bool(text) and not text.endswith("\n")),
        chunks=tuple(chunked.chunks),
        definitions=tuple(chunked.definitions),
        counts=tuple(dict(lexemes.counts(chunk.content)) for chunk in chunked.chunks),
        hashes=tuple(sha256(chunk.content.encode()).digest()[:_HASH_BYTES] for chunk in chunked.chunks),
        redacted=dict(redacted.kinds),
    )
