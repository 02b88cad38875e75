"""A repository's files as those see them who ask why one is not indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import AsyncConnection

    from packhorse_indexing.models import Repository

BY_LINES = "cut by lines"
"""The reason under which files are listed that are indexed, but not along their syntax."""


@dataclass(frozen=True, slots=True)
class Omission:
    """A file that is not indexed and the reason; a path that ends in `/` stands for all beneath it.

    With the reason `BY_LINES` it is indexed, and `detail` says why not along its syntax.
    """

    path: str
    reason: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as the last run left it: `skipped` says why it is not indexed, `fallback` why not along its syntax."""

    path: str
    skipped: str | None
    language: str | None
    chunks: int | None
    fallback: str | None


# In two halves, each of which has few rows: a join of all files with their blobs takes some 50 ms for 10,000.
_LEFT_OUT = """
WITH left_out AS (
    SELECT path, skipped AS reason, NULL AS detail
    FROM indexing.file WHERE repository_id = %(repository)s AND skipped IS NOT NULL
    UNION ALL
    SELECT f.path, %(by_lines)s, b.fallback
    FROM indexing.blob b JOIN indexing.file f ON f.pool_id = b.pool_id AND f.blob_id = b.id
    WHERE b.pool_id = %(pool)s AND b.fallback IS NOT NULL AND f.repository_id = %(repository)s
)
"""


async def reasons(connection: AsyncConnection[Any], repository: Repository) -> dict[str, int]:
    """Return how many files a repository leaves out, by reason, the most frequent first; see `Omission`."""
    cursor = await connection.execute(
        _LEFT_OUT + "SELECT reason, count(*) FROM left_out GROUP BY reason ORDER BY 2 DESC, 1",  # noqa: S608 - ours
        {"repository": repository.id, "pool": repository.pool_id, "by_lines": BY_LINES},
    )
    return dict(await cursor.fetchall())


async def omissions(
    connection: AsyncConnection[Any], repository: Repository, *, reason: str | None, after: str, limit: int
) -> list[Omission]:
    """Return up to `limit` files left out for a reason, or for any, whose paths come after another."""
    async with connection.cursor(row_factory=class_row(Omission)) as cursor:
        await cursor.execute(
            _LEFT_OUT  # noqa: S608 - ours
            + """
            SELECT path, reason, detail FROM left_out
            WHERE path > %(after)s AND (%(reason)s::text IS NULL OR reason = %(reason)s)
            ORDER BY path LIMIT %(limit)s
            """,
            {
                "repository": repository.id,
                "pool": repository.pool_id,
                "by_lines": BY_LINES,
                "after": after,
                "reason": reason,
                "limit": limit,
            },
        )
        return await cursor.fetchall()


async def file(connection: AsyncConnection[Any], repository_id: UUID, path: str) -> ListedFile | None:
    """Return a file, or the folder around it that is left out whole, as the last run listed it; None without one."""
    folders = [path[: i + 1] for i, letter in enumerate(path) if letter == "/"]
    async with connection.cursor(row_factory=class_row(ListedFile)) as cursor:
        await cursor.execute(
            """
            SELECT f.path, f.skipped, b.language, b.chunks, b.fallback
            FROM indexing.file f LEFT JOIN indexing.blob b ON b.pool_id = f.pool_id AND b.id = f.blob_id
            WHERE f.repository_id = %s AND f.path = ANY(%s) ORDER BY length(f.path) LIMIT 1
            """,
            [repository_id, [path, path.rstrip("/") + "/", *folders]],
        )
        return await cursor.fetchone()


async def beneath(connection: AsyncConnection[Any], repository_id: UUID, folder: str) -> tuple[int, int]:
    """Return how many files beneath a folder are indexed, and how many are left out."""
    cursor = await connection.execute(
        """
        SELECT count(blob_id), count(skipped) FROM indexing.file
        WHERE repository_id = %s AND starts_with(path, %s)
        """,
        [repository_id, "" if folder == "." else folder.rstrip("/") + "/"],
    )
    row = await cursor.fetchone()
    return (row[0], row[1]) if row else (0, 0)
