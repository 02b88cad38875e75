"""Where a symbol is defined and where it is named; by its name, for types are not known here."""

from __future__ import annotations

import asyncio
import difflib
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packhorse.errors import InvalidInputError
from packhorse_search import context_lines as around
from packhorse_search import cursor
from packhorse_search import store as chunks
from packhorse_search.area import narrowed
from packhorse_search.excerpt import shown, tokens
from packhorse_search.kinds import file_kind
from packhorse_search.lookup import grep, page, pattern, store
from packhorse_search.lookup.answer import Definition, FileLines, SymbolAnswer
from packhorse_search.lookup.walk import candidates, walk
from packhorse_search.weights import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from packhorse.database.pool import Database
    from packhorse_indexing.models import Repository
    from packhorse_search.lookup.pattern import Pattern
    from packhorse_search.lookup.store import DefinitionRow, NamedRow
    from packhorse_search.lookup.walk import Candidate, Walk
    from packhorse_search.scope import Scope

MAX_LENGTH = 200
MAX_DEFINITIONS = 2_000
"""Definitions of one name that are looked at."""

SHOWN_DEFINITIONS = 20
CODE_LINES = 12
"""Lines of a definition that are shown when there are few."""

FEW_DEFINITIONS = 3
BUDGET = 2_000
"""Tokens of the definitions' code."""

REFERENCE_LINES = 40
SUGGESTIONS = 5
_NEAR_NAMES = 5_000
_NEAR = 0.7
"""How alike, in 0..1, a name must be to be suggested."""

