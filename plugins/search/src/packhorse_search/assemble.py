"""From ranked chunks to results: excerpts within the token budget, context, tasks, and why each is there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packhorse.database import reading
from packhorse_indexing.ids import chunk_uuid
from packhorse_search import context_lines as around
from packhorse_search import store
from packhorse_search.answer import SearchResult, TaskLink
from packhorse_search.candidates import ChunkKey
from packhorse_search.excerpt import excerpt, shown, shown_lines, tokens
from packhorse_search.kinds import FileKind
from packhorse_search.links import task_links
from packhorse_search.signals import CONTRIBUTED
from packhorse_search.store import Content

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packhorse.context import PluginContext
    from packhorse_indexing.models import Repository
    from packhorse_search.candidates import Candidate
    from packhorse_search.excerpt import Excerpt
    from packhorse_search.query import Query
    from packhorse_search.rank import Ranked
    from packhorse_search.scope import Scope

CAP = 19_000
"""Tokens, carefully estimated, of a whole answer, which is sent as text and as structured data; clients give up at
25,000 or less."""

BUDGET = 6_000
"""Tokens of all contents, in each of the two forms, where lines were asked for."""

CONCISE_BUDGET = 1_500
"""The same where none were, for ten results; what comes later may cost `_LEAST` each."""

LINES = (50, 12, 12)
"""Lines of the first results unless asked otherwise: the first whole, two to compare it with. Of later ones a line is
shown, that of the definition mostly; see `docs/retrieval.md` for what was measured."""

MAX_MORE = 10
"""Files that are named after the results."""

_FRAME = 200
"""Tokens of a result without its content, in both forms together."""

_EXPLANATION = 160
"""Tokens of an explanation, likewise."""

_LEAST = 85
"""Tokens that are kept for each later result: a line of the greatest length."""

_TELLING = 0.05
"""A signal worth less is not named as a reason."""

_ENCLOSING = frozenset({"namespace", "module", "package"})
"""Kinds of chunks whose own line says little beside what they hold."""

_REASONS = {
    "definition": "defines it",
    "word for word": "word for word",
    "path": "path",
    "file name": "file name",
    "meaning of file name": "meaning of file name",
    "symbol": "symbol",
    "words": "words",
    "meaning": "meaning",
}
"""What is said of a signal; the rest of the file speaks for the file, not for the place."""


@dataclass(frozen=True, slots=True)
class Form:
    """How much of each place is shown.

    `max_lines` None leaves it to the place's rank: `plan` has the lines of the first, of others one is shown.
    `detailed` shows whole chunks and what each score was summed from.
    """

    max_lines: int | None = None
    context_lines: int = 0
    detailed: bool = False
    explain: bool = False
    plan: tuple[int, ...] = LINES

    def lines(self, place: int) -> int:
        """Return how many lines the result at this place of the ranking, from 0, may have."""
        if self.max_lines is not None:
            return self.max_lines
        if self.detailed:
            return BUDGET
        return self.plan[place] if place < len(self.plan) else 1

    def budget(self, count: int) -> int:
        """Return the tokens of the contents of so many results."""
        fits = (CAP - count * (_FRAME + _EXPLANATION * (self.detailed or self.explain))) // 2
        roomy = self.detailed or self.context_lines or self.max_lines is not None
        return min(fits, BUDGET if roomy else CONCISE_BUDGET + _LEAST * max(0, count - 10))


CONCISE = Form()
"""What an agent gets unless it asks otherwise."""


async def results(
    context: PluginContext, asked: Query, where: Scope, ranked: Sequence[Ranked], offset: int, form: Form
) -> list[SearchResult]:
    """Return the results of a page, best first; fewer than `ranked` when no more fit.

    Args:
        context: the plugin's, for the database and the hooks.
        asked: the query.
        where: the repositories that were searched.
        ranked: what the page is to show.
        offset: how many places come before it.
        form: how much of each is shown.
    """
    repositories = {repository.id: repository for repository in where.repositories}
    contents, tasks = await asyncio.gather(_contents(context, ranked), _tasks(context, repositories.values(), ranked))
    ranked = _described(ranked, contents)
    cuts = _excerpts(asked, ranked, offset, form)
    surroundings = await _surroundings(context, ranked, cuts, form.context_lines)
    answer: list[SearchResult] = []
    named: set[str] = set()
    left = form.budget(len(ranked))
    for entry, cut, (before, after) in zip(ranked, cuts, surroundings, strict=True):
        left -= tokens(cut.content) + (tokens(before + after) if before or after else 0)
        if left < 0 and answer:
            break
        candidate = entry.candidate
        repository = repositories[candidate.file.repository_id]
        shown_whole = len(cut.content.split("\n")) == candidate.end_line - candidate.start_line + 1
        whole = [candidate.start_line, candidate.end_line] if cut.truncated and not shown_whole else []
        answer.append(
            SearchResult(
                chunk_id=str(chunk_uuid(*candidate.key)),
                repository=shown(repository.path),
                file_path=shown(candidate.file.path),
                start_line=cut.start_line,
                end_line=cut.end_line,
                symbol=shown(qualified(candidate.scope, _symbol(asked, candidate, cut.content))) or None,
                language=candidate.file.language,
                similarity_score=round(entry.score, 2),
                why=_why(entry),
                content=cut.content,
                context_before=before,
                context_after=after,
                chunk_lines=whole,
                tasks=_once(tasks.get((repository.path, candidate.file.path), []), named),
                explain={name: round(value, 4) for name, value in entry.signals.items()}
                if form.detailed or form.explain
                else {},
            )
        )
    return answer


def more(where: Scope, ordered: Sequence[Candidate], given: int) -> list[str]:
    """Name a place in each of the files that come after the results given, best first."""
    several = len(where.repositories) > 1
    folders = {repository.id: repository.path for repository in where.repositories}
    seen = {candidate.file for candidate in ordered[:given]}
    found: list[str] = []
    for candidate in ordered[given:]:
        if len(found) == MAX_MORE:
            break
        if candidate.file in seen:
            continue
        seen.add(candidate.file)
        folder = f"{folders[candidate.file.repository_id]}/" if several else ""
        place = f"{folder}{candidate.file.path}:{candidate.start_line}"
        found.append(shown(f"{place} {candidate.symbol}" if candidate.symbol else place))
    return found


def qualified(scope: str | None, symbol: str | None) -> str:
    """Return a symbol's name after those of what encloses it."""
    return ".".join(part for part in (scope, symbol) if part)


