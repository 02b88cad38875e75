"""What a worker reads and writes of a pool's blobs, chunks and embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from packhorse_indexing.store.copying import embedding_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from psycopg import Connection


class BlobRow(NamedTuple):
    """A row of `blob`."""

    id: int
    hash: bytes
    language: str
    lines: int
    bytes: int
    chunks: int
    embedded: int
    fallback: str | None


class ChunkRow(NamedTuple):
    """A row of `chunk`."""

    id: int
    blob_id: int
    ordinal: int
    start_line: int
    end_line: int
    kind: str
    symbol: str | None
    scope: str | None
    signature: str | None
    hash: bytes
    length: int
    content: str


class DefinitionRow(NamedTuple):
    """A row of `definition`."""

    name: str
    kind: str
    chunk_id: int
    blob_id: int
    line: int
    end_line: int
    scope: str | None


def known_blobs(
    connection: Connection[Any], pool_id: int, hashes: Sequence[bytes], languages: Sequence[str]
) -> dict[tuple[bytes, str], tuple[int, bool]]:
    """Return (id, whether to rebuild it) of those (hash, language) that the pool has."""
    rows = connection.execute(
        """
        SELECT b.hash, b.language, b.id, b.rebuild
        FROM unnest(%s::bytea[], %s::text[]) AS wanted (hash, language)
        JOIN indexing.blob b ON b.pool_id = %s AND b.hash = wanted.hash AND b.language = wanted.language
        """,
        [list(hashes), list(languages), pool_id],
        binary=True,
    )
    return {(blob_hash, language): (blob_id, rebuild) for blob_hash, language, blob_id, rebuild in rows}


def revive_blobs(connection: Connection[Any], pool_id: int, blob_ids: Sequence[int]) -> None:
    """Note that blobs are listed again."""
    if blob_ids:
        connection.execute(
            """
            UPDATE indexing.blob SET orphaned_at = NULL
            WHERE pool_id = %s AND id = ANY(%s) AND orphaned_at IS NOT NULL
            """,
            [pool_id, list(blob_ids)],
        )


def allocate(connection: Connection[Any], pool_id: int, blobs: int, chunks: int, segments: int) -> tuple[int, int, int]:
    """Take ids for so many blobs, chunks and segments; return the first of each."""
    row = connection.execute(
        """
        UPDATE indexing.pool
        SET last_blob = last_blob + %s, last_chunk = last_chunk + %s, last_segment = last_segment + %s
        WHERE id = %s RETURNING last_blob, last_chunk, last_segment
        """,
        [blobs, chunks, segments, pool_id],
    ).fetchone()
    if row is None:
        raise LookupError(f"the pool {pool_id} is gone")
    return row[0] - blobs + 1, row[1] - chunks + 1, row[2] - segments + 1


def add_blobs(connection: Connection[Any], pool_id: int, rows: Iterable[BlobRow]) -> None:
    """Add blobs."""
    statement = """
        COPY indexing.blob (pool_id, id, hash, language, lines, bytes, chunks, embedded, fallback)
        FROM STDIN (FORMAT binary)
        """
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["int4", "int4", "bytea", "text", "int4", "int4", "int4", "int4", "text"])
        for row in rows:
            copy.write_row((pool_id, *row))


def clear_blobs(connection: Connection[Any], pool_id: int, rows: Sequence[BlobRow]) -> None:
    """Take the chunks of blobs away, and prepare their rows for the new ones."""
    ids = [row.id for row in rows]
    connection.execute(
        """
        DELETE FROM indexing.embedding e USING indexing.chunk c
        WHERE c.pool_id = %s AND c.blob_id = ANY(%s) AND e.pool_id = c.pool_id AND e.chunk_id = c.id
        """,
        [pool_id, ids],
    )
    connection.execute(
        """
        DELETE FROM indexing.definition d USING indexing.chunk c
        WHERE c.pool_id = %s AND c.blob_id = ANY(%s) AND d.pool_id = c.pool_id AND d.chunk_id = c.id
        """,
        [pool_id, ids],
    )
    connection.execute("DELETE FROM indexing.chunk WHERE pool_id = %s AND blob_id = ANY(%s)", [pool_id, ids])
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            UPDATE indexing.blob
            SET lines = %s, chunks = %s, embedded = %s, fallback = %s, rebuild = false, orphaned_at = NULL
            WHERE pool_id = %s AND id = %s
            """,
            [(row.lines, row.chunks, row.embedded, row.fallback, pool_id, row.id) for row in rows],
        )


def add_chunks(connection: Connection[Any], pool_id: int, rows: Iterable[ChunkRow]) -> None:
    """Add chunks."""
    statement = """
        COPY indexing.chunk (pool_id, id, blob_id, ordinal, start_line, end_line, kind, symbol, scope, signature,
                             hash, length, content)
        FROM STDIN (FORMAT binary)
        """
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(
            ["int4", "int4", "int4", "int4", "int4", "int4", "text", "text", "text", "text", "bytea", "int4", "text"]
        )
        for row in rows:
            copy.write_row((pool_id, *row))


def add_definitions(connection: Connection[Any], pool_id: int, rows: Iterable[DefinitionRow]) -> None:
    """Add definitions."""
    statement = """
        COPY indexing.definition (pool_id, name, kind, chunk_id, blob_id, line, end_line, scope)
        FROM STDIN (FORMAT binary)
        """
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["int4", "text", "text", "int4", "int4", "int4", "int4", "text"])
        for row in rows:
            copy.write_row((pool_id, *row))


def embedded_chunks(connection: Connection[Any], pool_id: int, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """Return, for those chunk hashes that have a vector already, a chunk that has it."""
    rows = connection.execute(
        """
        SELECT DISTINCT ON (c.hash) c.hash, c.id
        FROM unnest(%s::bytea[]) AS wanted (hash)
        JOIN indexing.chunk c ON c.pool_id = %s AND c.hash = wanted.hash
        JOIN indexing.embedding e ON e.pool_id = %s AND e.chunk_id = c.id
        """,
        [list(hashes), pool_id, pool_id],
        binary=True,
    )
    return dict(rows.fetchall())


def add_embeddings(
    connection: Connection[Any],
    pool_id: int,
    chunk_ids: NDArray[np.int32],
    blob_ids: NDArray[np.int32],
    vectors: NDArray[np.floating],
) -> None:
    """Add the vectors of chunks, one row of `vectors` for each."""
    if len(chunk_ids):
        statement = "COPY indexing.embedding (pool_id, chunk_id, blob_id, vector) FROM STDIN (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in embedding_rows(pool_id, chunk_ids, blob_ids, vectors):
                copy.write(block)


def copy_embeddings(
    connection: Connection[Any],
    pool_id: int,
    chunk_ids: Sequence[int],
    blob_ids: Sequence[int],
    sources: Sequence[int],
) -> None:
    """Give chunks the vectors of other chunks with the same content."""
    if chunk_ids:
        connection.execute(
            """
            INSERT INTO indexing.embedding (pool_id, chunk_id, blob_id, vector)
            SELECT %s, new.chunk_id, new.blob_id, e.vector
            FROM unnest(%s::int[], %s::int[], %s::int[]) AS new (chunk_id, blob_id, source)
            JOIN indexing.embedding e ON e.pool_id = %s AND e.chunk_id = new.source
            """,
            [pool_id, list(chunk_ids), list(blob_ids), list(sources), pool_id],
        )
