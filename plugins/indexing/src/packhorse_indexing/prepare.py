"""From the bytes of a file to what is stored of it, as far as it takes neither the database nor other files. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from packhorse_indexing import bounds, chunking, decode, lexemes
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

    `reason` says why there are none; `fallback` why it was cut by lines although its language has a chunker, and
    `failed` that this is a defect of that chunker; `redacted` counts the secrets that were taken out, by kind.
    """

    reason: str | None = None
    fallback: str | None = None
    failed: bool = False
    lines: int = 0
    chunks: tuple[chunking.Chunk, ...] = ()
    definitions: tuple[chunking.Definition, ...] = ()
    counts: tuple[Mapping[str, int], ...] = ()
    hashes: tuple[bytes, ...] = ()
    redacted: Mapping[str, int] | None = None


def prepare(source: Source) -> Prepared:
    """Decode, redact, chunk and count the words of a file, within `bounds`."""
    try:
        bounds.start()
        return _prepare(source)
    except (bounds.TooMuchError, MemoryError):
        return Prepared(reason="too slow")


def _prepare(source: Source) -> Prepared:
    # The pictures of a notebook are in long lines; what was written in it is not.
    is_notebook = source.language == chunking.NOTEBOOK
    decoded = decode.decode(source.data, max_bytes=len(source.data), long_lines=is_notebook)
    if isinstance(decoded, decode.Skipped):
        return Prepared(reason=decoded.reason)
    # PostgreSQL has no room for NUL.
    redacted = redact(decoded.text.replace("\x00", "\ufffd"), source.language)
    text = redacted.text
    chunked, failure = _cut(text, source)
    return Prepared(
        fallback=failure or chunked.fallback,
        failed=failure is not None,
        lines=text.count("\n") + (bool(text) and not text.endswith("\n")),
        chunks=tuple(chunked.chunks),
        definitions=tuple(chunked.definitions),
        counts=tuple(_counts(chunk) for chunk in chunked.chunks),
        hashes=tuple(sha256(chunk.content.encode()).digest()[:_HASH_BYTES] for chunk in chunked.chunks),
        redacted=dict(redacted.kinds),
    )


def _counts(chunk: chunking.Chunk) -> Mapping[str, int]:
    return {lexemes.UNCOUNTED: 1} if chunk.kind == chunking.OUTPUT else dict(lexemes.counts(chunk.content))


def _cut(text: str, source: Source) -> tuple[chunking.Chunked, str | None]:
    """Cut a text along its syntax, or by lines; then with the reason when that is a defect of its chunker."""
    if not source.parse:
        return chunking.chunk(text, FALLBACK_LANGUAGE), "cutting it along its syntax killed the worker"
    try:
        bounds.cut()
        chunked = chunking.chunk(text, source.language)
        bounds.rest()
    except bounds.TooMuchError:
        failure = f"its chunker took longer than {bounds.CPU_SECONDS:g} s"
    except MemoryError:
        failure = f"its chunker took more than {bounds.MEMORY // 1_000_000} MB of memory"
    except chunking.ChunkerError as error:
        failure = f"its chunker failed: {error}"
    except Exception as error:  # noqa: BLE001 - a language or chunker may come from another plugin
        failure = f"its chunker failed ({type(error).__name__})"
    else:
        return chunked, None
    bounds.rest()
    return chunking.chunk(text, FALLBACK_LANGUAGE), failure
