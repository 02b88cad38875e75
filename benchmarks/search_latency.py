"""Latency of searches in a large index, by stage, for one client and for ten at once, and recall of the dense step.

usage: python benchmarks/search_latency.py --data FOLDER --repository PATH [--annotations FOLDER] [--clients 10] …

`--data` is a data folder that is kept between runs; `--repository` is a folder that is indexed there first if need be.
The queries are those of the benchmark's annotations (`annotations/NAME.json`, lists of objects with `query`) and names
that the repository defines, in an order that is drawn once. `search_scale.py` multiplies an index; of what it adds to a
repository the folder has nothing, so measure that with `--without-looks`, or the first search takes it away again.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import random
import statistics
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from packhorse.database import Database
    from packhorse_indexing.models import Freshness, Repository
    from packhorse_indexing.service import Index
    from packhorse_search.service import Search

SEED = 4
WARM_UP = 40


class Stages:
    """Milliseconds spent in functions of the search, by name, a list for each: waiting for PostgreSQL included."""

    def __init__(self) -> None:
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    def watch(self, owner: Any, name: str, label: str) -> None:
        """Replace a function, or a coroutine function, by one that is timed."""
        inner: Callable[..., Any] = getattr(owner, name)
        times = self.times[label]

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return await inner(*args, **kwargs)
            finally:
                times.append((time.perf_counter() - began) * 1000)

        def called(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(*args, **kwargs)
            finally:
                times.append((time.perf_counter() - began) * 1000)

        setattr(owner, name, awaited if asyncio.iscoroutinefunction(inner) else called)

    def print(self) -> None:
        """Print each stage's median and 95th percentile."""
        for label, times in self.times.items():
            if times:
                print(f"    {label:34} {_figures(times)}  n {len(times)}")


def _figures(times: list[float]) -> str:
    ordered = sorted(times)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"p50 {statistics.median(ordered):7.2f}  p95 {p95:7.2f}  max {ordered[-1]:7.2f} ms"


def watch_all(stages: Stages) -> None:
    """Time the steps of a search and its statements."""
    from packhorse_indexing.service import Index
    from packhorse_search import assemble, lexical, retrieve, scope, service, store

    stages.watch(scope, "choose", "scope")
    stages.watch(Index, "refresh", "look at the folder (beside)")
    stages.watch(Index, "embed_query", "embed the query")
    stages.watch(service, "retrieve", "retrieve")
    for name in vars(retrieve):
        if name in STATEMENTS:
            stages.watch(retrieve, name, f"  {name}")
    for name in STATEMENTS:
        if hasattr(store, name):
            stages.watch(store, name, f"  {name}")
    stages.watch(lexical, "bm25", "  bm25")
    stages.watch(service.Search, "_rank", "rank")
    stages.watch(assemble, "results", "assemble")


STATEMENTS = (
    "keyed",
    "visible_chunks",
    "nearest",
    "describe",
    "contents",
)


def annotated(folder: Path | None) -> list[str]:
    """Return the queries of a benchmark's annotations."""
    files = sorted(folder.glob("*.json")) if folder else []
    return [task["query"] for file in files for task in json.loads(file.read_text())]


async def queries_of(database: Database, pool_id: int, annotated: list[str], names: int) -> list[str]:
    """Return the queries, in an order that is the same in every run."""
    drawn = random.Random(SEED)
    found = list(annotated)
    async with database.connection() as connection:
        cursor = await connection.execute(
            "SELECT DISTINCT name FROM indexing.definition WHERE pool_id = %s AND length(name) BETWEEN 4 AND 60"
            " AND chunk_id <= 120000 ORDER BY name",
            [pool_id],
        )
        found += drawn.sample([name for (name,) in await cursor.fetchall()], names)
    drawn.shuffle(found)
    return [query[:500] for query in found]


async def ask(search: Search, repository: Repository, queries: list[str], clients: int, **options: Any) -> list[float]:
    """Ask every query, so many at a time; return the milliseconds of each."""
    from packhorse_search.service import Request

    left = iter(queries)
    times: list[float] = []

    async def client() -> None:
        for query in left:
            began = time.perf_counter()
            await search.search(Request(query, repository=str(repository.id), **options))
            times.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


@contextmanager
def measured(title: str) -> Iterator[list[float]]:
    """Print the figures of the times that the block collects."""
    times: list[float] = []
    used, began = time.process_time(), time.perf_counter()
    yield times
    wall = time.perf_counter() - began
    cpu = (time.process_time() - used) / max(1, len(times)) * 1000
    print(
        f"{title:38} {_figures(times)}  {len(times) / wall:6.1f}/s  CPU of this process {cpu:.1f} ms a query",
        flush=True,
    )


