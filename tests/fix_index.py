"""Fixtures for the index: a git repository to play with, a running index, and its content without its ids."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from packhorse.database import Database
    from packhorse.plugins import PluginHost
    from packhorse.testing import MakeHost
    from packhorse_indexing.service import Index


class Repository:
    """A folder with files, under git when `init` was called. Times are set back, so that nothing is racy."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def __str__(self) -> str:
        return str(self.root)

    def init(self) -> Repository:
        self.git("init", "-q", "-b", "main")
        return self

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    def write(self, path: str, content: str | bytes, *, age: float = 3600.0) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        then = file.stat().st_mtime - age
        os.utime(file, (then, then))
        return file

    def commit(self, message: str = "change") -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)


@pytest.fixture
def make_repository(tmp_path: Path) -> Any:
    """Make folders beside one another, each a `Repository`."""

    def make(name: str = "project") -> Repository:
        return Repository(tmp_path / "work" / name)

    return make


@dataclass
class RunningIndex:
    """The `Index` of a running host, and the host's database."""

    host: PluginHost
    index: Index
    database: Database

    async def query(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            cursor = await connection.execute(sql, arguments)
            return [] if cursor.description is None else await cursor.fetchall()


@pytest.fixture
def run_index(packhorse_host: MakeHost) -> Any:
    """Run an index with the plugin's settings given as variables."""

    @asynccontextmanager
    async def run(**settings: str) -> AsyncIterator[RunningIndex]:
        from packhorse_indexing.service import Index

        host = packhorse_host("indexing", settings={f"PACKHORSE_INDEXING_{k.upper()}": v for k, v in settings.items()})
        async with host.running():
            index = host.services.find(Index)
            assert index is not None, [str(record) for record in host.records]
            yield RunningIndex(host, index, host.database)

    return run


@pytest.fixture
async def indexing(run_index: Any) -> AsyncIterator[RunningIndex]:
    """A running index with the default settings."""
    async with run_index() as running:
        yield running


async def contents(running: RunningIndex, repository_id: UUID) -> dict[str, Any]:
    """Return everything that the index says about each file of a repository, without any id."""
    [[pool]] = await running.query("SELECT pool_id FROM indexing.repository WHERE id = %s", repository_id)
    postings: defaultdict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
    for lexeme, ids, frequencies, lengths in await running.query(
        "SELECT lexeme, chunk_ids, frequencies, lengths FROM indexing.posting WHERE pool_id = %s", pool
    ):
        entries = zip(
            np.frombuffer(ids, "<i4").tolist(), bytes(frequencies), np.frombuffer(lengths, "<u2").tolist(), strict=True
        )
        for chunk, frequency, length in entries:
            assert lexeme not in postings[chunk], "a chunk is posted once"
            postings[chunk][lexeme] = (frequency, length)
    definitions: defaultdict[int, list[Any]] = defaultdict(list)
    for chunk, *definition in await running.query(
        "SELECT chunk_id, name, kind, line FROM indexing.definition WHERE pool_id = %s ORDER BY line, name", pool
    ):
        definitions[chunk].append(definition)
    chunks: defaultdict[int, list[Any]] = defaultdict(list)
    for chunk, blob, vector, *rest in await running.query(
        """
        SELECT c.id, c.blob_id, e.vector::text, ordinal, start_line, end_line, kind, symbol, scope, signature, hash,
               length, content
        FROM indexing.chunk c LEFT JOIN indexing.embedding e ON e.pool_id = c.pool_id AND e.chunk_id = c.id
        WHERE c.pool_id = %s ORDER BY c.blob_id, ordinal
        """,
        pool,
    ):
        chunks[blob].append((*rest, vector, postings[chunk], definitions[chunk]))
    files = await running.query(
        """
        SELECT f.path, f.extension, f.lexemes, f.skipped, f.blob_id, b.hash, b.language, b.lines, b.bytes, b.chunks,
               b.embedded, b.orphaned_at
        FROM indexing.file f LEFT JOIN indexing.blob b ON b.pool_id = f.pool_id AND b.id = f.blob_id
        WHERE f.repository_id = %s ORDER BY f.path
        """,
        repository_id,
    )
    return {
        path: (extension, lexemes, skipped, *rest, chunks[blob])
        for path, extension, lexemes, skipped, blob, *rest in files
    }
