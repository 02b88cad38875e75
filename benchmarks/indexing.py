"""How long indexing takes, stage by stage: cold, unchanged, ten files touched, a second clone.

    python benchmarks/indexing.py [--files 10000] [--repository PATH]

Without a repository it makes one of this interpreter's installed packages. It prints its conditions, and asks for
nothing but the embedded PostgreSQL, or the one of DATABASE_URL.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from pydantic import SecretStr

from packhorse.discovery import discover
from packhorse.plugins import PluginHost
from packhorse.settings import CoreSettings
from packhorse_indexing.service import Index

SUFFIXES = {".py", ".pyi", ".js", ".ts", ".go", ".c", ".h", ".md", ".rst", ".txt", ".toml", ".json", ".sql"}
LARGEST = 60_000  # bytes, so that the corpus has the sizes of a repository and not of a package's data


def make_corpus(target: Path, wanted: int) -> None:
    """Copy `wanted` files of the standard library and installed packages; altered copies when there are too few."""
    paths = sysconfig.get_paths()
    sources = sorted(
        file
        for folder in {paths["stdlib"], paths["purelib"]}
        for file in Path(folder).rglob("*")
        if file.suffix in SUFFIXES
        and "__pycache__" not in file.parts
        and file.is_file()
        and file.stat().st_size < LARGEST
    )
    for number in range(wanted):
        source = sources[number % len(sources)]
        turn = number // len(sources)
        copy = target / f"part{turn}" / source.relative_to(source.anchor)
        copy.parent.mkdir(parents=True, exist_ok=True)
        data = source.read_bytes()
        copy.write_bytes(data if turn == 0 else re.sub(rb"\b(get|set|make|is)_", rb"\1%d_" % turn, data))


def git(folder: Path, *arguments: str) -> None:
    """Run git as nobody in particular."""
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def count_lines(folder: Path) -> tuple[int, int]:
    """Return (files, lines) beneath a folder, without git's own."""
    files = [file for file in folder.rglob("*") if file.is_file() and ".git" not in file.parts]
    return len(files), sum(file.read_bytes().count(b"\n") for file in files)


def stages(logs: Path) -> str:
    """Return the stages of the last run, as its worker logged them."""
    found = []
    for log in logs.glob("*.log"):
        found += re.findall(r"^(\S+) .* files; (CPU .*?)$", log.read_text(), re.MULTILINE)
    return max(found)[1] if found else ""


def touch(folder: Path) -> None:
    """Append a line to ten files."""
    for file in [file for file in sorted(folder.rglob("*.py")) if ".git" not in file.parts][:10]:
        file.write_bytes(file.read_bytes() + b"\n# touched\n")


async def measure(host: PluginHost, repository: Path, work: Path) -> None:
    """Index in the four ways, and print a line for each."""
    async with host.running():
        index = host.services.find(Index)
        assert index is not None
        first_batch: list[float] = []

        async def run(name: str, path: Path, *, force: bool = False) -> None:
            start = time.perf_counter()
            first_batch.clear()

            async def watch(progress: object) -> None:
                if not first_batch and getattr(progress, "chunks", 0):
                    first_batch.append(time.perf_counter() - start)

            result = await index.index(str(path), force=force, on_progress=watch)
            wall = time.perf_counter() - start
            searchable = f", first batch searchable after {first_batch[0]:.2f} s" if first_batch else ""
            print(
                f"{name:18} {wall:6.2f} s  {result.status}, {result.files_indexed} files, "
                f"{result.chunks_created} new chunks{searchable}\n{'':18}   stages: {stages(work / 'data/logs')}"
            )

        await run("cold", repository)
        await asyncio.sleep(3)  # until nothing of it is racy and the worker has tidied up
        await run("unchanged", repository)
        await asyncio.sleep(2)
        touch(repository)
        await run("10 files touched", repository)
        await asyncio.sleep(2)
        clone = work / "clone"
        git(work, "clone", "-q", str(repository), str(clone))
        await run("second clone", clone)


def main() -> None:
    """Make the corpus, print the conditions, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--repository", type=Path)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="packhorse-bench-"))
    try:
        repository = work / "corpus"
        if options.repository:
            shutil.copytree(options.repository, repository, symlinks=True)
        else:
            make_corpus(repository, options.files)
        if not (repository / ".git").exists():
            git(repository, "init", "-q")
            git(repository, "add", "-A", "-f")
            git(repository, "commit", "-q", "-m", "corpus")
        files, lines = count_lines(repository)
        print(f"{platform.platform()}, Python {platform.python_version()}")
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"corpus: {files} files, {lines} lines")
        url = os.environ.get("DATABASE_URL")
        core = CoreSettings(data_dir=work / "data", database_url=SecretStr(url) if url else None, embedded_grace=0)
        print(f"database: {'DATABASE_URL' if url else 'embedded'}")
        host = PluginHost(core, candidates=[one for one in discover() if one.name == "indexing"], variables={})
        host.load()
        asyncio.run(measure(host, repository, work))
        print(f"peak memory of the measuring process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