_SEPARATORS = re.compile(r"::|->|[.#/\\]|:(?=\w)")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: a name, perhaps qualified, such as `Pool.open`; `references` asks for what names it, too."""

    name: str
    references: bool = False
    cursor: str | None = None
    everything: bool = False
    """Every reference, whatever that costs: for people and pipes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read: the parts of the qualified name, and the pattern of a reference."""

    request: Request
    qualifier: tuple[str, ...]
    name: str
    pattern: Pattern


def parse(request: Request) -> Asked:
    """Read a request.

    Raises:
        InvalidInputError: it is no name.
    """
    named = request.name.encode("utf-8", "ignore").decode().replace("\0", "\ufffd")
    written = named.strip().removesuffix("()").strip("`'\" ")
    parts = [part for part in _SEPARATORS.split(written) if part]
    if not parts or len(written) > MAX_LENGTH or "\n" in written or not any(map(str.isalnum, parts[-1])):
        raise InvalidInputError(
            f"name is {request.name[:60]!r}, which is no symbol's.",
            remedy="Give one name, such as open or Pool.open; for other text use grep_code.",
        )
    name = parts[-1]
    return Asked(request, tuple(parts[:-1]), name, pattern.parse(name, literal=True, word=True))


async def answer(database: Database, where: Scope, asked: Asked) -> SymbolAnswer:
    """Answer a request from the index as it is."""
    digest = cursor.digest("symbol", asked.request.name, asked.request.references, grep.scope_of(where))
    first, warnings = grep.begin(asked.request.cursor, digest, where)
    repositories = {repository.id: repository for repository in where.repositories}
    defined = await definitions(database, where, asked)
    suggestions = [] if defined else await _suggestions(database, where, asked.name)
    told = SymbolAnswer(
        definitions=[],
        total_definitions=len(defined),
        suggestions=suggestions,
        with_references=asked.request.references,
        files=[],
        total_lines=0,
        total_files=0,
        is_complete=True,
        warnings=warnings,
    )
    if not first:
        told.definitions = await _shown(database, defined, repositories)
    if asked.request.references:
        await _add_references(database, where, asked, defined, told, first, digest)
    return told


async def definitions(database: Database, where: Scope, asked: Asked) -> list[tuple[int, NamedRow]]:
    """Return the definitions with their pools, best first: as written before another case, source before tests.

    Those whose scope does not end as the qualifier says are left out, unless that leaves none.
    """
    found: list[tuple[int, NamedRow]] = []
    seen: set[tuple[int, int, str, int, str]] = set()
    names = {asked.name, ".".join((*asked.qualifier, asked.name))}
    for area in where.areas:
        async with database.connection() as connection:
            for row in await store.definitions_named(connection, area, names, MAX_DEFINITIONS):
                key = (area.pool_id, row.blob_id, row.path, row.line, row.name)
                if key not in seen:  # a worktree lists the same content at the same path
                    seen.add(key)
                    found.append((area.pool_id, row))
    exact = [one for one in found if one[1].name.endswith(asked.name)]
    qualified = [one for one in exact or found if _is_within(one[1], asked.qualifier)]
    return sorted(qualified or exact or found, key=_order)


def _is_within(row: NamedRow, qualifier: tuple[str, ...]) -> bool:
    scope = [part.lower() for part in _SEPARATORS.split(f"{row.scope or ''}.{row.name}")[:-1] if part]
    where = [*_SEPARATORS.split(row.path.rpartition(".")[0].lower()), *scope]
    wanted = [part.lower() for part in qualifier]
    # A module is written before its members, too: `pool.open` is the function open of pool.py.
    return not wanted or where[-len(wanted) :] == wanted


def _order(one: tuple[int, NamedRow]) -> tuple[float, str, int]:
    row = one[1]
    return -DEFAULT.kinds[file_kind(row.path)], row.path, row.line


async def _shown(
    database: Database, defined: Sequence[tuple[int, NamedRow]], repositories: dict[UUID, Repository]
) -> list[Definition]:
    lines = CODE_LINES if len(defined) <= FEW_DEFINITIONS else 1
    budget = BUDGET
    answer = []
    for pool_id, row in defined[:SHOWN_DEFINITIONS]:
        last = min(row.line + lines - 1, row.end_line or row.line)
        span = around.Span(row.blob_id, row.line, last)
        async with database.connection() as connection:
            text = around.read(span, await chunks.lines(connection, pool_id, [span]))
        content = "\n".join(page.cut(line) for line in text.split("\n"))
        if tokens(content) > budget:
            content = page.cut(text.split("\n", 1)[0])
        budget -= tokens(content)
        answer.append(
            Definition(
                repository=shown(repositories[row.repository_id].path),
                file_path=shown(row.path),
                language=row.language,
                symbol=shown(qualified(row.scope, row.name)),
                kind=row.kind,
                start_line=row.line,
                end_line=row.end_line,
                content=content,
            )
        )
    return answer


async def _add_references(
    database: Database,
    where: Scope,
    asked: Asked,
    defined: Sequence[tuple[int, NamedRow]],
    told: SymbolAnswer,
    first: int,
    digest: bytes,
) -> None:
    files, _ = await candidates(database, where, asked.pattern)
    everything = asked.request.everything
    found = await walk(database, files, first, asked.pattern, sys.maxsize if everything else REFERENCE_LINES)
    _leave_out(found, files, {(pool_id, row.blob_id, row.line) for pool_id, row in defined})
    if everything:
        chosen = page.everything(found, first, len(files))
    else:
        chosen = page.choose(found, first, len(files), REFERENCE_LINES, 0)
    repositories = {repository.id: repository for repository in where.repositories}
    told.files = await page.lines(database, chosen, files, repositories, 0)
    await _add_symbols(database, chosen, files, told.files)
    told.total_lines = found.total
    told.total_files = len(found.lines)
    told.is_complete = first == 0 and found.read == len(files)
    told.searched = grep.searched(first, found, files, is_narrowed=True)
    told.cursor = grep.end(chosen.next, digest, where)
    told.warnings += grep.problems(found, chosen.next)


def _leave_out(found: Walk, files: Sequence[Candidate], defined: set[tuple[int, int, int]]) -> None:
    for place, lines in list(found.lines.items()):
        one = files[place]
        kept = [line for line in lines if (one.pool_id, one.row.blob_id, line.line) not in defined]
        if kept:
            found.lines[place] = kept
        else:
            del found.lines[place]


async def _add_symbols(
    database: Database, chosen: page.Page, files: Sequence[Candidate], shown_files: Sequence[FileLines]
) -> None:
    """Say of each line in which definition it stands."""
    pools: dict[int, set[int]] = {}
    for place, _, _ in chosen.files:
        pools.setdefault(files[place].pool_id, set()).add(files[place].row.blob_id)
    known: dict[tuple[int, int], list[DefinitionRow]] = {}
    for pool_id, blobs in pools.items():
        async with database.connection() as connection:
            found = await store.definitions_of(connection, pool_id, blobs)
        known |= {(pool_id, blob_id): rows for blob_id, rows in found.items()}
    for (place, _, _), one in zip(chosen.files, shown_files, strict=True):
        rows = known.get((files[place].pool_id, files[place].row.blob_id), [])
        for line in one.lines:
            line.symbol = enclosing(rows, line.line)


def enclosing(rows: Sequence[DefinitionRow], line: int) -> str | None:
    """Return the qualified name of the innermost of these definitions that a line lies in."""
    around_it = [row for row in rows if row.line <= line <= (row.end_line or row.line)]
    if not around_it:
        return None
    innermost = max(around_it, key=lambda row: row.line)
    return shown(qualified(innermost.scope, innermost.name))


def qualified(scope: str | None, name: str) -> str:
    """Return a name with what encloses it."""
    return f"{scope}.{name}" if scope else name


async def _suggestions(database: Database, where: Scope, name: str) -> list[str]:
    names: set[str] = set()
    for area in where.areas:
        async with database.connection() as connection:
            passed = await narrowed(connection, area)
            names.update(await store.names_near(connection, passed, name, _NEAR_NAMES))
    return await asyncio.to_thread(_near, name.lower(), names)


def _near(name: str, names: Iterable[str]) -> list[str]:
    folded = {found.lower(): found for found in sorted(names)}
    near = difflib.get_close_matches(name, folded, n=SUGGESTIONS, cutoff=_NEAR)
    parts = sorted((found for found in folded if name in found), key=len)
    return [shown(folded[found]) for found in dict.fromkeys([*near, *parts])][:SUGGESTIONS]
