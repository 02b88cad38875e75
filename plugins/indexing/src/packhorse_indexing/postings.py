"""The postings of a batch, gathered while its chunks are made and sorted once."""

from __future__ import annotations

from array import array
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from packhorse_indexing.store.copying import Posting

MAX_FREQUENCY = 255
MAX_LENGTH = 65535


class Postings:
    """The lexemes of chunks numbered 0, 1, 2 … in the order in which they are added."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict(count().__next__)
        self._lexemes = array("i")
        self._frequencies = array("i")
        self._distinct = array("i")
        self._lengths = array("i")

    def add(self, counts: Mapping[str, int]) -> int:
        """Add the next chunk's lexemes with their frequencies; return the chunk's length, their sum."""
        self._lexemes.extend(map(self._numbers.__getitem__, counts))
        self._frequencies.extend(counts.values())
        self._distinct.append(len(counts))
        length = sum(counts.values())
        self._lengths.append(length)
        return length

    @property
    def chunks(self) -> int:
        """How many chunks were added."""
        return len(self._lengths)

    @property
    def length(self) -> int:
        """The sum of the chunks' lengths."""
        return sum(self._lengths)

    def rows(self, first_chunk: int) -> Iterator[Posting]:
        """Yield each lexeme's posting, in the order of the lexemes; the chunks are numbered from `first_chunk`."""
        names = sorted(self._numbers)
        place = np.empty(len(names), dtype=np.int32)
        place[np.fromiter(map(self._numbers.__getitem__, names), dtype=np.int32, count=len(names))] = np.arange(
            len(names), dtype=np.int32
        )
        distinct = np.asarray(self._distinct, dtype=np.int32)
        lengths = np.minimum(np.asarray(self._lengths, dtype=np.int64), MAX_LENGTH).astype(np.uint16)
        lexemes = place[np.asarray(self._lexemes, dtype=np.int32)] if names else np.empty(0, dtype=np.int32)
        order = np.argsort(lexemes, kind="stable")
        chunks = np.repeat(np.arange(len(distinct), dtype=np.int32), distinct)[order]
        frequencies = np.minimum(np.asarray(self._frequencies, dtype=np.int64), MAX_FREQUENCY).astype(np.uint8)[order]
        bounds = np.searchsorted(lexemes[order], np.arange(len(names) + 1, dtype=np.int32)).tolist()
        yield from _slices(names, bounds, chunks + np.int32(first_chunk), frequencies, lengths[chunks])


def _slices(
    names: list[str],
    bounds: list[int],
    chunk_ids: NDArray[np.int32],
    frequencies: NDArray[np.uint8],
    lengths: NDArray[np.uint16],
) -> Iterator[Posting]:
    for name, start, end in zip(names, bounds, bounds[1:], strict=False):
        yield name, chunk_ids[start:end], frequencies[start:end], lengths[start:end]
