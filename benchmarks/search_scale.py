"""Makes an index larger than there are repositories for: copies of a pool beside it, or within it.

usage: python benchmarks/search_scale.py --data FOLDER --repository PATH [--neighbours 20] [--times 10]

`--neighbours` adds pools with the rows of the repository's, each with a repository that has no folder. `--times` makes
the repository's own pool so many times as large: the copies' paths lie in folders of their own, their texts end in a
line of their own, their vectors are moved by a third of their length in a random direction and a tenth of their
lexemes, the rarer ones, are renamed. What is measured afterwards is a made-up corpus with a real one's statistics; the
copies are near duplicates of one another, which real code is not. No folder has the files of `--times`: what looks at
the folder afterwards, as each search does, takes them off the list again: use `search_latency.py --without-looks`.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from packhorse.database import connect, lease
from packhorse.settings import load_settings
from packhorse_indexing.store.content import allocate
from packhorse_indexing.store.copying import embedding_rows
from packhorse_indexing.store.postings import add_segment
from packhorse_indexing.store.upkeep import count_repositories
from packhorse_indexing.store.vectors import drop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import Connection

NOISE = 0.33
RENAMED = 0.1
RARE = 1000
"""Chunks of a lexeme that may be renamed."""

_NEIGHBOUR = """
WITH made AS (
    INSERT INTO indexing.pool (identity, embedder, dimensions, last_blob, last_chunk, last_segment, last_path)
    SELECT 'folder:/nowhere/' || gen_random_uuid(), embedder, dimensions, last_blob, last_chunk, last_segment, last_path
    FROM indexing.pool WHERE id = %(pool)s RETURNING id
)
INSERT INTO indexing.repository (pool_id, path, indexed_at, files, skipped, chunks)
SELECT made.id, '/nowhere/' || gen_random_uuid(), now(), files, skipped, chunks
FROM made, indexing.repository WHERE pool_id = %(pool)s ORDER BY chunks DESC LIMIT 1
RETURNING pool_id, key
"""


def columns(connection: Connection[Any], table: str) -> list[str]:
    """Return the columns of a table of the index but its pool."""
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'indexing' AND table_name = %s"
        " AND column_name <> 'pool_id' ORDER BY ordinal_position",
        [table],
    )
    return [name for (name,) in rows]


def copy_rows(connection: Connection[Any], table: str, pool: int, new: int, changed: dict[str, str]) -> None:
    """Copy a pool's rows of a table to another pool, with other expressions for some columns."""
    names = columns(connection, table)
    values = ", ".join(changed.get(name, name) for name in names)
    connection.execute(
        f"INSERT INTO indexing.{table} (pool_id, {', '.join(names)})"
        f" SELECT {new}, {values} FROM indexing.{table} WHERE pool_id = {pool}".encode()
    )


TABLES = ("blob", "path", "path_lexeme", "segment", "chunk", "embedding", "definition", "posting")


def add_neighbour(connection: Connection[Any], pool: int) -> None:
    """Add a pool with a copy of another one's rows."""
    with connection.transaction():
        row = connection.execute(_NEIGHBOUR, {"pool": pool}).fetchone()
        assert row is not None
        new, key = row
        connection.execute("SELECT indexing.create_partitions(%s)", [new])
        for table in TABLES:
            copy_rows(connection, table, pool, new, {"content": f"content || E'\\n# {new}'"})
        copy_rows(connection, "listing", pool, new, {"repository": str(key)})


def enlarge(connection: Connection[Any], pool: int, copy: int, base: Sequence[int]) -> None:
    """Add one copy of a pool's first rows, up to the ids (blob, chunk, segment, path), to itself."""
    blobs, chunks, segments, paths = base
    with connection.transaction():
        first_blob, first_chunk, _ = allocate(connection, pool, blobs, chunks, 0)
        connection.execute("UPDATE indexing.pool SET last_path = last_path + %s WHERE id = %s", [paths, pool])
        by, by_chunk, by_path = first_blob - 1, first_chunk - 1, copy * paths
        shifted = {
            "blob": {"id": f"id + {by}", "hash": f"sha256(hash || '{copy}')"},
            "path": {"id": f"id + {by_path}", "path": f"'copy{copy}/' || path"},
            "chunk": {
                "id": f"id + {by_chunk}", "blob_id": f"blob_id + {by}", "content": f"content || E'\\n# copy {copy}'",
                "hash": f"substr(sha256(hash || '{copy}'), 1, 16)",
            },
            "definition": {"chunk_id": f"chunk_id + {by_chunk}", "blob_id": f"blob_id + {by}"},
            "listing": {"path_id": f"path_id + {by_path}", "blob_id": f"blob_id + {by}"},
        }  # fmt: skip
        limits = {
            "blob": ("id", blobs), "path": ("id", paths), "chunk": ("id", chunks), "definition": ("chunk_id", chunks),
            "listing": ("path_id", paths),
        }  # fmt: skip
        for table, changed in shifted.items():
            names = columns(connection, table)
            column, last = limits[table]
            values = ", ".join(changed.get(name, name) for name in names)
            connection.execute(
                f"INSERT INTO indexing.{table} (pool_id, {', '.join(names)}) SELECT {pool}, {values}"
                f" FROM indexing.{table} WHERE pool_id = {pool} AND {column} <= {last}".encode()
            )
        connection.execute(
            "UPDATE indexing.path_lexeme SET paths = paths + paths / %s, path_ids = NULL WHERE pool_id = %s"
            " AND paths > 100",
            [copy, pool],
        )
        _copy_vectors(connection, pool, chunks, by, by_chunk, copy)
        _copy_postings(connection, pool, segments, by_chunk, copy)


