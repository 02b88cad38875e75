"""A repository's list: which path holds which blob, or why none; a pool's paths, which its repositories share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from psycopg import Connection


FEW_PATHS = 500
"""Paths of a lexeme up to which a search by path finds them by it."""


class Signature(NamedTuple):
    """What `stat` says of a file; when it is the same, so is the file. All None: the file is to be read again."""

    size: int | None
    mtime_ns: int | None
    ctime_ns: int | None
    inode: int | None


class StoredFile(NamedTuple):
    """A file as the last run left it; `rebuild`: its blob is to be made anew; `hash`: its blob's, without signature."""

    blob_id: int | None
    skipped: str | None
    signature: Signature
    rebuild: bool
    hash: bytes | None = None


class FileRow(NamedTuple):
    """A row of `listing`, with its path itself."""

    path: str
    blob_id: int | None
    skipped: str | None
    signature: Signature


class PathRow(NamedTuple):
    """A row of `path`."""

    id: int
    path: str
    extension: str
    lexemes: list[str]


FILES = """
SELECT f.path, f.blob_id, f.skipped, f.size, f.mtime_ns, f.ctime_ns, f.inode, coalesce(b.rebuild, false),
       CASE WHEN f.mtime_ns IS NULL THEN b.hash END
FROM indexing.file f LEFT JOIN indexing.blob b ON b.pool_id = f.pool_id AND b.id = f.blob_id
WHERE f.repository_id = %s
"""
"""A repository's list, for `stored_files`."""


def files(connection: Connection[Any], repository_id: UUID) -> dict[str, StoredFile]:
    """Return the repository's list, by path."""
    return stored_files(connection.execute(FILES, [repository_id], binary=True).fetchall())


def stored_files(rows: Iterable[tuple[Any, ...]]) -> dict[str, StoredFile]:
    """Return the rows of `FILES` by path."""
    return {
        path: StoredFile(blob, skipped, Signature(size, mtime, ctime, inode), rebuild, blob_hash)
        for path, blob, skipped, size, mtime, ctime, inode, rebuild, blob_hash in rows
    }


def listed_paths(connection: Connection[Any], repository_id: UUID, paths: Sequence[str]) -> set[str]:
    """Return those of the paths that are on the repository's list."""
    rows = connection.execute(
        "SELECT path FROM indexing.file WHERE repository_id = %s AND path = ANY(%s)", [repository_id, list(paths)]
    )
    return {path for (path,) in rows}


def delete_files(connection: Connection[Any], pool_id: int, repository: int, paths: Sequence[str]) -> None:
    """Take files off the list of the repository with this key."""
    if paths:
        connection.execute(
            """
            DELETE FROM indexing.listing l USING unnest(%s::text[]) AS gone (path), indexing.path p
            WHERE p.pool_id = %s AND p.path = gone.path
              AND l.pool_id = p.pool_id AND l.repository = %s AND l.path_id = p.id
            """,
            [list(paths), pool_id, repository],
        )


def known_paths(connection: Connection[Any], pool_id: int, paths: Sequence[str]) -> dict[str, int]:
    """Return the ids of those of the paths that the pool has."""
    rows = connection.execute(
        """
        SELECT p.path, p.id FROM unnest(%s::text[]) AS wanted (path)
        JOIN indexing.path p ON p.pool_id = %s AND p.path = wanted.path
        """,
        [list(paths), pool_id],
        binary=True,
    )
    return dict(rows.fetchall())


def allocate_paths(connection: Connection[Any], pool_id: int, number: int) -> int:
    """Take ids for so many paths; return the first."""
    row = connection.execute(
        "UPDATE indexing.pool SET last_path = last_path + %s WHERE id = %s RETURNING last_path", [number, pool_id]
    ).fetchone()
    if row is None:
        raise LookupError(f"the pool {pool_id} is gone")
    return int(row[0]) - number + 1


def add_paths(connection: Connection[Any], pool_id: int, rows: Sequence[PathRow]) -> None:
    """Add paths that the pool does not have, whose ids are the highest."""
    statement = "COPY indexing.path (pool_id, id, path, extension, lexemes) FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["int4", "int4", "text", "text", "text[]"])
        for row in rows:
            copy.write_row((pool_id, *row))
    _count_lexemes(connection, pool_id, min(row.id for row in rows))


def _count_lexemes(connection: Connection[Any], pool_id: int, first_path: int) -> None:
    """Count the lexemes of the paths from this one on, and note the paths of those that few have."""
    connection.execute(
        """
        INSERT INTO indexing.path_lexeme AS known (pool_id, lexeme, paths, path_ids)
        SELECT pool_id, lexeme, count(*), CASE WHEN count(*) <= %(few)s THEN array_agg(id) END
        FROM indexing.path, unnest(lexemes) lexeme
        WHERE pool_id = %(pool)s AND id >= %(first)s
        GROUP BY pool_id, lexeme ORDER BY lexeme
        ON CONFLICT (pool_id, lexeme) DO UPDATE
        SET paths = known.paths + EXCLUDED.paths,
            path_ids = CASE WHEN known.paths + EXCLUDED.paths <= %(few)s THEN known.path_ids || EXCLUDED.path_ids END
        """,
        {"pool": pool_id, "first": first_path, "few": FEW_PATHS},
    )


def renew_paths(connection: Connection[Any], pool_id: int, rows: Iterable[PathRow]) -> None:
    """Give paths the lexemes that they have nowadays."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            UPDATE indexing.path SET extension = %s, lexemes = %s
            WHERE pool_id = %s AND id = %s AND (extension, lexemes) IS DISTINCT FROM (%s, %s::text[])
            """,
            [(row.extension, row.lexemes, pool_id, row.id, row.extension, row.lexemes) for row in rows],
        )
        changed = cursor.rowcount
    if changed > 0:
        connection.execute("DELETE FROM indexing.path_lexeme WHERE pool_id = %s", [pool_id])
        _count_lexemes(connection, pool_id, 0)


def add_files(
    connection: Connection[Any], pool_id: int, repository: int, rows: Iterable[FileRow], path_ids: Mapping[str, int]
) -> None:
    """Put files on the list of the repository with this key; they may not be on it."""
    statement = """
        COPY indexing.listing (pool_id, repository, path_id, blob_id, skipped, size, mtime_ns, ctime_ns, inode)
        FROM STDIN (FORMAT binary)
        """
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["int4", "int4", "int4", "int4", "text", "int8", "int8", "int8", "int8"])
        for row in rows:
            copy.write_row((pool_id, repository, path_ids[row.path], row.blob_id, row.skipped, *row.signature))


def delete_unlisted_paths(connection: Connection[Any], pool_id: int) -> None:
    """Delete the paths that no repository of the pool lists."""
    connection.execute(
        """
        WITH gone AS (
            DELETE FROM indexing.path p
            WHERE p.pool_id = %(pool)s
              AND NOT EXISTS (SELECT FROM indexing.listing l WHERE l.pool_id = p.pool_id AND l.path_id = p.id)
            RETURNING p.lexemes
        ), fewer AS (
            SELECT lexeme, count(*) AS paths FROM gone, unnest(lexemes) lexeme GROUP BY lexeme
        )
        UPDATE indexing.path_lexeme w SET paths = greatest(0, w.paths - f.paths)
        FROM fewer f WHERE w.pool_id = %(pool)s AND w.lexeme = f.lexeme
        """,
        {"pool": pool_id},
    )
