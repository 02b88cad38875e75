"""Rows in PostgreSQL's binary COPY format, made a whole array at a time.

The format: a header, for each row the number of its fields and then each field's length and bytes, and a trailer,
all big-endian (PostgreSQL's documentation of COPY, "Binary Format").
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Posting = tuple[str, NDArray[np.int32], NDArray[np.uint8], NDArray[np.uint16]]
    """A lexeme with its chunk ids in ascending order, frequencies and chunk lengths, all of equal length."""

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

_BLOCK = 1 << 20
_BLOCK_ROWS = 2000
_POSTING_HEAD = struct.Struct(">hiii")
_LENGTH = struct.Struct(">i")


def embedding_rows(
    pool_id: int, chunk_ids: NDArray[np.int32], blob_ids: NDArray[np.int32], vectors: NDArray[np.floating]
) -> Iterator[bytes]:
    """Yield the COPY of the rows (pool, chunk, blob, halfvec) in blocks; `vectors` has shape (n, dimensions)."""
    count, dimensions = vectors.shape
    row = np.dtype(
        [
            ("fields", ">i2"),
            ("pool_length", ">i4"),
            ("pool", ">i4"),
            ("chunk_length", ">i4"),
            ("chunk", ">i4"),
            ("blob_length", ">i4"),
            ("blob", ">i4"),
            ("vector_length", ">i4"),
            ("dimensions", ">i2"),
            ("unused", ">i2"),
            ("vector", ">f2", (dimensions,)),
        ]
    )
    yield HEADER
    for start in range(0, count, _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        rows = np.zeros(len(chunk_ids[block]), dtype=row)
        rows["fields"] = 4
        rows["pool_length"] = rows["chunk_length"] = rows["blob_length"] = 4
        rows["pool"], rows["chunk"], rows["blob"] = pool_id, chunk_ids[block], blob_ids[block]
        rows["vector_length"] = 4 + 2 * dimensions
        rows["dimensions"] = dimensions
        rows["vector"] = vectors[block]
        yield rows.tobytes()
    yield TRAILER


def posting_rows(pool_id: int, segment: int, postings: Iterable[Posting]) -> Iterator[bytes]:
    """Yield the COPY of the rows (pool, lexeme, segment, chunk ids, frequencies, lengths) in blocks of some MB."""
    segment_field = struct.pack(">ii", 4, segment)
    parts, size = [HEADER], 0
    for lexeme, chunk_ids, frequencies, lengths in postings:
        name = lexeme.encode()
        count = len(chunk_ids)
        parts += (
            _POSTING_HEAD.pack(6, 4, pool_id, len(name)),
            name,
            segment_field,
            _LENGTH.pack(4 * count),
            chunk_ids.astype("<i4", copy=False).tobytes(),
            _LENGTH.pack(count),
            frequencies.tobytes(),
            _LENGTH.pack(2 * count),
            lengths.astype("<u2", copy=False).tobytes(),
        )
        size += 7 * count
        if size > _BLOCK:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join((*parts, TRAILER))