def _symbol(asked: Query, candidate: Candidate, content: str) -> str | None:
    """Return the name of what a chunk is shown for: what is asked for, its own, or what it shows first.

    A part of a class defines methods, and may end with the head of the next class, which is what was asked for.
    """
    if name := _defined(asked, candidate):
        return name
    if candidate.symbol and candidate.kind not in _ENCLOSING:
        return candidate.symbol
    names = [definition.name for definition in candidate.definitions]
    shown_first = sorted(names, key=lambda name: content.find(name) % (len(content) + 1))  # -1, not found, is last
    first = next((name for name in shown_first if name != candidate.symbol), None)
    return qualified(candidate.symbol, first) or None


def _defined(asked: Query, candidate: Candidate) -> str | None:
    """Return the name in the query that the chunk defines."""
    wanted = {name.lower() for name in asked.names}
    return next((one.name for one in candidate.definitions if one.name.lower() in wanted), None)


def _excerpts(asked: Query, ranked: Sequence[Ranked], offset: int, form: Form) -> list[Excerpt]:
    """Cut each chunk to its lines; where none were asked for, the first must not starve the last."""
    cuts = []
    left = form.budget(len(ranked))
    for place, entry in enumerate(ranked):
        candidate = entry.candidate
        later = len(ranked) - place - 1
        lines = form.lines(offset + place)
        allowance = BUDGET if form.detailed or form.max_lines else max(_LEAST, left - _LEAST * later)
        cut = excerpt(
            candidate.content,
            candidate.start_line,
            asked.probes,
            lines=lines,
            allowance=allowance,
            symbol=None if candidate.kind in _ENCLOSING else _defined(asked, candidate) or candidate.symbol,
        )
        left -= tokens(cut.content)
        cuts.append(cut)
    return cuts


