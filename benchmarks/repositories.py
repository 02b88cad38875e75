"""Index real repositories once and print what came of each: files, lines, chunks, time, disk, and what was left out.

    python benchmarks/repositories.py PATH…

The folders are indexed one after the other into one database, an embedded one made for it, with the static embedder.
CPU and the peak of memory (proportional set size) are those of all processes, PostgreSQL included; the disk is what the
database grew by, and again is asking once more when nothing has changed. Errors are printed whole.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes import Usage

from packhorse.discovery import discover
from packhorse.plugins import PluginHost
from packhorse.settings import CoreSettings
from packhorse.variables import Variable
from packhorse_indexing.service import Index

if TYPE_CHECKING:
    from packhorse.database import Database
    from packhorse_indexing.models import IndexResult

SETTINGS = {"PACKHORSE_INDEXING_HNSW_CHUNKS": Variable("PACKHORSE_INDEXING_HNSW_CHUNKS", "1000000000", "benchmark")}
"""No HNSW index of vectors is built meanwhile: that is done beside all other work, and would be measured with it."""

RACY_SECONDS = 2.5
"""After so long nothing that was written before is read again for having been written just before."""

MOST_ERRORS = 10


async def rows(database: Database, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    async with database.connection() as connection:
        return await (await connection.execute(query.encode(), arguments)).fetchall()


async def line(
    database: Database, result: IndexResult, name: str, wall: float, cpu: float, again: float, grown: int, peak_mb: int
) -> str:
    """Return the line of a table for a repository that has been indexed."""
    [(lines,)] = await rows(
        database,
        """
        SELECT coalesce(sum(b.lines), 0) FROM indexing.file f
        JOIN indexing.blob b ON b.pool_id = f.pool_id AND b.id = f.blob_id WHERE f.repository_id = %s
        """,
        result.repository_id,
    )
    skipped = Counter[str](
        dict(
            await rows(
                database,
                """
                SELECT skipped, count(*) FROM indexing.file
                WHERE repository_id = %s AND skipped IS NOT NULL GROUP BY skipped
                """,
                result.repository_id,
            )
        )
    )
    reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.most_common()) or "none"
    return (
        f"| {name} | {result.files_indexed:,} | {lines:,} | {result.chunks_created:,} | {wall:.1f} | {cpu:.1f} "
        f"| {again:.2f} | {grown / 1e6:.0f} | {peak_mb} | {reasons} |"
    )


async def run(paths: list[Path], work: Path) -> None:
    """Index the folders and print the table."""
    core = CoreSettings(data_dir=work / "data", embedded_grace=0)
    host = PluginHost(core, candidates=[one for one in discover() if one.name == "indexing"], variables=SETTINGS)
    host.load()
    async with host.running():
        index = host.services.find(Index)
        assert index is not None
        print("| repository | files | lines | chunks | s | CPU s | again, s | MB | peak MB | left out |")
        print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
        with Usage(work / "data") as usage:
            for path in paths:
                [(before,)] = await rows(host.database, "SELECT pg_database_size(current_database())")
                usage.peak_mb = 0
                start, used = time.perf_counter(), usage.cpu_seconds()
                result = await index.index(str(path.resolve()))
                wall, cpu = time.perf_counter() - start, usage.cpu_seconds() - used
                [(after,)] = await rows(host.database, "SELECT pg_database_size(current_database())")
                peak = usage.peak_mb
                await asyncio.sleep(RACY_SECONDS)
                start = time.perf_counter()
                await index.index(str(path.resolve()))
                again = time.perf_counter() - start
                print(await line(host.database, result, path.name, wall, cpu, again, after - before, peak), flush=True)
                for error in result.errors[:MOST_ERRORS]:
                    print(f"    {error}", flush=True)


def main() -> None:
    """Print the conditions and index."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+")
    options = parser.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}")
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    work = Path(tempfile.mkdtemp(prefix="packhorse-bench-"))
    try:
        asyncio.run(run(options.paths, work))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
