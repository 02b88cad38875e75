"""Reading candidate files in the order in which they are shown, until the page is full and the budget spent."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from packhorse_search.kinds import file_kind
from packhorse_search.lookup import narrow, store
from packhorse_search.weights import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packhorse.database.pool import Database
    from packhorse_search.lookup.pattern import Pattern
    from packhorse_search.lookup.store import FileRow, TextRow
    from packhorse_search.scope import Scope

SECONDS = 1.5
"""How long one answer may read; it then says how far it came."""

SECONDS_FULL = 0.1
"""How long it goes on reading, from its beginning, when there is enough to show and only the count would grow."""

MAX_CHUNKS = 30_000
"""Chunks that one answer reads, some 30 MB; those that PostgreSQL passes over for a text they lack count a tenth."""

_BATCHES = (100, 400, 1_600)
"""Chunks of the first batches and of all later ones: a full page ends soon, a long way has few round trips."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may match."""

    pool_id: int
    row: FileRow


class Found(NamedTuple):
    """A line that matches, its number from 1; `start` and `end` of its first match are in bytes."""

    line: int
    text: bytes
    start: int
    end: int


@dataclass(slots=True)
class Walk:
    """How far the reading came: the lines of each file that has some, by its place among the candidates."""

    lines: dict[int, list[Found]] = field(default_factory=dict)
    read: int = 0
    """Candidates that were read, from the first asked for."""
    passed_over: int = 0
    """Texts that were not matched because they are too long for a pattern so intricate."""

    @property
    def total(self) -> int:
        """How many lines match."""
        return sum(map(len, self.lines.values()))


async def candidates(database: Database, where: Scope, pattern: Pattern) -> tuple[list[Candidate], bool]:
    """Return the files that may match, in the order in which they are shown, and whether the index narrowed them.

    Plain source comes before tests, examples, documentation and the like, files with more candidate chunks before
    those with fewer.
    """
    found: dict[tuple[int, int, str], Candidate] = {}
    is_narrowed = True
    for area in where.areas:
        async with database.connection() as connection:
            known = await narrow.candidates(connection, area, pattern.required)
            is_narrowed &= known.by_index
            for row in await store.files(connection, area, known.chunks):
                # A worktree lists the same content at the same path.
                found.setdefault((area.pool_id, row.blob_id, row.path), Candidate(area.pool_id, row))
    return sorted(found.values(), key=_order), is_narrowed


def _order(candidate: Candidate) -> tuple[float, int, str, int]:
    row = candidate.row
    size = 0 if row.chunks is None else row.size
    return -DEFAULT.kinds[file_kind(row.path)], -size, row.path, candidate.pool_id


async def walk(database: Database, files: Sequence[Candidate], first: int, pattern: Pattern, enough: int) -> Walk:
    """Read the files from `first` on; `enough` lines are a full page."""
    began = time.monotonic()
    until, until_full = began + SECONDS, began + SECONDS_FULL
    result = Walk()
    left = float(MAX_CHUNKS)
    for batch in _batches(files[first:]):
        cost = sum(_cost(one, pattern) for one in batch)
        if result.read and (time.monotonic() > until or left < cost):
            break
        if result.total >= enough and time.monotonic() > until_full:
            break
        left -= cost
        texts: dict[tuple[int, int], list[TextRow]] = {}
        for pool_id, rows in _by_pool(batch):
            async with database.connection() as connection:
                found = await store.texts(connection, pool_id, rows, pattern.required.run)
            texts |= {(pool_id, blob_id): chunks for blob_id, chunks in found.items()}
        await asyncio.to_thread(_match, result, first, batch, texts, pattern, until, until_full, enough)
    return result


def _cost(candidate: Candidate, pattern: Pattern) -> float:
    return candidate.row.size / (10 if candidate.row.chunks is None and pattern.required.run else 1)


def _batches(files: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    sizes = iter(_BATCHES)
    limit = next(sizes)
    batch: list[Candidate] = []
    size = 0
    for one in files:
        batch.append(one)
        size += one.row.size
        if size >= limit:
            yield batch
            batch, size, limit = [], 0, next(sizes, limit)
    if batch:
        yield batch


def _by_pool(batch: Iterable[Candidate]) -> Iterable[tuple[int, list[FileRow]]]:
    pools: dict[int, list[FileRow]] = {}
    for one in batch:
        pools.setdefault(one.pool_id, []).append(one.row)
    return pools.items()


def _match(
    result: Walk,
    first: int,
    batch: Sequence[Candidate],
    texts: dict[tuple[int, int], list[TextRow]],
    pattern: Pattern,
    until: float,
    until_full: float,
    enough: int,
) -> None:
    total = result.total
    for one in batch:
        if total >= enough and time.monotonic() > until_full:
            return
        lines: list[Found] = []
        for row in texts.get((one.pool_id, one.row.blob_id), ()):
            # Before every text, so that the slowest pattern overruns by one of them.
            if time.monotonic() > until:
                if result.read:
                    return
                # The first file has taken all the time; the next page must not begin with it again.
                result.passed_over += 1
                continue
            text = row.content.replace(b"\r\n", b"\n")
            if not pattern.is_cheap(text):
                result.passed_over += 1
                continue
            lines += [Found(row.start_line + hit.line, hit.text, hit.start, hit.end) for hit in pattern.hits(text)]
        if lines:
            result.lines[first + result.read] = lines
            total += len(lines)
        result.read += 1
