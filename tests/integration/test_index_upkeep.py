"""A pool's upkeep beside searches: what collects and merges holds no lock that a search waits for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from packhorse.database import connect
from packhorse_indexing.service import Index
from packhorse_indexing.store import listing, postings, upkeep, work
from packhorse_search.service import Request, Search

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_index import Repository
    from packhorse.testing import MakeHost

pytestmark = pytest.mark.integration

HARMLESS = {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}
"""Of the locks on tables, those that no reader and no writer waits for."""

LOCKS = """
SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted
"""
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
MANY_FILES = """
WITH number AS (
    SELECT n FROM generate_series(1000, 999 + %(files)s) n
), path AS (
    INSERT INTO indexing.path (pool_id, id, path, extension, lexemes)
    SELECT %(pool)s, n, 'many/' || n || '.py', 'py', '{}' FROM number
), blob AS (
    INSERT INTO indexing.blob (pool_id, id, hash, language, lines, bytes, chunks, embedded)
    SELECT %(pool)s, n, int4send(n), 'python', 1, 1, 1, 1 FROM number
)
INSERT INTO indexing.listing (pool_id, repository, path_id, blob_id)
SELECT %(pool)s, key, n, n FROM indexing.repository, number WHERE pool_id = %(pool)s
"""
"""Put so many files more on the list of a pool's only repository."""


def tidy(connection: Any, pool_id: int) -> int:
    """Collect and merge whatever there is, in the caller's transaction; return how many blobs."""
    expired = upkeep.expired_blobs(connection, pool_id, 90, 1000)
    upkeep.delete_blobs(connection, pool_id, expired)
    listing.delete_unlisted_paths(connection, pool_id)
    segments = connection.execute("SELECT id FROM indexing.segment WHERE pool_id = %s", [pool_id]).fetchall()
    postings.merge_segments(connection, pool_id, [segment for (segment,) in segments])
    work.prune(connection, pool_id, 0)
    return len(expired)


async def test_a_search_goes_on_while_old_content_is_collected_and_segments_are_merged(
    packhorse_host: MakeHost, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository()
    for number in range(3):
        repository.write(f"module_{number}.py", f"def remember_{number}(value):\n    return value\n")
    host = packhorse_host("indexing", "search")
    async with host.running():
        index, search = host.services.find(Index), host.services.find(Search)
        assert index is not None
        assert search is not None

        async def found() -> set[str]:
            answer = await asyncio.wait_for(search.search(Request("remember value")), 20)
            return {result.file_path for result in answer.results}

        await index.index(str(repository))
        (repository.root / "module_0.py").unlink()
        repository.write("module_3.py", "def remember_3(value):\n    return value\n")
        await index.index(str(repository))
        before = await found()
        assert before == {"module_1.py", "module_2.py", "module_3.py"}
        [pool_id] = {one.pool_id for one in await index.repositories()}
        with connect(host.database.address) as connection:
            connection.execute("UPDATE indexing.blob SET orphaned_at = now() - interval '91 days' WHERE id = 1")
            connection.commit()
            # Everything that a worker does in its transactions, in one that does not end while the searches run.
            assert tidy(connection, pool_id) == 1
            assert {mode for (mode,) in connection.execute(LOCKS).fetchall()} <= HARMLESS
            assert await found() == before
            assert connection.execute(WAITING).fetchone() == (0,)
            connection.commit()
        assert await found() == before


async def test_counting_a_pool_that_the_planner_does_not_know_takes_no_square_of_its_files(
    packhorse_host: MakeHost, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository()
    repository.write("module.py", "def remember(value):\n    return value\n")
    host = packhorse_host("indexing")
    async with host.running():
        index = host.services.find(Index)
        assert index is not None
        await index.index(str(repository))
        [indexed] = await index.repositories()
        with connect(host.database.address) as connection:
            connection.execute("ANALYZE indexing.listing, indexing.blob")  # … when the pool had a single file
            connection.execute(MANY_FILES, {"pool": indexed.pool_id, "files": 20_000})
            connection.execute("SET LOCAL statement_timeout = '5s'; SET LOCAL enable_seqscan = off")
            upkeep.count_repositories(connection, indexed.pool_id)
            counts = connection.execute("SELECT files, chunks, skipped, pending FROM indexing.repository").fetchone()
            assert counts == (20_001, 20_001, 0, 0)
