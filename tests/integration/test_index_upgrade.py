"""A database of an older version of the plugin becomes one of this version, with everything that it holds."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from packhorse.database import PluginMigrations, migrate

if TYPE_CHECKING:
    from pathlib import Path

    from packhorse.database import Database

pytestmark = pytest.mark.integration

MIGRATIONS = files("packhorse_indexing") / "migrations"
SIGNED = "path, extension, lexemes, blob_id, skipped, size, mtime_ns, ctime_ns, inode"
OLD = f"""
INSERT INTO indexing.pool (identity, embedder, dimensions) VALUES ('git:1', 'e', 2), ('folder:/c', 'e', 2);
INSERT INTO indexing.repository (pool_id, path) VALUES (1, '/a'), (1, '/b'), (2, '/c');
INSERT INTO indexing.blob (pool_id, id, hash, language, lines, bytes, chunks, embedded)
VALUES (1, 1, '1', 'python', 1, 1, 1, 1), (1, 2, '2', 'python', 1, 1, 1, 1), (2, 1, '1', 'text', 1, 1, 1, 1);
INSERT INTO indexing.file (pool_id, repository_id, {SIGNED})
SELECT r.pool_id, r.id, {", ".join("f." + name for name in SIGNED.split(", "))} FROM indexing.repository r JOIN (VALUES
    ('/a', 'x.py', 'py', '{{x}}'::text[], 1, NULL, 1, 10, 100, 1000),
    ('/a', 'src/y.py', 'py', '{{src,y}}', 2, NULL, 2, NULL, NULL, NULL),
    ('/a', '.env', '', '{{env}}', NULL, 'secret', NULL, NULL, NULL, NULL),
    ('/b', 'x.py', 'py', '{{x}}', 2, NULL, 3, 30, 300, 3000),
    ('/c', 'x.py', 'py', '{{x}}', 1, NULL, 4, 40, 400, 4000)
) AS f (repository, {SIGNED}) ON f.repository = r.path;
"""


@pytest.fixture
def first(tmp_path: Path) -> PluginMigrations:
    """The migrations as they were at first."""
    (tmp_path / "0001_index.sql").write_text((MIGRATIONS / "0001_index.sql").read_text("utf-8"), "utf-8")
    return PluginMigrations.read("indexing", tmp_path)


async def query(database: Database, sql: str) -> list[tuple[Any, ...]]:
    async with database.connection() as connection:
        cursor = await connection.execute(sql.encode())
        return [] if cursor.description is None else await cursor.fetchall()


async def test_the_lists_of_an_older_database_are_kept(packhorse_database: Database, first: PluginMigrations) -> None:
    """Paths are stored once for a pool; what a list says of a file is the same."""
    await migrate(packhorse_database, first)
    await query(packhorse_database, OLD)
    listed = f"SELECT pool_id, repository_id, {SIGNED} FROM indexing.file ORDER BY repository_id, path"
    before = await query(packhorse_database, listed)
    await migrate(packhorse_database, PluginMigrations.read("indexing", MIGRATIONS))
    assert await query(packhorse_database, listed) == before
    assert await query(packhorse_database, "SELECT pool_id, id, path FROM indexing.path ORDER BY 1, 2") == [
        (1, 1, ".env"), (1, 2, "src/y.py"), (1, 3, "x.py"), (2, 1, "x.py"),
    ]  # fmt: skip
    assert await query(packhorse_database, "SELECT id, last_path FROM indexing.pool ORDER BY id") == [(1, 3), (2, 1)]
