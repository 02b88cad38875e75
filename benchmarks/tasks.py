"""The task tools at 10,000 tasks: latency inside the server for one client and for ten, and their cost in tokens.

    python benchmarks/tasks.py [--tasks 10000] [--calls 300] [--runs 3] [--without-indexing] [--json]

Every figure is the median of the runs, and the lowest and highest p95 are told beside it. The goals are for the time
inside the server, from a call's arrival in the tool layer, before every middleware of the host, to its answer. What the
client sees stands beside it: ten clients share one process with the server, so that each call waits for the reading
and writing of nine others. `cpu` is the processor time of this process for one call, server and client together; it
holds on a loaded machine too, and PostgreSQL's own time is not in it. `nothing` is a tool that does nothing: what
FastMCP, the host and the clients cost of every other, and the reference by which two machines, or a quiet and a loaded
one, can be compared: `times` is a tool's median as the client sees it in medians of that. With the indexing plugin
installed, searching means embedding the question too; `--without-indexing` measures words alone.

It uses a database of its own: an embedded server in a temporary folder, or the one that DATABASE_URL names, where
the schemas are created and stay. The exit code is 1 when a figure misses its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import random
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, cast

from fastmcp import Client
from fastmcp.server.middleware import Middleware
from loguru import logger

from packhorse.database import connect
from packhorse.plugins import PluginHost
from packhorse.server import build_server
from packhorse.settings import load_settings
from packhorse.variables import read_variables
from packhorse_tasks.meaning import find_embedder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from fastmcp import FastMCP
    from fastmcp.server.middleware import CallNext, MiddlewareContext
    from fastmcp.tools.function_tool import FunctionTool
    from mcp_types import CallToolRequestParams

VERBS = ["Refuse", "Cache", "Split", "Rename", "Retry", "Measure", "Document", "Remove", "Validate", "Trace", "Batch"]
THINGS = [
    "stale updates", "the connection pool", "the parser's error recovery", "token counting", "the lock file",
    "branch switches", "large uploads", "the retry budget", "search filters", "schema migrations", "signal handling",
]  # fmt: skip
PLACES = ["scanner", "indexer", "tokenizer", "router", "scheduler", "cache-layer", "session", "exporter", "importer"]
ONE_CLIENT, TEN_CLIENTS, LISTING, SCHEMAS = 8.0, 20.0, 1_200, 1_100


def title(number: int, chance: random.Random) -> str:
    """Return a title such as people write, different for each number."""
    return f"{chance.choice(VERBS)} {chance.choice(THINGS)} in the {chance.choice(PLACES)} {number}"


def tokens(text: str, characters: float) -> int:
    """Count tokens with tiktoken's o200k_base where that can be had, else estimate by characters for each."""
    try:
        import tiktoken

        return len(tiktoken.get_encoding("o200k_base").encode(text))
    except Exception:  # noqa: BLE001 - not installed, or its table cannot be had offline
        return round(len(text) / characters)


async def fill(host: PluginHost, count: int) -> list[str]:
    """Fill the tracker behind its back, as a bulk load would, and return the tasks' ids."""
    chance = random.Random(7)
    rows = [
        (title(i, chance), f"See issue {i}. {chance.choice(VERBS)} {chance.choice(THINGS)}, then measure.",
         chance.choice(["need to be done", "need to be done", "in-progress", "complete"]),
         chance.choice(["low", "medium", "medium", "medium", "high"]), [f"area-{chance.randrange(20)}"],
         [f"feature-{chance.randrange(200)}"], [f"src/{chance.choice(PLACES)}/part{chance.randrange(90)}.py"])
        for i in range(count)
    ]  # fmt: skip
    async with host.database.connection(deadline=300) as connection:
        for row in rows:
            await connection.execute(
                "INSERT INTO tasks.task (title, description, status, priority, labels, branches, planning_references)"
                " VALUES (%s, %s, %s, %s::tasks.priority, %s, %s, %s)",
                row,
            )
        await connection.execute(
            "INSERT INTO tasks.dependency (task_id, blocker_id, open)"
            " SELECT a.id, b.id, b.status <> 'complete' FROM tasks.task a JOIN tasks.task b"
            " ON b.number = a.number - 7 WHERE a.number %% 3 = 0".replace("%%", "%")
        )
        await connection.execute(
            "INSERT INTO tasks.audit (task_id, version, actor, changes) SELECT id, 1, 'benchmark', '{}' FROM tasks.task"
        )
        cursor = await connection.execute("SELECT id::text FROM tasks.task")
        ids = [row[0] for row in await cursor.fetchall()]
    await asyncio.to_thread(vacuum, host)
    return ids


def vacuum(host: PluginHost) -> None:
    """Do at once what autovacuum does within a minute."""
    with connect(host.database.address) as connection:
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE tasks.task, tasks.document, tasks.dependency, tasks.audit, tasks.embedding")


