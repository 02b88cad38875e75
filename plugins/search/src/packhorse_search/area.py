"""What is searched: repositories of one pool, and which of their files and chunks a filter leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from psycopg import AsyncConnection

    from packhorse_search.filters import Filter


@dataclass(frozen=True, slots=True)
class Area:
    """What is searched in one statement: repositories of one pool and the filter on their files and chunks.

    `blobs` are those of the files that the filter passes, None when it passes every file, and `size` the number of
    their chunks; `narrowed` finds them.
    """

    pool_id: int
    repository_ids: tuple[UUID, ...]
    filter: Filter
    blobs: tuple[int, ...] | None = None
    size: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the retrievals need not look at what they find."""
        return self.blobs is None and not self.filter.kinds

    def parameters(self) -> dict[str, Any]:
        """The parameters of the visibility condition."""
        return {
            "repositories": list(self.repository_ids),
            "blobs": None if self.blobs is None else array(self.blobs),
            "kinds": list(self.filter.kinds) or None,
        }

    def file_parameters(self) -> dict[str, Any]:
        """The parameters of the condition on a file."""
        changed = self.filter.changed
        return self.parameters() | {
            "extensions": list(self.filter.extensions) or None,
            "languages": list(self.filter.languages) or None,
            "within": list(self.filter.within) or None,
            "without": list(self.filter.without) or None,
            "compared": changed is not None,
            "changed_repositories": [repository for repository, _ in changed or ()],
            "changed_paths": [path for _, path in changed or ()],
        }


_FILES = """
SELECT coalesce(array_agg(f.blob_id), '{}'), coalesce(array_agg(b.chunks), '{}'), coalesce(array_agg(f.path), '{}'),
       coalesce(array_agg(b.language), '{}')
FROM indexing.file f
JOIN indexing.blob b ON b.pool_id = f.pool_id AND b.id = f.blob_id
WHERE f.pool_id = {pool} AND f.repository_id = ANY(%(repositories)s)
  AND (%(extensions)s::text[] IS NULL OR f.extension = ANY(%(extensions)s))
  AND (%(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s))
  AND (%(within)s::text[] IS NULL OR f.path ~ ANY(%(within)s))
  AND (%(without)s::text[] IS NULL OR NOT f.path ~ ANY(%(without)s))
  AND (NOT %(compared)s OR (f.repository_id, f.path) IN (
      SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
"""


# The same without what only filters on categories look at.
_BLOBS = """
SELECT coalesce(array_agg(b.id), '{}'), coalesce(sum(b.chunks), 0)::bigint
FROM (
    SELECT DISTINCT f.blob_id
    FROM indexing.file f
    WHERE f.pool_id = {pool} AND f.repository_id = ANY(%(repositories)s)
      AND (%(extensions)s::text[] IS NULL OR f.extension = ANY(%(extensions)s))
      AND (%(within)s::text[] IS NULL OR f.path ~ ANY(%(within)s))
      AND (%(without)s::text[] IS NULL OR NOT f.path ~ ANY(%(without)s))
      AND (NOT %(compared)s OR (f.repository_id, f.path) IN (
          SELECT * FROM unnest(%(changed_repositories)s::uuid[], %(changed_paths)s::text[])))
) passing
JOIN indexing.blob b ON b.pool_id = {pool} AND b.id = passing.blob_id
WHERE %(languages)s::text[] IS NULL OR b.language = ANY(%(languages)s)
"""


async def narrowed(connection: AsyncConnection[Any], area: Area, *, listed: bool = False) -> Area:
    """Return the area with the blobs of the files that its filter passes; with `listed` even when it passes all."""
    if not (area.filter.selects_files or listed):
        return area
    if area.filter.categories:
        sizes = {blob: chunks for blob, chunks, _, _ in await _passing(connection, area)}
        return replace(area, blobs=tuple(sizes), size=sum(sizes.values()))
    statement = for_pool(_BLOBS, area.pool_id)
    cursor = await connection.execute(statement, area.file_parameters(), binary=True, prepare=False)
    [(blobs, size)] = await cursor.fetchall()
    return replace(area, blobs=tuple(blobs), size=size)


async def files_of(connection: AsyncConnection[Any], area: Area) -> list[tuple[str, str]]:
    """Return the path and the language of each file that the area's filter passes."""
    return [(path, language) for _, _, path, language in await _passing(connection, area)]


async def _passing(connection: AsyncConnection[Any], area: Area) -> list[tuple[int, int, str, str]]:
    """Return the blob, its number of chunks, the path and the language of each file that the area's filter passes."""
    statement = for_pool(_FILES, area.pool_id)
    cursor = await connection.execute(statement, area.file_parameters(), binary=True, prepare=False)
    found = [file for columns in await cursor.fetchall() for file in zip(*columns, strict=True)]
    return [file for file in found if area.filter.passes_category(file[2])] if area.filter.categories else found


def array(numbers: Iterable[float]) -> str:
    """Write an array of numbers as PostgreSQL reads it; the driver takes a millisecond for a few hundred."""
    return "{" + ",".join(map(str, numbers)) + "}"


@lru_cache(maxsize=2048)
def for_pool(statement: str, pool_id: int, dimensions: int = 0, limit: int = 0) -> bytes:
    """Return a statement for a pool and, where it compares vectors, for their dimensions and so many of them.

    The first two can be no parameters, and a limit that is one has PostgreSQL plan anew each time.
    """
    values = {"pool": pool_id, "dimensions": dimensions, "limit": limit}
    for name, value in values.items():
        statement = statement.replace(f"{{{name}}}", str(int(value)))
    return statement.encode()
