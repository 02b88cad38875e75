"""Where in a text one of a few hundred short literals stands, at hundreds of megabytes a second."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_WINDOW = 4
_BUCKETS = 8
# Sets the bit in which the cases of a letter differ; what it does to signs it does to those of the literals too.
_FOLD = np.uint32(0x20202020)
_MULTIPLIER = np.uint32(2654435769)
_SHIFT = np.uint32(16)
_EVERY = bytes(range(256))
# Bytes of source code by how frequent they are, in percent: a space is one in five, most signs fewer than one in a
# hundred.
_COMMON = {" ": 20, "e": 7.5, "t": 6, "r": 4.5, "a": 4.5, "n": 4.5, "s": 4.5, "i": 4.5, "o": 4.5, "c": 2.7, "l": 2.7,
           "d": 2.5, "p": 2.2, "u": 2, "m": 1.8, "f": 1.8, "_": 1.6, "h": 1.5, "g": 1.3, ".": 1.3, "b": 1, "y": 1,
           ",": 1, "(": 1, ")": 1, "=": 1, "x": 0.8, "v": 0.8, "k": 0.7, "w": 0.7, "-": 0.8, "\"": 0.8}  # fmt: skip
_FREQUENCY = [_COMMON.get(chr(byte), 0.25) / 100 for byte in range(256)]


class Anchors:
    """A set of literals of 3 or 4 ASCII characters, found whatever their case.

    This is the Teddy algorithm of the Hyperscan project with `bytes.translate` in the place of its shuffles: the
    literals are dealt into eight buckets, a table for each of the four places says which buckets allow a byte there,
    and where the four answers have a bit in common a literal of that bucket may begin. What is left, a tenth of the
    places, is looked up by its hash.

    Args:
        literals: in lower case.
    """

    def __init__(self, literals: Iterable[str]) -> None:
        encoded = sorted({literal.encode("ascii") for literal in literals})
        long = [one for one in encoded if len(one) == _WINDOW]
        short = [one for one in encoded if len(one) == _WINDOW - 1]
        buckets = _deal(encoded)
        self._tables = [_table(buckets, place) for place in range(_WINDOW)]
        self._long, self._short = _hashed(long, 0xFFFFFFFF), _hashed(short, 0xFFFFFF)

    def find(self, data: bytes) -> list[int]:
        """Return the offsets at which a literal begins, ascending, and few others."""
        padded = data + b"\0" * (_WINDOW - 1)
        size = len(data)
        found = np.frombuffer(padded.translate(self._tables[0]), np.uint8)[:size].copy()
        for place in range(1, _WINDOW):
            found &= np.frombuffer(padded.translate(self._tables[place]), np.uint8)[place : place + size]
        at = np.flatnonzero(found != 0)
        windows: NDArray[np.uint32] = np.ndarray((size,), np.dtype("<u4"), padded, strides=(1,))[at] | _FOLD
        places: list[int] = at[self._long[_hash(windows)] | self._short[_hash(windows & np.uint32(0xFFFFFF))]].tolist()
        return places


def _hash(windows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    hashes: NDArray[np.uint32] = (windows * _MULTIPLIER) >> _SHIFT
    return hashes


def _hashed(literals: list[bytes], mask: int) -> NDArray[np.bool_]:
    table = np.zeros(1 << (32 - int(_SHIFT)), np.bool_)
    windows: NDArray[np.uint32] = np.array([int.from_bytes(literal, "little") for literal in literals], np.uint32)
    table[_hash((windows | _FOLD) & np.uint32(mask))] = True
    return table


def _deal(literals: list[bytes]) -> list[list[bytes]]:
    """Deal literals into buckets, each into the one that it makes let the fewest places of a text more pass."""
    buckets: list[list[bytes]] = [[] for _ in range(_BUCKETS)]
    allowed: list[list[set[int]]] = [[set() for _ in range(_WINDOW)] for _ in range(_BUCKETS)]
    shares = [[0.0] * _WINDOW for _ in range(_BUCKETS)]  # of a text's bytes that are allowed in a place
    for literal in sorted(literals, key=lambda one: -math.prod(_FREQUENCY[byte] for byte in one)):
        grown = [
            [
                1.0 if place == len(literal) else share + _FREQUENCY[literal[place]] * (literal[place] not in known)
                for place, (share, known) in enumerate(zip(shares[bucket], allowed[bucket], strict=True))
            ]
            for bucket in range(_BUCKETS)
        ]
        best = min(range(_BUCKETS), key=lambda bucket: math.prod(grown[bucket]) - math.prod(shares[bucket]))
        buckets[best].append(literal)
        shares[best] = grown[best]
        for place, known in enumerate(allowed[best]):
            known.update(literal[place : place + 1] or _EVERY)
    return buckets


def _table(buckets: list[list[bytes]], place: int) -> bytes:
    table = bytearray(256)
    for bit, literals in enumerate(buckets):
        for literal in literals:
            anything = place >= len(literal)
            allowed = range(256) if anything else (literal[place], *literal[place : place + 1].upper())
            for byte in allowed:
                table[byte] |= 1 << bit
    return bytes(table)