async def embedded(host: PluginHost, patience: float) -> None:
    """Wait until the embedder, if there is one, has caught up, so that it does not share the processor."""
    until = time.monotonic() + patience
    waiting = 1
    while waiting and time.monotonic() < until:
        await asyncio.sleep(2)
        async with host.database.connection() as connection:
            cursor = await connection.execute("SELECT count(*) FROM tasks.unembedded")
            row = await cursor.fetchone()
            waiting = row[0] if row else 0


class Inside(Middleware):
    """Times every call of a tool inside the server, in milliseconds."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    async def on_call_tool(
        self, context: MiddlewareContext[CallToolRequestParams], call_next: CallNext[CallToolRequestParams, Any]
    ) -> Any:
        """Pass the call on and note how long its answer took."""
        started = time.perf_counter()
        try:
            return await call_next(context)
        finally:
            self.seen.append((time.perf_counter() - started) * 1000)

    def take(self) -> list[float]:
        """Return the times since the last look."""
        taken, self.seen = self.seen, []
        return taken


def call(name: str, arguments: Callable[[], dict[str, Any]]) -> Callable[[Client[Any]], Awaitable[Any]]:
    """Return an operation: a call of a tool with arguments drawn anew each time."""
    return lambda client: client.call_tool(name, arguments(), raise_on_error=False)


@asynccontextmanager
async def does_nothing(server: FastMCP) -> AsyncIterator[None]:
    """Have the tool get_task answer nothing of the database while inside."""
    tool = cast("FunctionTool", await server.get_tool("get_task"))
    real = tool.fn, tool.return_type

    async def nothing(task_id: str) -> dict[str, Any]:
        return {"id": task_id, "title": "", "status": "", "version": 1}

    # The declared type of the result is gone too, for FastMCP would convert the answer by it.
    tool.fn, tool.return_type = nothing, dict
    try:
        yield
    finally:
        tool.fn, tool.return_type = real


def operations(ids: list[str], chance: random.Random) -> dict[str, Callable[[Client[Any]], Awaitable[Any]]]:
    """Return what is measured, by name."""

    def question() -> str:
        return f"{chance.choice(VERBS).lower()} {chance.choice(THINGS)}"

    return {
        "create_task": call("create_task", lambda: {"title": title(0, chance), "description": "As discussed."}),
        "get_task": call("get_task", lambda: {"task_id": chance.choice(ids)}),
        "list_tasks": call("list_tasks", dict),
        "list_tasks status": call("list_tasks", lambda: {"status": "in-progress"}),
        "list_tasks branch": call("list_tasks", lambda: {"branch": f"feature-{chance.randrange(200)}"}),
        "list_tasks ready": call("list_tasks", lambda: {"ready": True}),
        "list_tasks query": call("list_tasks", lambda: {"query": question()}),
        "update_task": call("update_task", lambda: {"task_id": chance.choice(ids), "notes": str(chance.random())}),
        "update_task status": call(
            "update_task", lambda: {"task_id": chance.choice(ids), "status": chance.choice(["in-progress", "complete"])}
        ),
        "claim_task": call("claim_task", lambda: {"assignee": f"agent-{chance.randrange(10)}"}),
    }


async def timed(operation: Callable[[Client[Any]], Awaitable[Any]], client: Client[Any], calls: int) -> list[float]:
    """Return how long each of so many calls took, in milliseconds."""
    seen = []
    for _ in range(calls):
        started = time.perf_counter()
        await operation(client)
        seen.append((time.perf_counter() - started) * 1000)
    return seen


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fill a tracker and measure every operation."""
    variables = read_variables()
    host = PluginHost(load_settings(variables), variables=variables)
    host.load()
    chance = random.Random(11)
    report: dict[str, Any] = {"conditions": conditions(arguments), "latency_ms": {}}
    server = build_server(host)
    gc.freeze()  # as `packhorse serve` does
    inside = Inside()
    server.middleware.insert(0, inside)
    async with Client(server) as client:
        ids = await fill(host, arguments.tasks)
        await embedded(host, arguments.settle)
        report["conditions"]["embedder"] = getattr(find_embedder(host.context("tasks")), "name", "none: words only")
        async with does_nothing(server):
            nothing = call("get_task", lambda: {"task_id": ids[0]})
            report["latency_ms"]["nothing"] = summary(
                [await run(nothing, client, inside, arguments) for _ in range(arguments.runs)]
            )
        for name, operation in operations(ids, chance).items():
            report["latency_ms"][name] = summary(
                [await run(operation, client, inside, arguments) for _ in range(arguments.runs)]
            )
        reference = report["latency_ms"]["nothing"]["client p50"]
        for seen in report["latency_ms"].values():
            seen["times"] = round(seen["client p50"] / reference, 1)
        report["conditions"]["load at the end"] = os.getloadavg()[0]
        listing = await client.call_tool("list_tasks", {})
        report["tokens"] = {"a listing of 20": tokens(listing.content[0].text, 2.7)}
        schemas = [
            tool.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta"})
            for tool in await client.list_tools()
            if tool.name in {"create_task", "get_task", "list_tasks", "update_task", "claim_task"}
        ]
        report["tokens"]["all schemas"] = tokens(json.dumps(schemas, separators=(",", ":")), 4.0)
    return report


