"""Where a search looks: the repositories, grouped by pool, and what a reader must know about their index."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packhorse.errors import InvalidInputError, NotFoundError
from packhorse_search import filters
from packhorse_search.area import Area

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from packhorse_indexing.models import Coverage, Repository
    from packhorse_indexing.service import Index
    from packhorse_search.filters import Filter

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_NAMED = 5
"""Repositories whose index is described one by one; of more, only their number."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The repositories of a search, the filter on their files, and how far each is indexed."""

    repositories: Sequence[Repository]
    coverage: dict[UUID, Coverage]
    filter: Filter

    @property
    def areas(self) -> list[Area]:
        """The repositories by pool, each to be searched in one go."""
        pools: dict[int, list[UUID]] = {}
        for repository in self.repositories:
            pools.setdefault(repository.pool_id, []).append(repository.id)
        return [Area(pool, tuple(members), self.filter) for pool, members in pools.items()]

    @property
    def files(self) -> int:
        """How many files the index of these repositories lists."""
        return sum(coverage.files_indexed for coverage in self.coverage.values())

    def notes(self) -> list[str]:
        """Say what was searched and as of when."""
        if len(self.repositories) > _NAMED:
            return [f"Searched {len(self.repositories)} repositories, {self.files} files."]
        return [self._note(repository) for repository in self.repositories]

    def warnings(self) -> list[str]:
        """Say what may be missing from the answer."""
        found = []
        for repository in self.repositories:
            coverage = self.coverage.get(repository.id)
            if coverage is None or coverage.complete:
                continue
            if coverage.running:
                found.append(f"{repository.path} is being indexed ({coverage.fraction:.0%}); results are partial.")
            elif coverage.indexed_at is None and coverage.job_status == "failed" and not coverage.files_indexed:
                # Nothing is missing from an answer about several; asked for alone, it must not look merely unlucky.
                if len(self.repositories) == 1:
                    found.append(f"{repository.path} holds nothing that can be indexed.")
            elif coverage.indexed_at is None:
                found.append(f"{repository.path} was never indexed to its end; call index_repository again.")
            else:
                waiting = coverage.chunks - coverage.embedded
                found.append(f"{repository.path}: {waiting} chunks have no embedding yet and are found by words only.")
        return found

    def _note(self, repository: Repository) -> str:
        coverage = self.coverage.get(repository.id)
        files = coverage.files_indexed if coverage else 0
        state = [f"{files} files"]
        if repository.branch:
            state.append(repository.branch + (f"@{repository.revision[:8]}" if repository.revision else ""))
        age = coverage.age_seconds if coverage else None
        state.append("not completely indexed" if age is None else f"indexed {_ago(age)}")
        return f"{repository.path}: {', '.join(state)}"


async def choose(
    index: Index,
    repository: str | None,
    *,
    file_type: str | None = None,
    directory: str | None = None,
    language: str | None = None,
    kind: str | None = None,
    changed_since: str | None = None,
) -> Scope:
    """Return where a request looks: in the repositories of these ids, paths or names, or in all.

    Raises:
        NotFoundError: there is no such repository, or nothing is indexed at all.
        InvalidInputError: a name is ambiguous or a filter cannot be meant.
    """
    found = await index.covered(filters.entries("repository_id", repository))
    if not found:
        raise NotFoundError(
            "Nothing is indexed yet.", remedy="Call index_repository with the absolute path of the folder to search."
        )
    repositories = [repository for repository, _ in found]
    roots = tuple(repository.path for repository in repositories)
    wanted = filters.parse(file_type, directory, language, kind, roots)
    if changed_since:
        wanted = replace(wanted, changed=await _changed(index, repositories, changed_since.strip()))
    return Scope(repositories, {entry.repository_id: entry for _, entry in found}, wanted)


async def _changed(index: Index, repositories: Sequence[Repository], revision: str) -> tuple[tuple[UUID, str], ...]:
    """Return the files that differ from a revision; of several repositories some may not know it."""
    found: list[tuple[UUID, str]] = []
    errors = []
    for repository in repositories:
        try:
            found += [(repository.id, path) for path in await index.changed_since(repository, revision)]
        except InvalidInputError as error:
            errors.append(error)
    if len(errors) == len(repositories):
        raise errors[0]
    return tuple(found)


def _ago(seconds: float) -> str:
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name} ago"
    return "just now"
