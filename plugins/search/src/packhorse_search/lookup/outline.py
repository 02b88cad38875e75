"""What a file defines, or what a folder holds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import commonpath
from typing import TYPE_CHECKING

from packhorse.errors import InvalidInputError, NotFoundError
from packhorse_search import cursor
from packhorse_search.excerpt import shown, tokens
from packhorse_search.kinds import file_kind
from packhorse_search.lookup import grep, store
from packhorse_search.lookup.answer import Entry, OutlineAnswer
from packhorse_search.nearby import folders, nearest
from packhorse_search.weights import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packhorse.database.pool import Database
    from packhorse_indexing.models import Repository
    from packhorse_search.lookup.store import DefinitionRow, ListedRow
    from packhorse_search.scope import Scope

BUDGET = 3_000
"""Tokens of an answer's entries."""

SYMBOLS = 6
"""Names that stand for what a file or folder of a folder defines."""

SUGGESTIONS = 3
_FRAME = 6
_TELLING_FILES = 3
"""Files of a folder whose symbols stand for it."""

_LARGEST_FILES = 10
"""Files among which these are chosen: translations and data are long and define nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """Which file or folder: its path from the repository's root, or absolute; empty for the root itself."""

    path: str = ""
    cursor: str | None = None


async def answer(database: Database, where: Scope, request: Request) -> OutlineAnswer:
    """Answer a request from the index as it is.

    Raises:
        NotFoundError: nothing that is indexed is at the path.
        InvalidInputError: several repositories have it, or the cursor is of another request.
    """
    digest = cursor.digest("outline", request.path, grep.scope_of(where))
    first, warnings = grep.begin(request.cursor, digest, where)
    repository, path, rows = await _find(database, where, request.path)
    if len(rows) == 1 and rows[0].path == path:
        async with database.connection() as connection:
            found = await store.definitions_of(connection, repository.pool_id, [rows[0].blob_id])
        entries = symbols(found.get(rows[0].blob_id, []))
        total = len(entries)
        page = _page(entries, first)
    else:
        children = folder(rows, path)
        total = len(children)
        page = _page([entry for entry, _ in children], first)
        await _add_symbols(database, repository, page, [below for _, below in children[first : first + len(page)]])
    following = first + len(page)
    return OutlineAnswer(
        repository=shown(repository.path),
        path=shown(path),
        entries=page,
        total_count=total,
        cursor=grep.end(following if following < total else None, digest, where),
        warnings=warnings,
    )


async def _find(database: Database, where: Scope, asked: str) -> tuple[Repository, str, list[ListedRow]]:
    found = []
    for repository in where.repositories:
        path = relative(asked, repository.path)
        if path is None:
            continue
        async with database.connection() as connection:
            rows = await store.below(connection, repository.pool_id, repository.id, path)
        if rows:
            found.append((repository, path, rows))
    if not found:
        raise NotFoundError(f"Nothing indexed is at {asked[:200]!r}.", remedy=await _nearest(database, where, asked))
    if len(found) > 1:
        names = ", ".join(repository.path for repository, _, _ in found[:10])
        raise InvalidInputError(
            f"Several repositories have {asked[:200] or 'a root'!r}: {names}.",
            remedy="Give repository_id, or an absolute path.",
        )
    return found[0]


def relative(path: str, root: str) -> str | None:
    """Return a path relative to a repository's root, '' for the root itself; None when it is outside of it."""
    path = path.strip().encode("utf-8", "ignore").decode().replace("\0", "\ufffd")
    if path == root or path.startswith(root.rstrip("/") + "/"):
        path = path[len(root.rstrip("/")) :].lstrip("/")
    elif path.startswith("/"):
        return None
    parts = [part for part in PurePosixPath(path).parts if part != "."]
    return None if ".." in parts else "/".join(parts)


async def _nearest(database: Database, where: Scope, asked: str) -> str:
    paths: list[str] = []
    for area in where.areas:
        async with database.connection() as connection:
            paths += [row.path for row in await store.files(connection, area, None)]
    near = await asyncio.to_thread(lambda: nearest(asked.strip("/"), folders(paths).union(paths), SUGGESTIONS))
    hint = f"Did you mean {', '.join(map(shown, near))}?" if near else ""
    return hint or "Give a path from the repository's root; outline_code without path shows the root."


def symbols(rows: Sequence[DefinitionRow]) -> list[Entry]:
    """Return the symbols of a file in order, each as deep as the definitions around it are many."""
    entries = []
    ends: list[int] = []
    for row in rows:
        last = row.end_line or row.line
        while ends and ends[-1] < last:
            ends.pop()
        entries.append(
            Entry(name=shown(row.name), kind=row.kind, depth=len(ends), start_line=row.line, end_line=row.end_line)
        )
        ends.append(last)
    return entries


def folder(rows: Sequence[ListedRow], path: str) -> list[tuple[Entry, list[ListedRow]]]:
    """Return what is directly in a folder, folders first, with the files below each entry."""
    prefix = f"{path}/" if path else ""
    children: dict[str, list[ListedRow]] = {}
    for row in rows:
        name, slash, _ = row.path[len(prefix) :].partition("/")
        children.setdefault(name + slash, []).append(row)
    found = []
    for name, below in sorted(children.items(), key=lambda child: (not child[0].endswith("/"), child[0])):
        is_folder = name.endswith("/")
        entry = Entry(
            name=shown(_lonely(below, prefix) if is_folder else name),
            kind="folder" if is_folder else below[0].language,
            files=len(below) if is_folder else None,
            end_line=None if is_folder else below[0].lines,
        )
        found.append((entry, below))
    return found


def _lonely(below: Sequence[ListedRow], prefix: str) -> str:
    """Name the folder that holds these files and, while there is nothing else in it, the folder in that."""
    ends = (min(row.path for row in below), max(row.path for row in below))
    return commonpath([path[len(prefix) :].rpartition("/")[0] for path in ends]) + "/"


def _page(entries: Sequence[Entry], first: int) -> list[Entry]:
    budget = BUDGET
    page: list[Entry] = []
    for entry in entries[first:]:
        # The names that stand for what is below are not known yet.
        budget -= tokens(entry.name) + _FRAME + (SYMBOLS * _FRAME if entry.start_line is None else 0)
        if page and budget < 0:
            break
        page.append(entry)
    return page


async def _add_symbols(
    database: Database, repository: Repository, page: Sequence[Entry], below: Sequence[Sequence[ListedRow]]
) -> None:
    """Name what each entry defines: of its files the longest, plain source first."""
    telling = [
        sorted(files, key=lambda row: (-DEFAULT.kinds[file_kind(row.path)], -row.lines, row.path))[:_LARGEST_FILES]
        for files in below
    ]
    blobs = {row.blob_id for files in telling for row in files}
    async with database.connection() as connection:
        known = await store.definitions_of(connection, repository.pool_id, blobs, outermost=True)
    for entry, files in zip(page, telling, strict=True):
        entry.symbols = top_symbols([known.get(row.blob_id, []) for row in files])


def top_symbols(files: Sequence[Sequence[DefinitionRow]]) -> list[str]:
    """Return names of what files define outermost, the longest definitions first, a few of each file."""
    defining = [list(rows) for rows in files if rows][:_TELLING_FILES]
    share = max(1, SYMBOLS // max(1, len(defining)))
    names: dict[str, None] = {}
    for outer in defining:
        outer.sort(key=lambda row: (row.line - (row.end_line or row.line), row.line))
        names.update(dict.fromkeys(shown(row.name) for row in outer[:share]))
    return list(names)