async def _contents(context: PluginContext, ranked: Sequence[Ranked]) -> dict[ChunkKey, Content]:
    """Return the text of each chunk, and what it defines, which was read of the likeliest alone before."""
    contents: dict[ChunkKey, Content] = {}
    for pool_id, members in _by_pool(ranked).items():
        async with reading(context.database) as connection:
            found = await store.contents(connection, pool_id, [ranked[i].candidate.chunk_id for i in members])
        contents |= {ChunkKey(pool_id, chunk_id): content for chunk_id, content in found.items()}
    return contents


def _described(ranked: Sequence[Ranked], contents: Mapping[ChunkKey, Content]) -> list[Ranked]:
    """Return what is ranked with the text and the definitions of each chunk; a chunk that is gone has neither."""
    found = [contents.get(entry.candidate.key, Content("", [])) for entry in ranked]
    return [
        entry._replace(candidate=entry.candidate._replace(content=content.text, definitions=content.definitions))
        for entry, content in zip(ranked, found, strict=True)
    ]


async def _surroundings(
    context: PluginContext, ranked: Sequence[Ranked], cuts: Sequence[Excerpt], count: int
) -> list[tuple[str, str]]:
    """Return what stands before and after each excerpt, `count` lines each."""
    found = [("", "")] * len(ranked)
    if not count:
        return found
    spans = [
        around.wanted_spans(entry.candidate.file.blob_id, cut.start_line, cut.end_line, count)
        for entry, cut in zip(ranked, cuts, strict=True)
    ]
    for pool_id, members in _by_pool(ranked).items():
        async with reading(context.database) as connection:
            rows = await store.lines(connection, pool_id, [span for i in members for span in spans[i]])
        for i in members:
            before, after = (shown_lines(around.read(span, rows)) for span in spans[i])
            found[i] = (before, after)
    return found


def _by_pool(ranked: Sequence[Ranked]) -> dict[int, list[int]]:
    pools: dict[int, list[int]] = {}
    for i, entry in enumerate(ranked):
        pools.setdefault(entry.candidate.key.pool_id, []).append(i)
    return pools


async def _tasks(
    context: PluginContext, repositories: Iterable[Repository], ranked: Sequence[Ranked]
) -> dict[tuple[str, str], list[TaskLink]]:
    found: dict[tuple[str, str], list[TaskLink]] = {}
    for repository in repositories:
        paths = [entry.candidate.file.path for entry in ranked if entry.candidate.file.repository_id == repository.id]
        if paths:
            links = await task_links(context, repository.path, list(dict.fromkeys(paths)), repository.branch)
            found |= {(repository.path, path): tasks for path, tasks in links.items()}
    return found


def _once(tasks: Sequence[TaskLink], named: set[str]) -> list[TaskLink]:
    """Leave the ids alone of tasks that the answer has named; a task of the branch touches every file."""
    told = [TaskLink(id=task.id) if task.id in named else task for task in tasks]
    named.update(task.id for task in tasks)
    return told


def _why(entry: Ranked) -> str:
    """Name the strongest reasons in a few words, and what it is where it is not plain source."""
    strongest = sorted(entry.signals.items(), key=lambda signal: -signal[1])
    telling = [name for name, value in strongest if value >= _TELLING]
    telling.sort(key=lambda name: name != "definition")  # which says most, however much it weighs
    reasons = [_REASONS[name] for name in telling if name in _REASONS][:2]
    reasons += [name.removeprefix(CONTRIBUTED) for name in telling if name.startswith(CONTRIBUTED)]
    kind = [] if entry.kind is FileKind.SOURCE else [str(entry.kind)]
    return ", ".join([*reasons, *kind])
