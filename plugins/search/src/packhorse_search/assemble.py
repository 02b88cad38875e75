"""From ranked chunks to results: excerpts within the token budget, context, tasks, and why each is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.database import reading
from packhorse_indexing.ids import chunk_uuid
from packhorse_search import context_lines as around
from packhorse_search import store
from packhorse_search.answer import SearchResult
from packhorse_search.candidates import ChunkKey
from packhorse_search.excerpt import excerpt, shown, shown_lines, tokens
from packhorse_search.kinds import FileKind
from packhorse_search.links import task_links
from packhorse_search.signals import CONTRIBUTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packhorse.context import PluginContext
    from packhorse_indexing.models import Repository
    from packhorse_search.answer import TaskLink
    from packhorse_search.query import Query
    from packhorse_search.rank import Ranked
    from packhorse_search.scope import Scope

CAP = 19_000
"""Tokens, carefully estimated, of a whole answer, which is sent as text and as structured data; clients give up at
25,000 or less."""

BUDGET = 6_000
"""Tokens of all contents, in each of the two forms."""

_FRAME = 180
"""Tokens of a result without its content, in both forms together."""

_LEAST = 100
"""Tokens kept for each result, so that the first do not starve the last."""

_TELLING = 0.05
"""A signal worth less is not named as a reason."""

_REASONS = {
    "definition": "defines it",
    "path": "path",
    "file name": "file name",
    "meaning of file name": "meaning of file name",
    "symbol": "symbol",
    "words": "words",
    "meaning": "meaning",
}
"""What is said of a signal; the rest of the file speaks for the file, not for the place."""


async def results(
    context: PluginContext,
    asked: Query,
    where: Scope,
    ranked: Sequence[Ranked],
    context_lines: int,
    *,
    explain: bool,
) -> list[SearchResult]:
    """Return the results of a page, best first."""
    repositories = {repository.id: repository for repository in where.repositories}
    contents, surroundings = await _texts(context, ranked, context_lines)
    tasks = await _tasks(context, repositories.values(), ranked)
    answer = []
    left = min(BUDGET, (CAP - _FRAME * len(ranked)) // 2)
    for place, entry in enumerate(ranked):
        candidate = entry.candidate
        repository = repositories[candidate.file.repository_id]
        allowance = max(_LEAST, left - _LEAST * (len(ranked) - place - 1))
        cut = excerpt(contents.get(candidate.key, ""), candidate.start_line, asked.vocabulary.keys(), allowance)
        left -= tokens(cut.content)
        before, after = surroundings.get(candidate.key, ("", ""))
        if cut.truncated or tokens(before + after) > left - _LEAST * (len(ranked) - place - 1):
            before = after = ""  # context of a cut text would not adjoin it
        left -= tokens(before + after)
        answer.append(
            SearchResult(
                chunk_id=str(chunk_uuid(*candidate.key)),
                repository=shown(repository.path),
                file_path=shown(candidate.file.path),
                start_line=cut.start_line,
                end_line=cut.end_line,
                symbol=shown(_qualified(candidate.scope, candidate.symbol)) or None,
                language=candidate.file.language,
                similarity_score=round(entry.score, 4),
                why=_why(entry),
                content=cut.content,
                context_before=before,
                context_after=after,
                truncated=cut.truncated,
                tasks=tasks.get((repository.path, candidate.file.path), []),
                explain={name: round(value, 4) for name, value in entry.signals.items()} if explain else None,
            )
        )
    return answer


async def _texts(
    context: PluginContext, ranked: Sequence[Ranked], count: int
) -> tuple[dict[ChunkKey, str], dict[ChunkKey, tuple[str, str]]]:
    """Return the text of each chunk, and what is before and after it, `count` lines each."""
    pools: dict[int, list[Ranked]] = {}
    for entry in ranked:
        pools.setdefault(entry.candidate.key.pool_id, []).append(entry)
    contents: dict[ChunkKey, str] = {}
    surroundings: dict[ChunkKey, tuple[str, str]] = {}
    for pool_id, members in pools.items():
        async with reading(context.database) as connection:
            texts = await store.contents(connection, pool_id, [entry.candidate.key.chunk_id for entry in members])
            contents |= {ChunkKey(pool_id, chunk_id): text for chunk_id, text in texts.items()}
            if count:
                spans = [span for entry in members for span in _spans(entry, count)]
                rows = await store.lines(connection, pool_id, spans)
                for entry in members:
                    before, after = (around.read(span, rows) for span in _spans(entry, count))
                    surroundings[entry.candidate.key] = (shown_lines(before), shown_lines(after))
    return contents, surroundings


def _spans(entry: Ranked, count: int) -> tuple[around.Span, around.Span]:
    candidate = entry.candidate
    return around.wanted_spans(candidate.file.blob_id, candidate.start_line, candidate.end_line, count)


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


def _qualified(scope: str | None, symbol: str | None) -> str:
    return ".".join(part for part in (scope, symbol) if part)


def _why(entry: Ranked) -> str:
    """Name the strongest reasons in a few words, and the kind of file where it is not plain source."""
    strongest = sorted(entry.signals.items(), key=lambda signal: -signal[1])
    telling = [name for name, value in strongest if value >= _TELLING]
    reasons = [_REASONS[name] for name in telling if name in _REASONS][:3]
    reasons += [name.removeprefix(CONTRIBUTED) for name in telling if name.startswith(CONTRIBUTED)]
    kind = [] if entry.kind is FileKind.SOURCE else [f"{entry.kind} file"]
    return ", ".join([*reasons, *kind])