async def run(options: argparse.Namespace) -> None:
    """Index the repository if need be, and measure."""
    from packhorse.plugins import PluginHost
    from packhorse.settings import load_settings
    from packhorse_indexing.service import Index
    from packhorse_search.service import Search

    if options.without_looks:
        Index.refresh = _not_looked_at  # type: ignore[method-assign]
    host = PluginHost(load_settings())
    host.load()
    gc.freeze()  # as `packhorse serve` does
    gc.set_threshold(10_000, 20, 20)
    async with host.running():
        index, search = host.services.find(Index), host.services.find(Search)
        assert index is not None, [str(record) for record in host.records]
        assert search is not None, [str(record) for record in host.records]
        repository = await index.ensure_indexed(str(options.repository.resolve()))
        await conditions(host.database, repository)
        queries = await queries_of(host.database, repository.pool_id, annotated(options.annotations), options.names)
        if options.limit_queries:
            queries = queries[: options.limit_queries]
        if options.recall:
            await recall(index, host.database, repository, queries[: options.recall])
        stages = Stages()
        if options.stages:
            watch_all(stages)
        for clients in options.clients:
            # Each connection of the pool plans each statement anew at first.
            await ask(search, repository, queries[: WARM_UP * clients], clients)
            with measured(f"{clients} client{'s' * (clients > 1)}, {len(queries)} queries") as times:
                times.extend(await ask(search, repository, queries, clients))
            stages.print()
            for collected in stages.times.values():
                collected.clear()


async def _not_looked_at(_index: Index, _repository: Repository, _budget_seconds: float = 0.0) -> Freshness:
    from packhorse_indexing.models import Freshness

    return Freshness()


async def recall(index: Index, database: Database, repository: Repository, queries: list[str]) -> None:
    """Print how many of the exact nearest chunks the search's scan of vectors finds."""
    from pgvector import HalfVector

    from packhorse.database import reading
    from packhorse_search.area import Area
    from packhorse_search.filters import Filter
    from packhorse_search.nearest import ask_nearest, nearest
    from packhorse_search.weights import DEFAULT

    area = Area(repository.pool_id, (repository.id,), Filter())
    found: defaultdict[int, list[float]] = defaultdict(list)
    wanted = DEFAULT.candidates
    for query in queries:
        vector = await index.embed_query(query)
        async with reading(database) as connection, connection.pipeline():
            near = list(await nearest(await ask_nearest(connection, area, vector, wanted)))
            cursor = await connection.execute(
                "SELECT chunk_id FROM indexing.embedding WHERE pool_id = %s ORDER BY vector <=> %s, chunk_id LIMIT %s",
                [repository.pool_id, HalfVector(vector), wanted],
            )
            exact = [chunk_id for (chunk_id,) in await cursor.fetchall()]
        for first in (10, DEFAULT.candidates):
            found[first].append(len({*near[:first]} & {*exact[:first]}) / max(1, len(exact[:first])))
    for first, shares in found.items():
        print(f"recall@{first} of the scan of vectors: {statistics.fmean(shares):.4f}, least {min(shares):.2f}")


async def conditions(database: Database, repository: Repository) -> None:
    """Print what is measured, and on what."""
    print(f"{platform.platform()}, Python {platform.python_version()}, {len(os.sched_getaffinity(0))} cores, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    async with database.connection() as connection:
        cursor = await connection.execute(
            """
            SELECT version(), current_setting('shared_buffers'), pg_size_pretty(pg_database_size(current_database())),
                   (SELECT count(*) FROM indexing.pool), (SELECT sum(chunks) FROM indexing.segment),
                   (SELECT sum(chunks) FROM indexing.segment WHERE pool_id = %(pool)s),
                   (SELECT count(*) FROM indexing.segment WHERE pool_id = %(pool)s),
                   (SELECT files FROM indexing.repository WHERE id = %(repository)s)
            """,
            {"pool": repository.pool_id, "repository": repository.id},
        )
        row = await cursor.fetchone()
    assert row is not None
    print(f"{row[0].split(' on ')[0]}, shared_buffers {row[1]}, database {row[2]}: {row[3]} pools, {row[4]} chunks; "
          f"searched: {row[5]} chunks in {row[6]} segments, {row[7]} files")  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder, kept")
    parser.add_argument("--repository", type=Path, required=True, help="the folder that is searched")
    parser.add_argument("--annotations", type=Path, help="folder with the annotations of a benchmark")
    parser.add_argument("--names", type=int, default=140, help="how many defined names are asked for")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--recall", type=int, default=0, help="queries of which recall is measured")
    parser.add_argument("--limit-queries", type=int)
    parser.add_argument("--stages", action="store_true", help="time the steps, which costs a little itself")
    parser.add_argument("--without-looks", action="store_true", help="do not compare the folder with its index")
    options = parser.parse_args()
    os.environ["PACKHORSE_DATA_DIR"] = str(options.data.resolve())
    asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
