"""Latency of looking code up in a large index: texts, words, patterns, symbols, references, outlines, places alike.

usage: python benchmarks/lookup.py --data FOLDER --repository PATH [--rounds 3] [--names 60]

`--data` is a data folder that is kept between runs; `--repository` is a folder that is indexed there first if it was
not. What is looked for is drawn from what the folder defines, the same in every run. The patterns that would hang a
backtracking engine are timed one by one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_latency import conditions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from packhorse.database import Database
    from packhorse_indexing.models import Repository
    from packhorse_search.lookup.answer import Told
    from packhorse_search.scope import Scope

SEED = 4

PATTERNS = {
    "patterns with a word": [
        r"def \w+_{name}\(", r"\b{name}\b\s*=", r"(?:class|struct|interface)\s+{name}", r"return .*{name}\(",
        r"^import .*{name}", r"(?i){name}error", r"{name}(?:ed|ing|s)\b", r"new {name}\([^)]*\)",
    ],
    "patterns of common words": [
        "import", r"\bget\b", r"return None", "TODO|FIXME", r"^from \w+ import", r"if err != nil", "else",
    ],
    "patterns without a word": [r"=> \{$", r"\d{7}", r"^\s*\}\s*$", ".*", r"\$\{\w+\}", r"0x[0-9a-f]{16}"],
}  # fmt: skip
HOSTILE = [
    "(x+x+)+y", "(a|aa)+$", "(.*)(.*)(.*)(.*)(.*)[^a]", r"(.{1,200}){1,3}\d", "(?:a?){200}a{200}",
    r"(?i)[\pL\pN]{1,8}x", r"(\w+\s?)*$", "^(([a-z])+.)+[A-Z]([a-z])+$",
]  # fmt: skip


def figures(times: list[float]) -> str:
    """Return the median, the 95th percentile and the longest of these milliseconds."""
    ordered = sorted(times)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"p50 {statistics.median(ordered):7.1f}  p95 {p95:7.1f}  max {ordered[-1]:7.1f} ms  n {len(ordered)}"


class Asker:
    """Asks the index of one repository, without comparing its folder, and times the answers."""

    def __init__(self, database: Database, where: Scope, rounds: int) -> None:
        self.database = database
        self.where = where
        self.rounds = rounds

    async def grep(self, pattern: str, **options: Any) -> Told:
        """Look for a pattern."""
        from packhorse_search.lookup import grep

        return await grep.answer(self.database, self.where, grep.parse(grep.Request(pattern, **options)))

    async def symbol(self, name: str, *, references: bool) -> Told:
        """Look for a symbol."""
        from packhorse_search.lookup import symbols

        return await symbols.answer(self.database, self.where, symbols.parse(symbols.Request(name, references)))

    async def outline(self, path: str) -> Told:
        """Outline a path."""
        from packhorse_search.lookup import outline

        return await outline.answer(self.database, self.where, outline.Request(path))

    async def similar(self, location: str) -> Told:
        """Find places like one."""
        from packhorse_search.lookup import similar

        return await similar.answer(self.database, self.where, similar.Request(location))

    async def measure(self, title: str, ask: Callable[[str], Awaitable[Told]], what: Iterable[str]) -> None:
        """Print the figures of asking each of these."""
        times = []
        for one in what:
            for _ in range(self.rounds):
                began = time.perf_counter()
                await ask(one)
                times.append((time.perf_counter() - began) * 1000)
        print(f"{title:28} {figures(times)}", flush=True)


async def drawn(database: Database, repository: Repository, count: int) -> tuple[list[str], list[tuple[str, int]]]:
    """Return names that are defined, and places in files, the same in every run."""
    async with database.connection() as connection:
        rows = await (
            await connection.execute(
                "SELECT DISTINCT name FROM indexing.definition WHERE pool_id = %s AND name ~ '^[A-Za-z]\\w{4,}$'",
                [repository.pool_id],
            )
        ).fetchall()
        places = await (
            await connection.execute(
                """
                SELECT f.path, c.start_line FROM indexing.file f
                JOIN indexing.chunk c ON c.pool_id = f.pool_id AND c.blob_id = f.blob_id AND c.symbol IS NOT NULL
                WHERE f.pool_id = %s AND f.repository_id = %s ORDER BY f.path, c.start_line
                """,
                [repository.pool_id, repository.id],
            )
        ).fetchall()
    random_ = random.Random(SEED)
    return random_.sample(sorted(name for (name,) in rows), count), random_.sample(places, count)


async def run(options: argparse.Namespace) -> None:
    """Index the repository if need be, and measure."""
    from packhorse.plugins import PluginHost
    from packhorse.settings import load_settings
    from packhorse_indexing.service import Index
    from packhorse_search import scope

    host = PluginHost(load_settings())
    host.load()
    async with host.running():
        index = host.services.find(Index)
        if index is None:
            raise SystemExit("The plugins did not start; run `packhorse plugins`.")
        repository = await index.ensure_indexed(str(options.repository.resolve()))
        await conditions(host.database, repository)
        where = await scope.choose(index, str(repository.id))
        asker = Asker(host.database, where, options.rounds)
        names, places = await drawn(host.database, repository, options.names)
        for name in names[:5]:
            await asker.grep(name)
        await asker.measure("texts", lambda name: asker.grep(f"{name}(", literal=True), names)
        await asker.measure("parts of names", lambda name: asker.grep(name[1:-1]), names)
        await asker.measure("words", lambda name: asker.grep(name, literal=True, word=True), names)
        for title, patterns in PATTERNS.items():
            asked = [pattern.replace("{name}", names[i]) for i, pattern in enumerate(patterns)]
            await asker.measure(title, asker.grep, asked)
        await asker.measure("symbols", lambda name: asker.symbol(name, references=False), names)
        await asker.measure("symbols with references", lambda name: asker.symbol(name, references=True), names)
        await asker.measure(
            "names that are misspelt", lambda name: asker.symbol(f"{name}zq", references=False), names[:8]
        )
        await asker.measure("outlines of files", asker.outline, [path for path, _ in places])
        await asker.measure("outlines of folders", asker.outline, ["", *{path.split("/")[0] for path, _ in places}])
        await asker.measure("places alike", asker.similar, [f"{path}:{line}" for path, line in places])
        await compete(asker, names)
        for pattern in HOSTILE:
            began = time.perf_counter()
            answer: Any = await asker.grep(pattern)
            milliseconds = (time.perf_counter() - began) * 1000
            print(
                f"  {pattern:32} {milliseconds:7.1f} ms  {answer.total_lines} lines, {answer.searched or 'everything'}"
            )


async def compete(asker: Asker, names: list[str], clients: int = 10) -> None:
    """Print the figures of texts when ten clients ask at once."""
    times: list[float] = []

    async def client(part: list[str]) -> None:
        for name in part:
            began = time.perf_counter()
            await asker.grep(f"{name}(", literal=True)
            times.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(client(names[i::clients]) for i in range(clients)))
    print(f"{f'texts, {clients} clients at once':28} {figures(times)}", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder, kept")
    parser.add_argument("--repository", type=Path, required=True, help="the folder that is searched")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is asked")
    parser.add_argument("--names", type=int, default=60, help="how many names and places are drawn")
    options = parser.parse_args()
    os.environ["PACKHORSE_DATA_DIR"] = str(options.data.resolve())
    asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
