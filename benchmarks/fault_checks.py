"""A folder that changes at random, and whether an index is whole: what it must hold, table by table."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from psycopg import Connection

WORDS = ("parse", "load", "send", "merge", "token", "order", "queue", "cache", "route", "index", "frame", "batch")

HALF = {
    "blobs without all of their chunks": """
        SELECT count(*) FROM indexing.blob b LEFT JOIN (
            SELECT pool_id, blob_id, count(*) AS chunks FROM indexing.chunk GROUP BY pool_id, blob_id
        ) has ON has.pool_id = b.pool_id AND has.blob_id = b.id
        WHERE b.chunks <> coalesce(has.chunks, 0)
    """,
    "blobs that count other vectors than they have": """
        SELECT count(*) FROM indexing.blob b LEFT JOIN (
            SELECT pool_id, blob_id, count(*) AS vectors FROM indexing.embedding GROUP BY pool_id, blob_id
        ) has ON has.pool_id = b.pool_id AND has.blob_id = b.id
        WHERE b.embedded <> coalesce(has.vectors, 0)
    """,
    "listed chunks without a vector": """
        SELECT count(*) FROM indexing.chunk c JOIN indexing.listing l ON l.pool_id = c.pool_id AND l.blob_id = c.blob_id
        WHERE NOT EXISTS (SELECT FROM indexing.embedding e WHERE e.pool_id = c.pool_id AND e.chunk_id = c.id)
    """,
    "chunks of no blob": """
        SELECT count(*) FROM indexing.chunk c
        WHERE NOT EXISTS (SELECT FROM indexing.blob b WHERE b.pool_id = c.pool_id AND b.id = c.blob_id)
    """,
    "vectors of no chunk": """
        SELECT count(*) FROM indexing.embedding e
        WHERE NOT EXISTS (SELECT FROM indexing.chunk c WHERE c.pool_id = e.pool_id AND c.id = e.chunk_id)
    """,
    "definitions of no chunk": """
        SELECT count(*) FROM indexing.definition d
        WHERE NOT EXISTS (SELECT FROM indexing.chunk c WHERE c.pool_id = d.pool_id AND c.id = d.chunk_id)
    """,
    "postings of no segment": """
        SELECT count(*) FROM indexing.posting p
        WHERE NOT EXISTS (SELECT FROM indexing.segment s WHERE s.pool_id = p.pool_id AND s.id = p.segment)
    """,
    "repositories that count other files or chunks than they list": """
        SELECT count(*) FROM indexing.repository r WHERE (r.files, r.skipped, r.chunks, r.pending) <> (
            SELECT count(l.blob_id), count(l.skipped), coalesce(sum(b.chunks), 0),
                   coalesce(sum(b.chunks - b.embedded), 0)
            FROM indexing.listing l LEFT JOIN indexing.blob b ON b.pool_id = l.pool_id AND b.id = l.blob_id
            WHERE l.pool_id = r.pool_id AND l.repository = r.key)
    """,
    "unfinished jobs": "SELECT count(*) FROM indexing.job WHERE status IN ('queued', 'running')",
}


class Folder:
    """Files of generated code in a few folders, which change."""

    def __init__(self, root: Path, chance: random.Random, files: int) -> None:
        self.root = root
        self._random = chance
        self._made = 0
        self.texts: dict[str, str] = {}
        for _ in range(files):
            self._create()

    def change(self) -> None:
        """Change between a tenth and all of the files; some are renamed, some deleted, some new."""
        share = self._random.uniform(0.1, 1.0)
        for path in list(self.texts):
            if self._random.random() >= share:
                continue
            match self._random.random():
                case chance if chance < 0.05:
                    text = self._remove(path)
                    self._write(self._name(), text)
                case chance if chance < 0.1:
                    self._remove(path)
                    self._create()
                case _:
                    self._write(path, self._text())

    def _create(self) -> None:
        self._write(self._name(), self._text())

    def _name(self) -> str:
        self._made += 1
        return f"part{self._made % 7}/module_{self._made}.py"

    def _remove(self, path: str) -> str:
        (self.root / path).unlink()
        return self.texts.pop(path)

    def _write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.texts[path] = text

    def _text(self) -> str:
        return "\n\n".join(self._function() for _ in range(self._random.randint(4, 12)))

    def _function(self) -> str:
        one, two = self._random.choices(WORDS, k=2)
        number = self._random.randrange(10**9)
        body = "\n".join(f"    {two}_{i} = {one}.{two}(value, {number + i})" for i in range(self._random.randint(2, 9)))
        return f"def {one}_{two}_{number}(value, {one}):\n{body}\n    return {two}_0\n"


def blobs(connection: Connection[Any]) -> set[int]:
    """Return every blob that the index holds."""
    return {blob for (blob,) in connection.execute("SELECT id FROM indexing.blob").fetchall()}


def problems(connection: Connection[Any], folder: Folder, job_id: str, acknowledged: set[int]) -> list[str]:
    """Say what is half, what is not what the folder holds, and what of the acknowledged is gone."""
    found = []
    # Whole tables are compared, and the planner knows nothing of them yet.
    connection.execute("SELECT set_config('statement_timeout', '0', true), set_config('enable_nestloop', 'off', true)")
    for what, query in HALF.items():
        row = connection.execute(query.encode()).fetchone()
        if row is None or row[0]:
            found.append(f"{row and row[0]} {what}")
    found += _unposted(connection)
    found += _unlike(connection, folder)
    if lost := acknowledged - blobs(connection):
        found.append(f"{len(lost)} acknowledged blobs are lost")
    status = connection.execute("SELECT status FROM indexing.job WHERE id = %s", [job_id]).fetchone()
    if status != ("success",):
        found.append(f"the acknowledged job {job_id} is {status}")
    return found


def _unposted(connection: Connection[Any]) -> list[str]:
    rows = connection.execute("SELECT chunk_ids FROM indexing.posting", binary=True).fetchall()
    posted = set(np.frombuffer(b"".join(ids for (ids,) in rows), "<i4").tolist())
    chunks = {chunk for (chunk,) in connection.execute("SELECT id FROM indexing.chunk WHERE length > 0").fetchall()}
    return [f"{len(chunks - posted)} chunks are in no posting"] if chunks - posted else []


def _unlike(connection: Connection[Any], folder: Folder) -> list[str]:
    rows = connection.execute(
        """
        SELECT f.path, b.hash, string_agg(c.content, '' ORDER BY c.ordinal)
        FROM indexing.file f
        JOIN indexing.blob b ON b.pool_id = f.pool_id AND b.id = f.blob_id
        LEFT JOIN indexing.chunk c ON c.pool_id = b.pool_id AND c.blob_id = b.id
        GROUP BY f.path, b.hash
        """
    ).fetchall()
    stored = {path: (bytes(digest), text) for path, digest, text in rows}
    wanted = {path: (sha256(text.encode()).digest(), text) for path, text in folder.texts.items()}
    return [
        f"{path} is not in the index as it is"
        for path in stored.keys() | wanted
        if stored.get(path) != wanted.get(path)
    ]