async def run(
    operation: Callable[[Client[Any]], Awaitable[Any]],
    client: Client[Any],
    inside: Inside,
    arguments: argparse.Namespace,
) -> dict[str, float]:
    """Measure an operation once, alone and from ten clients at a time; its connections are open and warm by then."""
    await asyncio.gather(*(timed(operation, client, 5) for _ in range(10)))
    inside.take()
    before = time.process_time()
    alone = await timed(operation, client, arguments.calls)
    cpu = (time.process_time() - before) / len(alone) * 1000
    alone_inside = inside.take()
    each = await asyncio.gather(*(timed(operation, client, max(arguments.calls // 10, 2)) for _ in range(10)))
    return {
        "p50": median(alone_inside),
        "p95": p95(alone_inside),
        "p95 of ten": p95(inside.take()),
        "cpu": cpu,
        "client p50": median(alone),
        "client p95": p95(alone),
        "client p95 of ten": p95([one for many in each for one in many]),
    }


def summary(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Return the median of each figure, and the range of the two that have goals."""
    found: dict[str, Any] = {name: round(median(run[name] for run in runs), 2) for name in runs[0]}
    for name in ("p95", "p95 of ten"):
        found[f"{name}, range"] = [min(run[name] for run in runs), max(run[name] for run in runs)]
    return found


def p95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return round(quantiles(values, n=20)[-1], 2)


def conditions(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "tasks": arguments.tasks, "calls each": arguments.calls, "python": platform.python_version(),
        "machine": platform.machine(), "cores": os.cpu_count(), "load at the start": os.getloadavg()[0],
        "runs": arguments.runs,
        "clients": "in memory, through FastMCP and every middleware of the host; ten share one process with the server",
    }  # fmt: skip


def misses(report: dict[str, Any]) -> list[str]:
    """Return a line for each figure that misses its goal."""
    found = [f"{name}: p95 {seen['p95']} ms > {ONE_CLIENT}" for name, seen in report["latency_ms"].items()
             if seen["p95"] > ONE_CLIENT]  # fmt: skip
    found += [f"{name}: p95 of ten clients {seen['p95 of ten']} ms > {TEN_CLIENTS}"
              for name, seen in report["latency_ms"].items() if seen["p95 of ten"] > TEN_CLIENTS]  # fmt: skip
    for name, most in (("a listing of 20", LISTING), ("all schemas", SCHEMAS)):
        if report["tokens"][name] > most:
            found.append(f"{name}: {report['tokens'][name]} tokens > {most}")
    return found


def main() -> int:
    """Run the benchmark; 1 when a figure misses its goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--without-indexing", action="store_true", help="load the tasks plugin alone")
    parser.add_argument("--settle", type=float, default=180.0, help="seconds to let the embedder catch up")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="packhorse-bench-", ignore_cleanup_errors=True) as folder:
        os.environ["PACKHORSE_DATA_DIR"] = str(Path(folder) / "data")
        os.environ.setdefault("PACKHORSE_EMBEDDED_GRACE", "0")
        os.environ.setdefault("LOG_LEVEL", "ERROR")
        os.environ["PACKHORSE_STRICT"] = "1"  # wait for the plugins' start, however long it takes
        if arguments.without_indexing:
            os.environ["PACKHORSE_PLUGINS"] = "packhorse-tasks"
        logger.remove()
        report = asyncio.run(measure(arguments))
    missed = misses(report)
    if arguments.json:
        print(json.dumps({**report, "misses": missed}, indent=2))
    else:
        show(report, missed)
    return 1 if missed else 0


def show(report: dict[str, Any], missed: list[str]) -> None:
    """Print the report for a person."""
    for name, value in report["conditions"].items():
        print(f"{name:18} {value}")
    print(
        f"\n{'inside the server':20} {'p50 ms':>7} {'p95 ms':>7} {'(range)':>13} {'of ten':>7} {'(range)':>13}"
        f" {'cpu ms':>7} | {'client p95':>10} {'of ten':>7} {'times':>6}"
    )
    for name, seen in report["latency_ms"].items():
        ranges = ["{:.1f}-{:.1f}".format(*seen[f"{which}, range"]) for which in ("p95", "p95 of ten")]
        print(
            f"{name:20} {seen['p50']:7} {seen['p95']:7} {ranges[0]:>13} {seen['p95 of ten']:7} {ranges[1]:>13}"
            f" {seen['cpu']:7} | {seen['client p95']:10} {seen['client p95 of ten']:7} {seen['times']:6}"
        )
    for name, count in report["tokens"].items():
        print(f"{name:20} {count} tokens")
    print(*missed or ["every figure is reached"], sep="\n")


if __name__ == "__main__":
    sys.exit(main())
