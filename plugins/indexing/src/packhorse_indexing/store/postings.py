"""The lexical index: segments written whole, and merged when they grow many."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from packhorse_indexing.store.content import allocate
from packhorse_indexing.store.copying import posting_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from psycopg import Connection

    from packhorse_indexing.store.copying import Posting

MAX_SEGMENTS = 20
KEPT_SEGMENTS = 10
MAX_DEAD = 0.25
MIN_DEAD = 1000
MAX_MERGED_CHUNKS = 300_000
"""A merge holds its segments in memory, some 600 bytes for a chunk."""

_ROWS_AT_ONCE = 5000


def add_segment(
    connection: Connection[Any], pool_id: int, segment: int, chunks: int, length: int, postings: Iterable[Posting]
) -> None:
    """Write a segment with its postings."""
    names: list[str] = []

    def named() -> Iterator[Posting]:
        # They are made as they are written: all of a batch's at once are some fifty megabytes.
        for posting in postings:
            names.append(posting[0])
            yield posting

    connection.execute(
        "INSERT INTO indexing.segment (pool_id, id, chunks, length) VALUES (%s, %s, %s, %s)",
        [pool_id, segment, chunks, length],
    )
    statement = """
        COPY indexing.posting (pool_id, lexeme, segment, chunk_ids, frequencies, lengths) FROM STDIN (FORMAT binary)
        """
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in posting_rows(pool_id, segment, named()):
            copy.write(block)
    connection.execute(
        "INSERT INTO indexing.vocabulary (pool_id, segment, lexemes) VALUES (%s, %s, %s)",
        [pool_id, segment, "\n".join(("", *names, ""))],
    )


def segments_to_merge(connection: Connection[Any], pool_id: int) -> list[int]:
    """Return the segments that one merge should make one of; none when the pool is in order.

    They are the smallest when there are many, and all when many of their chunks are gone.
    """
    sizes = connection.execute(
        "SELECT id, chunks FROM indexing.segment WHERE pool_id = %s ORDER BY chunks, id", [pool_id]
    ).fetchall()
    row = connection.execute(
        "SELECT coalesce(sum(chunks), 0)::bigint FROM indexing.blob WHERE pool_id = %s", [pool_id]
    ).fetchone()
    posted, alive = sum(chunks for _, chunks in sizes), row[0] if row else 0
    if posted - alive > max(MIN_DEAD, MAX_DEAD * posted):
        chosen = sizes
    elif len(sizes) > MAX_SEGMENTS:
        chosen = sizes[: len(sizes) - KEPT_SEGMENTS + 1]
    else:
        return []
    merged: list[int] = []
    total = 0
    for segment, chunks in chosen:
        total += chunks
        if merged and total > MAX_MERGED_CHUNKS:
            break
        merged.append(segment)
    return merged


def merge_segments(connection: Connection[Any], pool_id: int, segments: Sequence[int]) -> None:
    """Replace segments by one without the chunks that are gone; in one transaction, which is the caller's."""
    rows = connection.execute(
        "SELECT id FROM indexing.chunk WHERE pool_id = %s ORDER BY id", [pool_id], binary=True
    ).fetchall()
    alive = np.zeros(rows[-1][0] + 1 if rows else 1, dtype=np.bool_)
    alive[np.fromiter((chunk for (chunk,) in rows), dtype=np.int64, count=len(rows))] = True
    lengths: dict[int, int] = {}
    merged = [posting for posting in _merged(connection, pool_id, segments, alive, lengths) if len(posting[1])]
    connection.execute(
        "DELETE FROM indexing.posting WHERE pool_id = %s AND segment = ANY(%s)", [pool_id, list(segments)]
    )
    connection.execute(
        "DELETE FROM indexing.vocabulary WHERE pool_id = %s AND segment = ANY(%s)", [pool_id, list(segments)]
    )
    connection.execute("DELETE FROM indexing.segment WHERE pool_id = %s AND id = ANY(%s)", [pool_id, list(segments)])
    if merged:
        _, _, segment = allocate(connection, pool_id, 0, 0, 1)
        add_segment(connection, pool_id, segment, len(lengths), sum(lengths.values()), merged)


def _merged(
    connection: Connection[Any],
    pool_id: int,
    segments: Sequence[int],
    alive: NDArray[np.bool_],
    lengths: dict[int, int],
) -> Iterator[Posting]:
    """Yield the postings of several segments joined by lexeme, and note the length of every chunk in them."""
    with connection.cursor("merge", binary=True) as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        cursor.execute(
            """
            SELECT lexeme, chunk_ids, frequencies, lengths FROM indexing.posting
            WHERE pool_id = %s AND segment = ANY(%s) ORDER BY lexeme
            """,
            [pool_id, list(segments)],
        )
        for lexeme, rows in groupby(cursor, key=itemgetter(0)):
            parts = list(rows)
            ids = np.frombuffer(b"".join(part[1] for part in parts), dtype="<i4")
            frequencies = np.frombuffer(b"".join(part[2] for part in parts), dtype=np.uint8)
            sizes = np.frombuffer(b"".join(part[3] for part in parts), dtype="<u2")
            kept = (ids < len(alive)) & alive[np.minimum(ids, len(alive) - 1)]
            order = np.argsort(ids[kept], kind="stable")
            ids, frequencies, sizes = ids[kept][order], frequencies[kept][order], sizes[kept][order]
            lengths.update(zip(ids.tolist(), sizes.tolist(), strict=True))
            yield lexeme, ids, frequencies, sizes
