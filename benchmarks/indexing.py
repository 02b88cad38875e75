"""How long indexing takes, stage by stage: cold, unchanged, ten files touched, a second worktree, and searches' looks.

    python benchmarks/indexing.py [--files 10000 --lines 1000000] [--repository PATH] [--growth [FILES…] --repeats 3]

Without a repository it makes one of this interpreter's installed packages. It prints its conditions and, beside each
figure, what it must reach on two cores that have nothing else to do; CPU seconds are those of all processes, PostgreSQL
included, and tell more than wall time when the machine is shared. `--growth` measures samples of 1,000 to 30,000 files
of one repository, cold. It asks for nothing but the embedded PostgreSQL, or the one of DATABASE_URL.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corpus import commit, count_lines, make_corpus, sample
from processes import Usage
from pydantic import SecretStr

from packhorse.database import lease
from packhorse.discovery import discover
from packhorse.plugins import PluginHost
from packhorse.settings import CoreSettings
from packhorse.variables import Variable
from packhorse_indexing.crew import MIN_FILES
from packhorse_indexing.refresh import LONGEST_REST
from packhorse_indexing.service import Index

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from packhorse_indexing.models import IndexResult

RACY_SECONDS = 2.5
"""After so long nothing that was written before is read again for having been written just before."""

SETTINGS = {"PACKHORSE_INDEXING_HNSW_CHUNKS": Variable("PACKHORSE_INDEXING_HNSW_CHUNKS", "1000000000", "benchmark")}
"""No HNSW index of vectors is built meanwhile: that is done beside all other work, and would be measured with it."""

REPEATS = 5
IDLE_CPU = 0.05
"""Seconds of CPU in half a second with which nothing is at work."""

GROWTH = (1_000, 3_000, 10_000, 30_000)


@dataclass
class Bench:
    """A running index and what it is measured with."""

    index: Index
    host: PluginHost
    usage: Usage
    work: Path

    async def run(self, name: str, path: Path, limit: str = "") -> float:
        """Index once and print a line; return the wall time."""
        first_batch: list[float] = []
        start, used = time.perf_counter(), self.usage.cpu_seconds()

        async def watch(progress: object) -> None:
            if not first_batch and getattr(progress, "chunks", 0):
                first_batch.append(time.perf_counter() - start)

        result = await self.index.index(str(path), on_progress=watch)
        wall = time.perf_counter() - start
        self._print(name, wall, self.usage.cpu_seconds() - used, limit, _outcome(result))
        if first_batch:
            self._print("  first batch searchable", first_batch[0], None, "≤ 3 s")
        return wall

    @staticmethod
    def _print(name: str, wall: float, cpu: float | None, limit: str = "", more: str = "") -> None:
        used = "" if cpu is None else f"CPU {cpu:5.2f} s"
        print(f"{name:30} {wall:7.3f} s  {used:13} {limit:8} load {os.getloadavg()[0]:4.1f}  {more}", flush=True)

    async def repeat(self, name: str, path: Path, limit: str) -> None:
        """Index an unchanged folder several times and print the median."""
        start, used, times = time.perf_counter(), self.usage.cpu_seconds(), []
        for _ in range(REPEATS):
            start = time.perf_counter()
            await self.index.index(str(path))
            times.append(time.perf_counter() - start)
        cpu = (self.usage.cpu_seconds() - used) / REPEATS
        self._print(name, statistics.median(times), cpu, limit, f"median of {REPEATS}, best {min(times):.3f} s")

    async def refresh(self, name: str, path: Path) -> None:
        """Measure what a search waits for its folder to be compared, when it need not wait for the query anyway."""
        repository = await self.index.find(str(path))
        start = time.perf_counter()
        found = await self.index.refresh(repository)
        self._print(name, time.perf_counter() - start, None, "≤ 0.15 s", found.note or ("updated" * found.updated))

    async def size(self) -> int:
        """Return the bytes of the database."""
        async with self.host.database.connection() as connection:
            row = await (await connection.execute("SELECT pg_database_size(current_database())")).fetchone()
        return int(row[0]) if row else 0

    async def settle(self) -> None:
        """Wait for the worker's upkeep and do what autovacuum would do later: their CPU time is the last run's too."""
        used = -1.0
        while self.usage.cpu_seconds() - used > IDLE_CPU:
            used = self.usage.cpu_seconds()
            await asyncio.sleep(0.5)
        async with self.host.database.connection(deadline=600) as connection:
            await connection.set_autocommit(True)
            await connection.execute("SET statement_timeout = 0")
            await connection.execute("VACUUM ANALYZE")
            await connection.execute("RESET statement_timeout")
            await connection.set_autocommit(False)

    def stages(self) -> str:
        """Return the stages of the last run that a worker did, as it logged them."""
        found = [
            match
            for log in (self.work / "data/logs").glob("*.log")
            for match in re.findall(r"^(\S+) .* files; (CPU .*?)$", log.read_text(), re.MULTILINE)
        ]
        return max(found)[1] if found else ""


def _outcome(result: IndexResult) -> str:
    return f"{result.status}: {result.files_indexed} files, {result.chunks_created} new chunks"


def touch(folder: Path, number: int) -> None:
    """Append a line to so many files."""
    files = [file for file in sorted(folder.rglob("*.py")) if ".git" not in file.parts]
    for file in files[:: max(1, len(files) // number)][:number]:
        file.write_bytes(file.read_bytes() + b"\n# touched\n")


async def measure(bench: Bench, repository: Path) -> None:
    """Print the table."""
    await bench.run("cold", repository, "≤ 15 s")
    print(f"{'':4}stages of the worker: {bench.stages()}")
    print(f"{'':4}peak memory of all processes: {bench.usage.peak_mb} MB (≤ 700 MB)")
    await asyncio.sleep(RACY_SECONDS)
    await bench.repeat("unchanged", repository, "≤ 0.4 s")
    touch(repository, 10)
    await bench.run("10 files touched, new worker", repository, "≤ 0.8 s")
    await asyncio.sleep(RACY_SECONDS)
    touch(repository, 10)
    await bench.run("10 files touched", repository, "≤ 0.8 s")
    await asyncio.sleep(RACY_SECONDS)
    await bench.refresh("search, nothing changed", repository)
    await asyncio.sleep(LONGEST_REST + 1)
    touch(repository, 1)
    await bench.refresh("search, a file changed", repository)
    before = await bench.size()
    worktree = bench.work / "worktree"
    process = await asyncio.create_subprocess_exec("git", "worktree", "add", "-q", str(worktree), cwd=repository)
    assert await process.wait() == 0
    await bench.run("second worktree", worktree, "≤ 1.5 s")
    print(f"{'':4}disk: {before / 1e6:.1f} MB, {100 * (await bench.size() - before) / before:+.2f} % (< 2 %)")


async def measure_growth(core: CoreSettings, usage: Usage, work: Path, options: argparse.Namespace) -> None:
    """Print how a cold run grows with its repository: every size is an even sample of one large one.

    Each run has a server of its own and finds nothing of the one before. What it takes for starting processes is
    measured with files of one line, just so many that helpers are started, and subtracted.
    """
    start = work / "start"
    for number in range(MIN_FILES):
        file = start / f"part{number % 10}" / f"empty_{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {number}\n")
    await grow(core, usage, work, start)  # PostgreSQL's first run reads its catalogs too
    fixed = await typical(core, usage, work, start, REPEATS)
    first: tuple[float, float] | None = None
    for files in options.growth or GROWTH:
        repository = work / f"growth{files}"
        sample(options.repository or work / "corpus", repository, files)
        commit(repository)
        found, lines, size = count_lines(repository)
        print(f"{found} files, {lines} lines, {size / 1e6:.1f} MB")
        wall, cpu = await typical(core, usage, work, repository, options.repeats)
        shutil.rmtree(repository)
        rate = (1000 * (wall - fixed[0]) / found, 1000 * (cpu - fixed[1]) / found)
        first = first or rate
        print(
            f"  for 1,000 files: with the start {1000 * wall / found:.3f} s; without: wall {rate[0]:.3f} s, "
            f"CPU {rate[1]:.3f} s, or {rate[0] / first[0]:.2f} and {rate[1] / first[1]:.2f} of the first size's",
            flush=True,
        )


async def typical(core: CoreSettings, usage: Usage, work: Path, path: Path, repeats: int) -> tuple[float, float]:
    """Return the medians of wall and CPU time of several runs."""
    runs = [await grow(core, usage, work, path) for _ in range(repeats)]
    return statistics.median(wall for wall, _ in runs), statistics.median(cpu for _, cpu in runs)


async def grow(core: CoreSettings, usage: Usage, work: Path, path: Path) -> tuple[float, float]:
    """Index a folder as if for the first time; return the wall time, and the CPU time with that of later upkeep."""
    async with serving(core, usage, work) as bench:
        used, usage.peak_mb = usage.cpu_seconds(), 0
        wall = await bench.run(f"cold, {path.name}", path)
        await bench.settle()
        cpu = usage.cpu_seconds() - used
        print(f"{'':4}CPU with upkeep {cpu:.2f} s, peak {usage.peak_mb} MB; {bench.stages()}", flush=True)
        await bench.index.forget(str(path))
    return wall, cpu


@asynccontextmanager
async def serving(core: CoreSettings, usage: Usage, work: Path) -> AsyncIterator[Bench]:
    """Start the index."""
    host = PluginHost(core, candidates=[one for one in discover() if one.name == "indexing"], variables=SETTINGS)
    host.load()
    async with host.running():
        index = host.services.find(Index)
        assert index is not None
        yield Bench(index, host, usage, work)


async def run(options: argparse.Namespace, work: Path) -> None:
    """Start PostgreSQL and measure."""
    url = os.environ.get("DATABASE_URL")
    core = CoreSettings(data_dir=work / "data", database_url=SecretStr(url) if url else None, embedded_grace=0)
    print(f"database: {'DATABASE_URL' if url else 'embedded'}")
    with lease(core), Usage(work / "data") as usage:
        if options.growth is not None:
            await measure_growth(core, usage, work, options)
        else:
            async with serving(core, usage, work) as bench:
                await measure(bench, work / "corpus")


def main() -> None:
    """Make the corpus, print the conditions, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--repository", type=Path)
    parser.add_argument("--growth", type=int, nargs="*", metavar="FILES", help="samples of the repository to index")
    parser.add_argument("--repeats", type=int, default=3, help="cold runs of each sample")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="packhorse-bench-"))
    try:
        print(f"{platform.platform()}, Python {platform.python_version()}")
        print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
        repository = work / "corpus"
        if options.growth is not None:
            if not options.repository:
                most = max(options.growth or GROWTH)
                make_corpus(repository, most, 100 * most)
        else:
            if options.repository:
                shutil.copytree(options.repository, repository, symlinks=True)
            else:
                make_corpus(repository, options.files, options.lines)
            if not (repository / ".git").exists():
                commit(repository)
            files, lines, size = count_lines(repository)
            print(f"corpus: {files} files, {lines} lines, {size / 1e6:.1f} MB")
        asyncio.run(run(options, work))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