def _copy_vectors(connection: Connection[Any], pool: int, chunks: int, by: int, by_chunk: int, seed: int) -> None:
    rows = connection.execute(
        f"SELECT chunk_id, blob_id, vector FROM indexing.embedding WHERE pool_id = {pool}"
        f" AND chunk_id <= {chunks}".encode(),
        binary=True,
    ).fetchall()
    vectors = np.array([vector.to_numpy() for _, _, vector in rows], dtype=np.float32)
    noise = np.random.default_rng(seed).standard_normal(vectors.shape, dtype=np.float32)
    vectors += NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.array([(chunk + by_chunk, blob + by) for chunk, blob, _ in rows], dtype=np.int32)
    statement = "COPY indexing.embedding (pool_id, chunk_id, blob_id, vector) FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor, cursor.copy(statement) as copying:
        for part in embedding_rows(pool, ids[:, 0], ids[:, 1], vectors):
            copying.write(part)


def _copy_postings(connection: Connection[Any], pool: int, segments: int, by_chunk: int, copy: int) -> None:
    """Write the postings of the first segments again, as one segment."""
    rows = connection.execute(
        "SELECT lexeme, chunk_ids, frequencies, lengths FROM indexing.posting WHERE pool_id = %s AND segment <= %s"
        " ORDER BY lexeme, segment",
        [pool, segments],
        binary=True,
    ).fetchall()
    total = connection.execute(
        "SELECT sum(chunks)::int, sum(length)::bigint FROM indexing.segment WHERE pool_id = %s AND id <= %s",
        [pool, segments],
    ).fetchone()
    assert total is not None
    drawn = random.Random(copy)
    postings = []
    for lexeme, group in groupby(rows, key=itemgetter(0)):
        parts = list(group)
        ids, frequencies, lengths = (b"".join(part[i] for part in parts) for i in (1, 2, 3))
        renamed = len(frequencies) < RARE and drawn.random() < RENAMED
        postings.append(
            (
                f"{lexeme[:60]}~{copy}" if renamed else lexeme,
                np.frombuffer(ids, "<i4") + np.int32(by_chunk),
                np.frombuffer(frequencies, "u1"),
                np.frombuffer(lengths, "<u2"),
            )
        )
    _, _, new = allocate(connection, pool, 0, 0, 1)
    add_segment(connection, pool, new, *total, sorted(postings, key=itemgetter(0)))


def main() -> None:
    """Make the copies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder, kept")
    parser.add_argument("--repository", type=Path, required=True, help="the indexed folder whose pool is copied")
    parser.add_argument("--neighbours", type=int, default=0, help="pools to add")
    parser.add_argument("--times", type=int, default=1, help="how many times as large the pool becomes")
    options = parser.parse_args()
    os.environ["PACKHORSE_DATA_DIR"] = str(options.data.resolve())
    with lease(load_settings()) as address, connect(address) as connection:
        connection.autocommit = True
        connection.execute("SELECT set_config('statement_timeout', '0', false)")
        connection.execute("SELECT set_config('synchronous_commit', 'off', false)")
        path = str(options.repository.resolve())
        row = connection.execute(
            "SELECT p.id, p.last_blob, p.last_chunk, p.last_segment, p.last_path FROM indexing.pool p"
            " JOIN indexing.repository r ON r.pool_id = p.id WHERE r.path = %s",
            [path],
        ).fetchone()
        if row is None:
            sys.exit(f"{path} is not indexed; run search_latency.py first.")
        pool, *base = row
        began = time.perf_counter()
        for number in range(options.neighbours):
            add_neighbour(connection, pool)
            print(f"neighbour {number + 1}: {time.perf_counter() - began:.0f} s", flush=True)
        if options.times > 1:
            drop(connection, pool)
        for copy in range(1, options.times):
            enlarge(connection, pool, copy, base)
            print(f"copy {copy}: {time.perf_counter() - began:.0f} s", flush=True)
        if options.times > 1:
            count_repositories(connection, pool)
        connection.execute("ANALYZE")


if __name__ == "__main__":
    main()
