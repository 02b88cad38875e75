"""A page of matching lines: as many as were asked for and the budget pays for, with what surrounds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packhorse_search import context_lines as around
from packhorse_search import store as chunks
from packhorse_search.excerpt import shown, tokens
from packhorse_search.lookup.answer import FileLines, Line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from packhorse.database.pool import Database
    from packhorse_indexing.models import Repository
    from packhorse_search.lookup.walk import Candidate, Found, Walk

BUDGET = 6_000
"""Tokens of all lines of an answer."""

LEAST_LINES = 5
"""Matching lines that a file shows before the next one has its turn."""

MAX_TEXT = 200
"""Characters of a line that are shown, around its first match."""

_FRAME = 4
_PATH = 12


@dataclass(frozen=True, slots=True)
class Page:
    """The files to show, with their places among the candidates and their lines, and where the next page begins."""

    files: list[tuple[int, list[Found], int]]
    """Place, lines to show, and how many more match."""
    next: int | None


def choose(found: Walk, first: int, candidates: int, limit: int, context: int) -> Page:
    """Choose what a page shows: whole files in their order, each with its share of `limit` lines.

    Args:
        found: what matches.
        first: the place of the first file that was read.
        candidates: how many files may match in all.
        limit: how many matching lines to show.
        context: lines around each, for what they cost.
    """
    share = max(LEAST_LINES, limit // max(1, len(found.lines)))
    left, budget = limit, BUDGET
    chosen: list[tuple[int, list[Found], int]] = []
    for place, lines in found.lines.items():
        if left <= 0 or budget <= 0:
            return Page(chosen, place)
        kept: list[Found] = []
        budget -= _PATH
        for line in lines[: min(share, left)]:
            cost = tokens(excerpt(line)) * (1 + 2 * context) + _FRAME
            if kept and cost > budget:
                break
            kept.append(line)
            budget -= cost
        left -= len(kept)
        chosen.append((place, kept, len(lines) - len(kept)))
    end = first + found.read
    return Page(chosen, end if end < candidates else None)


def everything(found: Walk, first: int, candidates: int) -> Page:
    """Return a page of all lines that were found."""
    end = first + found.read
    return Page([(place, lines, 0) for place, lines in found.lines.items()], end if end < candidates else None)


def excerpt(line: Found) -> str:
    """Return a line with its hidden characters escaped, cut to what surrounds its first match if it is long."""
    if len(line.text) <= MAX_TEXT:
        return visible(line.text.decode("utf-8", "replace"))
    room = max(0, MAX_TEXT - (line.end - line.start)) // 2
    begin = max(0, min(line.start - room, len(line.text) - MAX_TEXT))
    cut = line.text[begin : begin + MAX_TEXT].decode("utf-8", "ignore")
    return f"{'… ' if begin else ''}{visible(cut)}{' …' if begin + MAX_TEXT < len(line.text) else ''}"


async def lines(
    database: Database,
    page: Page,
    candidates: Sequence[Candidate],
    repositories: dict[UUID, Repository],
    context: int,
) -> list[FileLines]:
    """Return the files of a page with their lines and, if `context` is not 0, so many lines around each."""
    surroundings = await _surroundings(database, page, candidates, context) if context else {}
    answer = []
    for place, found, more in page.files:
        row = candidates[place].row
        matching = [Line(line=one.line, text=excerpt(one)) for one in found]
        numbers = {one.line for one in found}
        beside = surroundings.get(place, {})
        others = [
            Line(line=number, text=cut(text), is_match=False)
            for number, text in beside.items()
            if number not in numbers
        ]
        answer.append(
            FileLines(
                repository=shown(repositories[row.repository_id].path),
                file_path=shown(row.path),
                language=row.language,
                lines=sorted([*matching, *others], key=lambda line: line.line),
                more=more,
            )
        )
    return answer


async def _surroundings(
    database: Database, page: Page, candidates: Sequence[Candidate], context: int
) -> dict[int, dict[int, str]]:
    """Return by the file's place the lines around those that match, by number."""
    found: dict[int, dict[int, str]] = {}
    for place, matching, _ in page.files:
        candidate = candidates[place]
        spans = [around.Span(candidate.row.blob_id, max(1, one.line - context), one.line + context) for one in matching]
        async with database.connection() as connection:
            rows = await chunks.lines(connection, candidate.pool_id, spans)
        found[place] = {}
        for span in spans:
            text = around.read(span, rows)
            found[place] |= dict(enumerate(text.split("\n"), span.first)) if rows else {}
    return found


def cut(text: str) -> str:
    """Return a line with its hidden characters escaped, cut at its end if it is long."""
    return visible(text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " …")


def visible(text: str) -> str:
    """Return text with its hidden characters escaped, tabs as they are."""
    from packhorse.redaction import visible as escaped

    return escaped(text.rstrip(), keep="\t")
