"""Ten places in a folder are found among thousands that match better, and look-ups read no more than they ask for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from packhorse_indexing.service import Index
from packhorse_search import scope
from packhorse_search.lookup import grep, outline, similar, store, symbols
from packhorse_search.service import Request, Search

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from psycopg import AsyncConnection

    from packhorse.plugins import PluginHost
    from packhorse.testing import MakeHost

pytestmark = pytest.mark.integration

NEEDLES = 10
FILTERS = ({"directory": "rare/place"}, {"directory": "rare/**/*.lua"}, {"directory": "!hay*"}, {"language": "lua"},
           {"file_type": "lua"}, {"kind": "tests"})  # fmt: skip


@pytest.fixture
def haystack(packhorse_host: MakeHost, make_repository: Any) -> Any:
    """Run a host whose index has the ten files in a folder and so many others; yields it, the index and the path."""

    @asynccontextmanager
    async def make(hay: int) -> AsyncIterator[tuple[PluginHost, Index, str]]:
        repository = make_repository()
        for i in range(hay):
            text = f"def open_session(pool):\n    return 'session pool => {i}'\n"
            repository.write(f"hay_{i % 20}/open_session_pool_{i}.py", text)
        for i in range(NEEDLES):
            text = f"function open_session(pool)\n  local unrelated = {i}\n  return pool => {{ session }}\nend\n"
            repository.write(f"rare/place/tests/handler_{i}.lua", text)
        host = packhorse_host("indexing", "search")
        async with host.running():
            index = host.services.find(Index)
            assert index is not None, [str(record) for record in host.records]
            assert (await index.index(str(repository))).status == "success"
            yield host, index, str(repository)

    return make


@pytest.mark.slow
async def test_ten_places_are_found_whatever_surrounds_them(haystack: Any) -> None:
    async with haystack(2500) as (host, index, path):
        search = host.services.find(Search)
        for filters in FILTERS:
            answer = await search.search(Request("open session pool", repository=path, **filters))
            assert [one.language for one in answer.results] == ["lua"] * NEEDLES, filters
            assert answer.total_count == NEEDLES, filters
            where = await scope.choose(index, path, **filters)
            for pattern in ("open_session", "essio", "=> ", ".*pool.*=>.*", "[{] session"):
                lines = await grep.answer(host.database, where, grep.parse(grep.Request(pattern)))
                assert (lines.total_files, lines.is_complete) == (NEEDLES, True), (pattern, filters)
            asked = symbols.parse(symbols.Request("open_session", references=True))
            named = await symbols.answer(host.database, where, asked)
            assert named.total_definitions == NEEDLES, filters
            like = await similar.answer(host.database, where, similar.Request("hay_3/open_session_pool_3.py:1"))
            assert [one.language for one in like.results] == ["lua"] * NEEDLES, filters
        everywhere = await scope.choose(index, path)
        folder = await outline.answer(host.database, everywhere, outline.Request("rare/place/tests"))
        assert folder.total_count == NEEDLES


class Explained:
    """A connection that keeps how many rows come to, or are dropped by, the busiest node of all statements' plans."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self.connection = connection
        self.read = 0

    async def execute(self, statement: bytes | str, parameters: Any = None, **options: Any) -> Any:
        if isinstance(statement, bytes):
            cursor = await self.connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
            [[[plan]]] = await cursor.fetchall()
            self.read = max([self.read, *_rows(plan["Plan"])])
        return await self.connection.execute(statement, parameters, **options)


def _rows(node: dict[str, Any]) -> Iterator[float]:
    dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    yield (node["Actual Rows"] + dropped) * node["Actual Loops"]
    for below in node.get("Plans", ()):
        yield from _rows(below)


async def test_a_look_up_reads_what_it_asks_for_and_not_the_whole_list(haystack: Any) -> None:
    """With the joins in the order in which they are written a view among them is joined whole: 15 s where 50 ms do."""
    async with haystack(300) as (host, index, path):
        where = await scope.choose(index, path)
        [area] = where.areas
        [repository] = area.repository_ids
        async with host.database.connection() as real:
            await real.execute("ANALYZE")  # as indexing does at the end of a large run
            connection: Any = Explained(real)
            files = await store.files(connection, area, np.array([1, 2], dtype=np.int32))
            await store.texts(connection, area.pool_id, files, "")
            await store.texts(connection, area.pool_id, [file._replace(chunks=None) for file in files], "")
            await store.definitions_of(connection, area.pool_id, [file.blob_id for file in files])
            place = await store.place(connection, area.pool_id, repository, files[0].path, 1)
            assert await store.chunk_place(connection, area.pool_id, place.chunk_id, [repository]) == place
            assert await store.definitions_named(connection, area, ["handler_0"], 10) == []
        assert (len(files), 0 < connection.read <= 4) == (2, True), connection.read
