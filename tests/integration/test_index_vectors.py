"""The HNSW index of a large pool's vectors: built beside all work, found anew after a death, and never starving."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from pgvector import HalfVector

from packhorse_indexing.service import Index
from packhorse_indexing.store import vectors
from packhorse_search import description, filters, store
from packhorse_search.area import Area, for_pool, narrowed
from packhorse_search.nearest import NEAREST
from packhorse_search.query import parse
from packhorse_search.retrieve import retrieve
from packhorse_search.service import Request, Search
from packhorse_search.weights import DEFAULT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from packhorse.plugins import PluginHost
    from packhorse.testing import MakeHost
    from packhorse_indexing.models import IndexResult

pytestmark = pytest.mark.integration

NEEDLES = 10
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('indexing.embedding_{}_hnsw')"
"""Whether the pool's index is valid."""


@pytest.fixture
async def host(packhorse_host: MakeHost, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PluginHost]:
    """A host that indexes the vectors of every repository with 100 chunks or more, and looks for them all the time."""
    monkeypatch.setattr("packhorse_indexing.vectors.PAUSE", 0.05)
    host = packhorse_host("indexing", "search", settings={"PACKHORSE_INDEXING_HNSW_CHUNKS": "100"})
    async with host.running():
        yield host


async def query(host: PluginHost, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
    async with host.database.connection() as connection:
        cursor = await connection.execute(statement, arguments)
        return [] if cursor.description is None else await cursor.fetchall()


async def haystack(host: PluginHost, make_repository: Any) -> tuple[int, IndexResult]:
    """Index 400 files that are alike and, in a folder of their own, ten that are less so; return the pool and run."""
    repository = make_repository()
    for number in range(400):
        repository.write(f"hay/retry_{number}.py", f"def retry_{number}(request):\n    return send({number})\n")
    for number in range(NEEDLES):
        repository.write(f"needles/note_{number}.py", f"def colour_{number}(paint):\n    return mix(paint, {number})\n")
    index = host.services.find(Index)
    assert index is not None, [str(record) for record in host.records]
    result = await index.index(str(repository))
    [[pool]] = await query(host, "SELECT pool_id FROM indexing.repository WHERE id = %s", result.repository_id)
    return pool, result


async def until_indexed(host: PluginHost, pool: int) -> None:
    for _ in range(600):
        if await query(host, VALID.format(pool)) == [(True,)]:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the index was not built within 30 s")


async def found(host: PluginHost, repository: UUID, pool: int, *, limit: int, directory: str = "") -> list[str]:
    """The paths of what is retrieved by meaning and words, the nearest first, by a planner that prefers indexes."""
    index = host.services.find(Index)
    assert index is not None
    asked = parse("retry a request")
    vector = await index.embed_query(asked.text)
    area = Area(pool, (repository,), filters.parse(directory=directory))
    async with host.database.connection() as connection:
        await connection.execute("SELECT set_config(name, 'off', true) FROM unnest(ARRAY['enable_sort']) name")
        statement = for_pool(NEAREST, pool, len(vector), 9)
        parameters = {"vector": HalfVector(vector), "ef_search": "100"}
        plan = await connection.execute(b"EXPLAIN " + statement, parameters)
        assert f"embedding_{pool}_hnsw" in str(await plan.fetchall())
        few = replace(DEFAULT, candidates=limit, path_candidates=1)
        retrieved = await retrieve(connection, asked, area, vector, few)
    ordered = sorted(retrieved.candidates, key=lambda candidate: -candidate.meaning)
    return [candidate.file.path for candidate in ordered if candidate.meaning]


async def test_a_large_pool_gets_an_index_that_starves_no_filter(host: PluginHost, make_repository: Any) -> None:
    pool, result = await haystack(host, make_repository)
    await until_indexed(host, pool)
    assert len(await found(host, result.repository_id, pool, limit=50)) >= 50
    needles = await found(host, result.repository_id, pool, limit=20, directory="needles")
    assert len(needles) == NEEDLES
    assert all(path.startswith("needles/") for path in needles)


async def test_many_that_pass_a_filter_are_found_by_the_index_or_one_by_one(
    host: PluginHost, make_repository: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packhorse_search.retrieve.EXACT_CHUNKS", 5)
    monkeypatch.setattr("packhorse_search.retrieve.FEW_CHUNKS", 5)
    pool, result = await haystack(host, make_repository)
    await until_indexed(host, pool)
    assert len(await found(host, result.repository_id, pool, limit=50, directory="hay")) >= 50
    # More than the folder has: the index gives up, and a scan finds that there are no more.
    assert len(await found(host, result.repository_id, pool, limit=20, directory="needles")) == NEEDLES


async def test_what_an_interrupted_build_left_is_replaced(host: PluginHost, make_repository: Any) -> None:
    pool, _ = await haystack(host, make_repository)
    await until_indexed(host, pool)
    await query(
        host,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass('indexing.embedding_' || %s || '_hnsw')",
        pool,
    )
    await until_indexed(host, pool)


async def test_a_pool_that_somebody_builds_an_index_of_is_left_to_him(host: PluginHost, make_repository: Any) -> None:
    with psycopg.connect(host.database.address.conninfo, autocommit=True) as holder:
        # The pool's number is known only when it is there: the locks of the next few are held.
        holder.execute("SELECT pg_advisory_lock(%s, pool) FROM generate_series(1, 99) pool", [vectors.BUILD_LOCK])
        pool, _ = await haystack(host, make_repository)
        await asyncio.sleep(0.3)
        assert await query(host, VALID.format(pool)) == []
        holder.execute("SELECT pg_advisory_unlock_all()")
    await until_indexed(host, pool)


def test_a_build_may_use_what_it_needs_within_reason() -> None:
    assert vectors.memory(vectors.Unindexed(1, 256, 1_000)) == 64 << 20
    assert 100 << 20 < vectors.memory(vectors.Unindexed(1, 256, 100_000)) < 256 << 20
    assert vectors.memory(vectors.Unindexed(1, 4000, 10_000_000)) == 256 << 20


async def test_what_one_of_a_pools_repositories_lists_is_found_among_the_others(
    host: PluginHost, make_repository: Any
) -> None:
    repository = make_repository("first").init()
    repository.write("needles/note.py", "def colour(paint):\n    return mix(paint)\n")
    repository.commit()
    second = make_repository("second")
    repository.git("worktree", "add", "-f", "-q", str(second), "-b", "other")
    for number in range(300):
        repository.write(f"hay/mix_{number}.py", f"def mix_{number}(paint, colour):\n    return mix({number})\n")
    index, search = host.services.find(Index), host.services.find(Search)
    assert index is not None
    assert search is not None
    await index.index(str(repository))
    result = await index.index(str(second))
    answer = await search.search(Request("mix a colour of paint", repository=str(result.repository_id)))
    assert [found.file_path for found in answer.results] == ["needles/note.py"]


async def test_the_commonest_words_are_left_out_of_a_search_of_everything_alone(
    host: PluginHost, make_repository: Any
) -> None:
    """All but the two rarest, and only beyond what may be scored; in a folder every word counts."""
    pool, result = await haystack(host, make_repository)
    terms = {"colour_3": 1.0, "paint": 1.0, "retry": 1.0, "request": 1.0}

    async def read(postings: int, directory: str = "") -> set[str]:
        area = Area(pool, (result.repository_id,), filters.parse(directory=directory))
        async with host.database.connection() as connection:
            area = await narrowed(connection, area)
            row = await store.keyed(await store.ask_keyed(connection, area, terms, (), 1, 1, postings))
        return set(row.postings.lexemes)

    assert await read(100) == {"colour_3", "paint"}
    assert await read(0) == {"colour_3", "paint"}
    assert await read(1000) == set(terms)
    assert await read(100, "needles") == set(terms)


async def test_what_candidates_are_is_looked_up_by_key_in_the_order_that_is_written(
    host: PluginHost, make_repository: Any
) -> None:
    """Left to its estimates PostgreSQL joins the whole pool now and then, and keeps that to look through it."""
    pool, result = await haystack(host, make_repository)
    area = Area(pool, (result.repository_id,), filters.parse())
    parameters = area.file_parameters() | {"chunks": "{1,2,3}", "vector": None}
    parameters |= dict.fromkeys(("unmeasured", "defining", "read"), "{}")
    async with host.database.connection() as connection:
        await store.by_key(connection)
        cursor = await connection.execute(b"EXPLAIN " + for_pool(description.DESCRIBE, pool), parameters)
        plan = "\n".join([line for (line,) in await cursor.fetchall()])
    assert "Function Scan on unnest wanted" in plan
    for never in ("Materialize", "Hash Join", "Merge Join", "Seq Scan on"):
        assert never not in plan


async def test_a_result_is_named_though_its_definitions_were_not_read_to_rank_it(
    host: PluginHost, make_repository: Any
) -> None:
    repository = make_repository()
    repository.write("x.py", "def pour():\n    return 'water'\n\n\ndef stir():\n    return 'tea'\n")
    index, search = host.services.find(Index), host.services.find(Search)
    assert index is not None
    assert search is not None
    result = await index.index(str(repository))
    search._weights = replace(DEFAULT, definitions_read=0, path_candidates=0)
    [found] = (await search.search(Request("give back tea", str(result.repository_id)))).results
    assert found.symbol in {"pour", "stir"}
