"""Lines that match a text or a regular expression."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packhorse.errors import InvalidInputError
from packhorse_search import cursor
from packhorse_search.lookup import page, pattern
from packhorse_search.lookup.answer import LinesAnswer
from packhorse_search.lookup.walk import candidates, walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packhorse.database.pool import Database
    from packhorse_search.lookup.pattern import Pattern
    from packhorse_search.lookup.walk import Candidate, Walk
    from packhorse_search.scope import Scope

MAX_LINES = 200
MAX_CONTEXT_LINES = 10
LARGEST_CURSOR = 65_535
"""Files that a cursor counts."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is looked for; `limit` counts matching lines, `context_lines` those to show before and after each."""

    pattern: str
    literal: bool = False
    ignore_case: bool = False
    word: bool = False
    context_lines: int = 0
    limit: int = 40
    cursor: str | None = None
    everything: bool = False
    """Every line of each file, whatever that costs: for people and pipes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read."""

    request: Request
    pattern: Pattern


def parse(request: Request) -> Asked:
    """Read a request.

    Raises:
        InvalidInputError: the pattern or a number cannot be meant.
    """
    if not 1 <= request.limit <= MAX_LINES:
        raise InvalidInputError(f"limit is {request.limit}; it may be 1 to {MAX_LINES}.")
    if not 0 <= request.context_lines <= MAX_CONTEXT_LINES:
        raise InvalidInputError(f"context_lines is {request.context_lines}; it may be 0 to {MAX_CONTEXT_LINES}.")
    return Asked(
        request,
        pattern.parse(request.pattern, literal=request.literal, ignore_case=request.ignore_case, word=request.word),
    )


async def answer(database: Database, where: Scope, asked: Asked) -> LinesAnswer:
    """Answer a request from the index as it is."""
    request = asked.request
    digest = cursor.digest("grep", request.pattern, request.literal, request.ignore_case, request.word, scope_of(where))
    first, warnings = begin(request.cursor, digest, where)
    files, is_narrowed = await candidates(database, where, asked.pattern)
    found = await walk(database, files, first, asked.pattern, sys.maxsize if request.everything else request.limit)
    if request.everything:
        chosen = page.everything(found, first, len(files))
    else:
        chosen = page.choose(found, first, len(files), request.limit, request.context_lines)
    repositories = {repository.id: repository for repository in where.repositories}
    return LinesAnswer(
        files=await page.lines(database, chosen, files, repositories, request.context_lines),
        total_lines=found.total,
        total_files=len(found.lines),
        is_complete=first == 0 and found.read == len(files),
        searched=searched(first, found, files, is_narrowed=is_narrowed),
        cursor=end(chosen.next, digest, where),
        warnings=[*warnings, *problems(found, chosen.next)],
    )


def scope_of(where: Scope) -> tuple[object, ...]:
    """Return what tells one scope from another, for the digest of a request."""
    return tuple(sorted(str(repository.id) for repository in where.repositories)), repr(where.filter)


def begin(word: str | None, digest: bytes, where: Scope) -> tuple[int, list[str]]:
    """Return the place of the first candidate to read, and what is to be said about the cursor."""
    if not word:
        return 0, []
    position = cursor.decode(word, digest, cursor.state(where.coverage.values()))
    return position.offset, [] if position.is_current else [cursor.CHANGED]


def end(place: int | None, digest: bytes, where: Scope) -> str | None:
    """Return the cursor for the page that begins at a place, if there is one."""
    if place is None or place > LARGEST_CURSOR:
        return None
    return cursor.encode(place, digest, cursor.state(where.coverage.values()))


def searched(first: int, found: Walk, files: Sequence[Candidate], *, is_narrowed: bool) -> str:
    """Say how much was read, where that was not everything that may match."""
    end = first + found.read
    if first or end < len(files):
        what = "that may match" if is_narrowed else "searched"
        return f"files {first + 1} to {end} of {len(files)} {what}"
    return "" if is_narrowed else f"all {len(files)} files were read: the pattern has no word to look up"


def problems(found: Walk, place: int | None) -> list[str]:
    """Say what may be missing beside what a cursor gives."""
    said = []
    if found.passed_over:
        said.append(f"{found.passed_over} chunks were not searched: they are too long for a pattern so intricate.")
    if place is not None and place > LARGEST_CURSOR:
        said.append("There is more than a cursor reaches; narrow it with directory.")
    return said
