"""Where an answer goes on: an opaque word that names the next place of one request over one state of the index.

It is a checksum of the request and one of the index beside the number of places given so far, so that a word from
another request is refused, and an index that changed in between is noticed and told. Nothing in it is trusted: who
makes one up gets what a plain request would have given.
"""

from __future__ import annotations

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from packhorse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packhorse_indexing.models import Coverage

_FORM = struct.Struct(">H4s4s2s")  # 12 bytes, which are 16 characters without padding

CHANGED = "The index changed since the first part of this answer; places may come twice or be missing."


class Position(NamedTuple):
    """A place in an answer: how many came before it, and whether the index is as it was when they were given."""

    offset: int
    is_current: bool


def digest(*parts: object) -> bytes:
    """Return 4 bytes that stand for these values."""
    return blake2b("\0".join(map(repr, parts)).encode("utf-8", "surrogatepass"), digest_size=4).digest()


def state(coverage: Iterable[Coverage]) -> bytes:
    """Return 4 bytes that stand for what is indexed of the repositories that were searched."""
    rows = [(str(one.repository_id), one.indexed_at, one.files, one.chunks, one.embedded) for one in coverage]
    return digest(*sorted(rows, key=lambda row: row[0]))


def encode(offset: int, request: bytes, index: bytes) -> str:
    """Return the cursor for the places from `offset` on; `request` and `index` are digests."""
    head = _FORM.pack(offset, request, index, b"\0\0")[:-2]
    return urlsafe_b64encode(head + _checksum(head)).decode()


def decode(cursor: str, request: bytes, index: bytes) -> Position:
    """Return where an answer goes on.

    Raises:
        InvalidInputError: it is none of ours, or of another request.
    """
    offset, asked, seen = _unpack(cursor)
    if asked != request:
        raise InvalidInputError(
            "The cursor belongs to another request.",
            remedy="Repeat the query and filters that it came with, or leave it out to search anew.",
        )
    return Position(offset, seen == index)


def _unpack(cursor: str) -> tuple[int, bytes, bytes]:
    try:
        data = urlsafe_b64decode(cursor.encode())
        offset, asked, seen, checksum = _FORM.unpack(data)
        if checksum == _checksum(data[:-2]):
            return offset, asked, seen
    except (binascii.Error, struct.error, ValueError):
        pass
    raise InvalidInputError(
        f"cursor is {cursor[:40]!r}, which is none.", remedy="Pass on the cursor of the last answer, or leave it out."
    )


def _checksum(head: bytes) -> bytes:
    return blake2b(head, digest_size=2, person=b"cursor").digest()
