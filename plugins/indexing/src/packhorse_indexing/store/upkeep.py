"""A pool's housekeeping: orphans, collection, counts, and the chunks that wait for their embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

from packhorse_indexing.store import vectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from psycopg import Connection


class PendingChunk(NamedTuple):
    """A chunk without a vector."""

    id: int
    blob_id: int
    hash: bytes
    content: str


def mark_for_rebuild(connection: Connection[Any], job_id: UUID, pool_id: int, repository: int) -> None:
    """Let everything that the repository with this key lists be made anew by this job, once."""
    connection.execute(
        """
        UPDATE indexing.blob b SET rebuild = true
        WHERE pool_id = %s
          AND EXISTS (SELECT FROM indexing.listing l
                      WHERE l.repository = %s AND l.pool_id = b.pool_id AND l.blob_id = b.id)
        """,
        [pool_id, repository],
    )
    connection.execute("UPDATE indexing.job SET marked = true WHERE id = %s", [job_id])


def replace_embedder(connection: Connection[Any], pool_id: int, embedder: str, dimensions: int) -> None:
    """Forget the pool's vectors, which another embedder made, and their index, which takes no others."""
    vectors.drop(connection, pool_id)
    connection.execute("DELETE FROM indexing.embedding WHERE pool_id = %s", [pool_id])
    connection.execute("UPDATE indexing.blob SET embedded = 0 WHERE pool_id = %s AND embedded > 0", [pool_id])
    connection.execute(
        "UPDATE indexing.pool SET embedder = %s, dimensions = %s WHERE id = %s", [embedder, dimensions, pool_id]
    )


def update_orphans(connection: Connection[Any], pool_id: int) -> None:
    """Note since when blobs are on no list, and which are on one again."""
    connection.execute(
        """
        UPDATE indexing.blob b SET orphaned_at = CASE WHEN orphaned_at IS NULL THEN now() END
        WHERE pool_id = %s
          AND (orphaned_at IS NULL) = NOT EXISTS (
              SELECT FROM indexing.listing l WHERE l.pool_id = b.pool_id AND l.blob_id = b.id)
        """,
        [pool_id],
    )


def expired_blobs(connection: Connection[Any], pool_id: int, days: float, limit: int) -> list[int]:
    """Return up to `limit` blobs that have been on no list for so many days."""
    rows = connection.execute(
        """
        SELECT id FROM indexing.blob b
        WHERE pool_id = %s AND orphaned_at <= now() - make_interval(secs => %s)
          AND NOT EXISTS (SELECT FROM indexing.listing l WHERE l.pool_id = b.pool_id AND l.blob_id = b.id)
        ORDER BY id LIMIT %s
        """,
        [pool_id, days * 86400, limit],
    )
    return [blob for (blob,) in rows]


def delete_blobs(connection: Connection[Any], pool_id: int, blob_ids: Sequence[int]) -> None:
    """Delete blobs that no file lists, with their chunks, vectors and definitions."""
    arguments = [pool_id, list(blob_ids)]
    connection.execute(
        """
        DELETE FROM indexing.embedding e USING indexing.chunk c
        WHERE c.pool_id = %s AND c.blob_id = ANY(%s) AND e.pool_id = c.pool_id AND e.chunk_id = c.id
        """,
        arguments,
    )
    connection.execute(
        """
        DELETE FROM indexing.definition d USING indexing.chunk c
        WHERE c.pool_id = %s AND c.blob_id = ANY(%s) AND d.pool_id = c.pool_id AND d.chunk_id = c.id
        """,
        arguments,
    )
    connection.execute("DELETE FROM indexing.chunk WHERE pool_id = %s AND blob_id = ANY(%s)", arguments)
    connection.execute("DELETE FROM indexing.blob WHERE pool_id = %s AND id = ANY(%s)", arguments)


def count_repositories(connection: Connection[Any], pool_id: int, repository: int | None = None) -> None:
    """Bring the counts of the repository with this key, or of all of the pool's, up to date."""
    with connection.transaction():
        # A pool that the statistics do not know yet seems to have one row, and joining it by loops takes the square
        # of what it really has.
        connection.execute("SET LOCAL enable_nestloop = off")
        _count_repositories(connection, pool_id, repository)
        connection.execute("SET LOCAL enable_nestloop = on")


