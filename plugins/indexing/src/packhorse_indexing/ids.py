"""The ids of chunks as clients see them: a UUIDv8 that carries the pool, the chunk and a checksum."""

from __future__ import annotations

import struct
import uuid
from zlib import crc32

_TAG = 0x7068  # "ph"; marks our UUIDs among the others of version 8
_PAIR = struct.Struct(">II")


def chunk_uuid(pool_id: int, chunk_id: int) -> uuid.UUID:
    """Return the public id of a chunk; the same pair always gives the same id, in every process."""
    check = crc32(_PAIR.pack(pool_id, chunk_id)) & 0xFFF
    value = _TAG << 112 | pool_id << 80 | 0x8 << 76 | check << 64 | 0b10 << 62 | chunk_id
    return uuid.UUID(int=value)


def parse_chunk_uuid(value: uuid.UUID) -> tuple[int, int] | None:
    """Return (pool id, chunk id) of a public chunk id, or None when it is no id of ours."""
    pool_id, chunk_id = value.int >> 80 & 0xFFFFFFFF, value.int & 0xFFFFFFFF
    return (pool_id, chunk_id) if chunk_uuid(pool_id, chunk_id) == value else None
