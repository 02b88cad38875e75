"""The host under many and under hostile plugins: discovery, another pack's latency beside hung calls, isolation's cost.

    python benchmarks/plugins.py [--calls 1600] [--json]

It needs no database: lifespans run without one. The exit code is 1 when a figure misses its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from fastmcp import Client
from loguru import logger

from packhorse import __version__
from packhorse.discovery import discover
from packhorse.plugins import PluginHost
from packhorse.server import build_server
from packhorse.settings import CoreSettings
from packhorse.threads import THREADS

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKS, HUNG = 50, 200
DISCOVERY_MS, SLOWER = 30.0, 2.0

SOURCE = '''
from packhorse import hookimpl

@hookimpl
def register_tools(mcp):
    @mcp.tool
    def {name}_tool(text: str) -> str:
        """Return the text."""
        return text
'''
NEIGHBOUR = '''
import threading
from packhorse import hookimpl

released = threading.Event()

@hookimpl
def register_tools(mcp):
    @mcp.tool
    def hang() -> str:
        """Hang."""
        released.wait()
        return "released"
'''
DISCOVER = """
import sys, time
start = time.process_time()
import importlib_metadata
from packhorse.discovery import discover, screen
imported = time.process_time()
found = screen(discover(), None, ("packhorse-pack7",))
print((time.process_time() - imported) * 1000, len(found), "pack7" in sys.modules)
"""


def install(site: Path, name: str, source: str) -> None:
    """Lay a pack out as an installer would."""
    (site / f"{name}.py").write_text(source.format(name=name) if "{name}" in source else source)
    metadata = site / f"packhorse_{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: packhorse-{name}\nVersion: 1.0\nRequires-Python: >=3.11\n"
        "Requires-Dist: packhorse-core>=0.1\nRequires-Dist: pydantic>=2\n\nA pack.\n"
    )
    (metadata / "entry_points.txt").write_text(f"[packhorse]\n{name} = {name}\n")
    (metadata / "RECORD").touch()


@contextmanager
def site_of(packs: dict[str, str]) -> Iterator[Path]:
    """A folder on sys.path with these packs."""
    with tempfile.TemporaryDirectory() as folder:
        for name, source in packs.items():
            install(Path(folder), name, source)
        sys.path.insert(0, folder)
        yield Path(folder)
        sys.path.remove(folder)


def discovery() -> dict[str, Any]:
    """CPU milliseconds of discovery and screening in a fresh process, without packs and with them: the least of 5."""

    def least(site: Path | None) -> float:
        environment = {**os.environ, **({"PYTHONPATH": str(site)} if site else {})}
        runs = [
            subprocess.run(
                [sys.executable, "-c", DISCOVER], env=environment, capture_output=True, text=True, check=True
            )
            for _ in range(5)
        ]
        assert all(run.stdout.split()[2] == "False" for run in runs)
        return min(float(run.stdout.split()[0]) for run in runs)

    with site_of({f"pack{number}": SOURCE for number in range(PACKS)}) as site:
        before, after = least(None), least(site)
    return {"without_packs_ms": round(before, 1), "beyond_ms": round(after - before, 1), "goal_ms": DISCOVERY_MS}


def host_of(site: Path, folder: Path, **core: Any) -> PluginHost:
    """A loaded host of the packs in `site`, without a database."""
    candidates = [one for one in discover() if one.location == str(site)]
    host = PluginHost(CoreSettings(data_dir=folder, **core), candidates=candidates, variables={})
    host.without_database = True
    host.load()
    return host


async def latencies(client: Client[Any], tool: str, calls: int) -> list[float]:
    """Milliseconds of each of `calls` calls, one after the other, with a breath between them."""
    found = []
    for _ in range(calls):
        start = time.perf_counter()
        await client.call_tool(tool, {"text": "hello"})
        found.append((time.perf_counter() - start) * 1000)
        await asyncio.sleep(0.002)
    return found


def summary(found: list[float]) -> dict[str, float]:
    """The median and the 99th percentile."""
    return {"p50_ms": round(median(found), 2), "p99_ms": round(quantiles(found, n=100)[98], 2)}


async def beside_hung_calls(folder: Path, calls: int) -> dict[str, Any]:
    """A pack's synchronous tool alone and beside 200 hung calls of another pack, in alternating rounds."""
    with site_of({"busy": NEIGHBOUR, "quiet": SOURCE}) as site:
        host = host_of(site, folder)
        async with Client(build_server(host)) as client:
            await latencies(client, "quiet_tool", 50)
            idle, hung, rounds = [], [], 8
            for _ in range(rounds):
                idle += await latencies(client, "quiet_tool", calls // rounds)
                released = sys.modules["busy"].released
                waiting = [asyncio.create_task(client.call_tool("hang", raise_on_error=False)) for _ in range(HUNG)]
                for call in islice(asyncio.as_completed(waiting), HUNG - THREADS):
                    await call  # those that fail at once, else their burst would be measured
                hung += await latencies(client, "quiet_tool", calls // rounds)
                released.set()
                await asyncio.gather(*waiting)
                released.clear()
    ratio = quantiles(hung, n=100)[98] / quantiles(idle, n=100)[98]
    return {"idle": summary(idle), "beside_200_hung": summary(hung), "p99_ratio": round(ratio, 2), "goal_ratio": SLOWER}


async def isolated_cost(folder: Path, calls: int) -> dict[str, Any]:
    """The same tool inside the host and in a process of its own, and what the start of that takes."""
    with site_of({"quiet": SOURCE}) as site:
        async with Client(build_server(host_of(site, folder))) as client:
            inside = await latencies(client, "quiet_tool", calls)
        host = host_of(site, folder, isolated=("quiet",))
        async with Client(build_server(host)) as client:
            outside = await latencies(client, "quiet_tool", calls)
            import psutil

            memory = psutil.Process(host.objects["quiet"].process.wire.pid).memory_info().rss
    return {
        "inside": summary(inside),
        "isolated": summary(outside),
        "more_ms": round(median(outside) - median(inside), 2),
        "start_s": round(host.record("quiet").seconds, 2),
        "memory_mb": round(memory / 1e6),
    }


def conditions() -> str:
    """What the figures depend on."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"packhorse-core {__version__}, Python {platform.python_version()}, {platform.platform()}, "
        f"{os.cpu_count()} CPUs, load {load}"
    )


def main() -> int:
    """Measure, print, and say whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_600)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    logger.remove()
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "conditions": conditions(),
            "discovery_of_50_packs": discovery(),
            "another_pack": asyncio.run(beside_hung_calls(Path(folder), arguments.calls)),
            "isolated_call": asyncio.run(isolated_cost(Path(folder), arguments.calls // 4)),
        }
    if arguments.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        for name, figures in found.items():
            sys.stdout.write(f"{name}: {figures}\n")
    met = found["discovery_of_50_packs"]["beyond_ms"] <= DISCOVERY_MS and found["another_pack"]["p99_ratio"] <= SLOWER
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