def _count_repositories(connection: Connection[Any], pool_id: int, repository: int | None) -> None:
    connection.execute(
        """
        WITH listed AS (
            SELECT repository, blob_id, count(*) AS files FROM indexing.listing
            WHERE pool_id = %(pool)s AND (%(repository)s::int IS NULL OR repository = %(repository)s)
            GROUP BY repository, blob_id
        ), total AS (
            SELECT l.repository,
                   coalesce(sum(l.files) FILTER (WHERE l.blob_id IS NOT NULL), 0) AS files,
                   coalesce(sum(l.files) FILTER (WHERE l.blob_id IS NULL), 0) AS skipped,
                   coalesce(sum(b.chunks), 0) AS chunks,
                   coalesce(sum(b.chunks - b.embedded), 0) AS pending
            FROM listed l LEFT JOIN indexing.blob b ON b.pool_id = %(pool)s AND b.id = l.blob_id
            GROUP BY l.repository
        )
        UPDATE indexing.repository r
        SET files = coalesce(t.files, 0), skipped = coalesce(t.skipped, 0), chunks = coalesce(t.chunks, 0),
            pending = coalesce(t.pending, 0)
        FROM indexing.repository o LEFT JOIN total t ON t.repository = o.key
        WHERE r.id = o.id AND r.pool_id = %(pool)s AND (%(repository)s::int IS NULL OR r.key = %(repository)s)
        """,
        {"pool": pool_id, "repository": repository},
    )


def repository_counts(connection: Connection[Any], repository_id: UUID) -> tuple[int, int]:
    """Return (indexed files, chunks that wait for their embedding) of a repository."""
    row = connection.execute("SELECT files, pending FROM indexing.repository WHERE id = %s", [repository_id]).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def complete_repository(
    connection: Connection[Any], repository_id: UUID, branch: str | None, revision: str | None
) -> None:
    """Note the end of a run that left nothing out."""
    connection.execute(
        "UPDATE indexing.repository SET branch = %s, revision = %s, indexed_at = now() WHERE id = %s",
        [branch, revision, repository_id],
    )


def pending_total(connection: Connection[Any], pool_id: int) -> int:
    """Return how many chunks of listed blobs wait for their embedding."""
    row = connection.execute(
        """
        SELECT coalesce(sum(chunks - embedded), 0)::int FROM indexing.blob
        WHERE pool_id = %s AND embedded < chunks AND orphaned_at IS NULL
        """,
        [pool_id],
    ).fetchone()
    return row[0] if row else 0


def pending_chunks(connection: Connection[Any], pool_id: int, limit: int) -> list[PendingChunk]:
    """Return up to `limit` chunks of listed blobs that wait for their embedding, in the order of their blobs.

    Of what a program put out only the beginning comes with them: an embedder takes no empty text.
    """
    rows = connection.execute(
        """
        SELECT c.id, c.blob_id, c.hash, CASE WHEN c.kind = 'output' THEN left(c.content, 200) ELSE c.content END
        FROM (
            SELECT id FROM indexing.blob
            WHERE pool_id = %(pool)s AND embedded < chunks AND orphaned_at IS NULL ORDER BY id LIMIT %(limit)s
        ) b
        JOIN indexing.chunk c ON c.pool_id = %(pool)s AND c.blob_id = b.id
        WHERE NOT EXISTS (SELECT FROM indexing.embedding e WHERE e.pool_id = %(pool)s AND e.chunk_id = c.id)
        ORDER BY c.blob_id, c.id LIMIT %(limit)s
        """,
        {"pool": pool_id, "limit": limit},
        binary=True,
    )
    return [PendingChunk(*row) for row in rows]


def count_embedded(connection: Connection[Any], pool_id: int, blob_ids: Sequence[int]) -> None:
    """Count one more embedded chunk for every occurrence of a blob."""
    connection.execute(
        """
        UPDATE indexing.blob b SET embedded = b.embedded + n.chunks
        FROM (SELECT id, count(*)::int AS chunks FROM unnest(%s::int[]) AS id GROUP BY id) n
        WHERE b.pool_id = %s AND b.id = n.id
        """,
        [list(blob_ids), pool_id],
    )


def skip_reasons(connection: Connection[Any], repository_id: UUID) -> list[tuple[str, int]]:
    """Return (reason, files) of what a repository does not index, the most frequent first."""
    return connection.execute(
        """
        SELECT skipped, count(*) FROM indexing.file
        WHERE repository_id = %s AND skipped IS NOT NULL GROUP BY skipped ORDER BY count(*) DESC, skipped
        """,
        [repository_id],
    ).fetchall()


def grew(connection: Connection[Any], pool_id: int) -> bool:
    """Say whether the pool has far more chunks than the planner knows of."""
    row = connection.execute(
        """
        SELECT (SELECT coalesce(sum(chunks), 0) FROM indexing.blob WHERE pool_id = %s) > 1000 + 2 * greatest(0, (
            SELECT reltuples FROM pg_class WHERE oid = to_regclass('indexing.chunk_' || %s::int)))
        """,
        [pool_id, pool_id],
    ).fetchone()
    return bool(row and row[0])


def analyze(connection: Connection[Any], pool_id: int) -> None:
    """Give the planner statistics after a bulk load, which autovacuum would do only after a while."""
    for table in (
        "path",
        "listing",
        "path_lexeme",
        "blob",
        *(f"{parent}_{pool_id}" for parent in ("chunk", "embedding", "definition", "posting")),
    ):
        # The build of an index of vectors locks their table against this for a minute and more.
        connection.execute(sql.SQL("ANALYZE (SKIP_LOCKED) indexing.{}").format(sql.Identifier(table)))
