"""Kill the indexer, the server and PostgreSQL at random moments: is anything lost, half done, or done twice?

    python benchmarks/faults.py [--kills 50] [--files 800] [--seed 1] [--only indexer unfollowed server postgresql]

In each round a folder changes, a real server (stdio, with the embedded PostgreSQL) is asked to index it, and one
process is killed with SIGKILL at a random moment of that or shortly after. How long until the job gives a sign of life
again is measured; then the server is asked until it answers `success`, and the whole index is compared with the folder
and with what had been acknowledged before. A service on the loopback embeds, and counts what it is asked twice.
The exit status is 1 when anything was lost, half or done again by more than a batch. It takes some ten seconds a kill.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from fault_checks import Folder, blobs, problems
from fault_processes import EmbeddingService, Server

from packhorse.database import connect, lease
from packhorse.settings import CoreSettings

if TYPE_CHECKING:
    from psycopg import Connection

KINDS = ("indexer", "unfollowed", "server", "postgresql")
"""What is killed; `unfollowed` is the indexer of a job whose client does not wait for it."""

BATCH, REQUESTS = 64, 2
"""Texts in a request to the embedder, and requests at a time: what may be embedded again after a death."""

RESTARTS, RESTART_SECONDS = 5, 60.0
"""A keeper gives up a PostgreSQL that dies more often than this."""

SLOWEST = 60.0


@dataclass
class Outcome:
    """What came of one kill; `resumed`: seconds until the job's next sign of life, None when none was at work."""

    resumed: float | None
    embedded_again: int
    problems: list[str]


@dataclass
class World:
    """What is killed piece by piece, and what has been acknowledged of it."""

    work: Path
    service: EmbeddingService
    folder: Folder
    random: random.Random
    core: CoreSettings
    server: Server = field(init=False)
    wait_seconds: float = 20
    """Seconds that an answer waits for its job."""
    usual: float = 1.0
    """Seconds that a run takes."""
    acknowledged: tuple[str, set[int]] = ("", set())
    """The job that was last answered to have succeeded, and the blobs that the pool had then."""
    postgresql_kills: list[float] = field(default_factory=list)

    def start_server(self) -> None:
        """Start a server, without waiting for it."""
        self.server = Server(
            {
                **{name: value for name, value in os.environ.items() if not name.startswith("PACKHORSE_")},
                "DATABASE_URL": "",
                "PACKHORSE_DATA_DIR": str(self.work / "data"),
                "PACKHORSE_PLUGINS": "packhorse-indexing",
                "PACKHORSE_INDEXING_WAIT_SECONDS": str(self.wait_seconds),
                "PACKHORSE_INDEXING_EMBEDDER": "openai",
                "PACKHORSE_INDEXING_EMBEDDER_URL": self.service.url,
                "PACKHORSE_INDEXING_EMBEDDER_MODEL": "tiny",
                "PACKHORSE_INDEXING_EMBEDDER_DIMENSIONS": str(self.service.dimensions),
                "PACKHORSE_INDEXING_EMBEDDER_BATCH": str(BATCH),
                "PACKHORSE_INDEXING_EMBEDDER_CONCURRENCY": str(REQUESTS),
            }
        )

    def restart(self, wait_seconds: float) -> None:
        """See to a server whose answers wait so long."""
        if wait_seconds != self.wait_seconds:
            self.wait_seconds = wait_seconds
            self.server.kill()
            self.start_server()
            self.server.initialize()

    def index(self) -> None:
        """Ask until the answer is `success`, and note what has been acknowledged.

        Raises:
            TimeoutError: it never was.
        """
        began = time.monotonic()
        while True:
            answer = self.server.index(self.folder.root, SLOWEST)
            if answer.get("status") == "success":
                break
            if time.monotonic() - began > SLOWEST:
                raise TimeoutError(f"never indexed: {answer}")
            time.sleep(0.1)
        self.usual = 0.7 * self.usual + 0.3 * (time.monotonic() - began)
        with lease(self.core) as address, connect(address) as connection:
            self.acknowledged = (answer["job_id"], blobs(connection))

    def strike(self, kind: str) -> Outcome:
        """Change the folder, have it indexed, kill, and see what comes of it."""
        self.folder.change()
        asked = len(self.service.texts)
        known = set(self.service.texts)
        with lease(self.core) as address:
            with connect(address) as connection:
                self.server.ask(self.folder.root)
                if kind == "unfollowed":
                    self.server.answer(SLOWEST)
                at_work = self._wait_for_work(connection)
                time.sleep(self.random.random() * self.usual)
                worker = at_work and self._worker(connection)
            killed = datetime.now(UTC)
            self._kill(kind, worker)
            resumed = self._wait_for_life(address, killed) if worker else None
        if kind == "server":
            self.server.initialize()
        elif kind != "unfollowed":
            with suppress(TimeoutError):
                self.server.answer(SLOWEST)
        self.index_again()
        # Of a text that is split for the embedder, the part with the beginning: the ends of many are the same.
        texts = [text for text in self.service.texts[asked:] if text.startswith("def ")]
        again = len(texts) - len(set(texts) - known)
        with lease(self.core) as address, connect(address) as connection:
            found = problems(connection, self.folder, *self.before)
        return Outcome(resumed, again, found)

    def index_again(self) -> None:
        """Bring the index up to date, remembering what had been acknowledged before."""
        self.before = self.acknowledged
        self.index()

    def _wait_for_work(self, connection: Connection[Any]) -> bool:
        """Wait until the job has a worker; False when it was over before that could be seen."""
        connection.autocommit = True
        until = time.monotonic() + SLOWEST
        while time.monotonic() < until:
            row = connection.execute(
                "SELECT status, id::text FROM indexing.job ORDER BY requested_at DESC LIMIT 1"
            ).fetchone()
            if row is not None and row[0] == "running":
                return True
            if row is not None and row[0] == "success" and row[1] != self.acknowledged[0]:
                return False
            time.sleep(0.005)
        raise TimeoutError("no worker began")

    def _worker(self, connection: Connection[Any]) -> int | None:
        """Return the process that is at the job, if it still is."""
        row = connection.execute("SELECT worker FROM indexing.job WHERE status = 'running'").fetchone()
        return None if row is None else int(row[0])

    def _kill(self, kind: str, worker: int | None) -> None:
        if kind == "server":
            self.server.kill()
            self.start_server()
            self.server.ask_first(self.folder.root)
        elif kind == "postgresql":
            self._pace()
            [pid_file] = (self.work / "data").rglob("postmaster.pid")
            postmaster = psutil.Process(int(pid_file.read_text().splitlines()[0]))
            # Sometimes alone, so that its children notice, and sometimes all of them at once.
            doomed = [postmaster, *(postmaster.children() if self.random.random() < 0.5 else [])]
            for process in doomed:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        else:
            with suppress(ProcessLookupError):
                if worker or (worker := self.server.worker()):
                    os.kill(worker, signal.SIGKILL)

    def _pace(self) -> None:
        self.postgresql_kills = [one for one in self.postgresql_kills if one > time.monotonic() - RESTART_SECONDS]
        if len(self.postgresql_kills) >= RESTARTS:
            time.sleep(self.postgresql_kills[0] + RESTART_SECONDS + 1 - time.monotonic())
        self.postgresql_kills.append(time.monotonic())

    def _wait_for_life(self, address: Any, killed: datetime) -> float:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < SLOWEST:
            with suppress(psycopg.Error), connect(address) as connection:
                connection.autocommit = True
                while (passed := time.monotonic() - began) < SLOWEST:
                    row = connection.execute(
                        "SELECT EXISTS (SELECT FROM indexing.job WHERE greatest(heartbeat_at, finished_at) > %s)",
                        [killed],
                    ).fetchone()
                    if row is not None and row[0]:
                        return passed
                    time.sleep(0.01)
            time.sleep(0.02)
        return passed


def report(kind: str, outcomes: list[Outcome]) -> bool:
    """Print a line and what went wrong; say whether anything did."""
    resumed = sorted(one.resumed for one in outcomes if one.resumed is not None)
    again = max(one.embedded_again for one in outcomes)
    wrong = [problem for one in outcomes for problem in one.problems]
    times = f"{statistics.median(resumed):5.2f} {resumed[-1]:5.2f}" if resumed else "    -     -"
    late = sum(one > 3 for one in resumed)
    print(f"{kind:12} {len(outcomes):5} {len(resumed):8} {times} {late:6} {again:9} {len(wrong):9}", flush=True)
    for problem in wrong:
        print(f"    {problem}", flush=True)
    return bool(wrong) or again > BATCH * REQUESTS


def run(options: argparse.Namespace, work: Path) -> bool:
    """Kill what was asked for, print the table, and say whether anything went wrong."""
    failed = False
    chance = random.Random(options.seed)
    folder = Folder(work / "repository", chance, options.files)
    core = CoreSettings(data_dir=work / "data", embedded_grace=5)
    with EmbeddingService() as service:
        world = World(work, service, folder, chance, core)
        world.start_server()
        world.server.initialize()
        try:
            world.index()
            print("              kills  at work  resumed, s    over  embedded")
            print("killed                       median worst   3 s     again  problems", flush=True)
            for kind in options.only:
                world.restart(0.01 if kind == "unfollowed" else 20)
                outcomes = [world.strike(kind) for _ in range(options.kills)]
                failed |= report(kind, outcomes)
        finally:
            world.server.kill()
    return failed


def main() -> int:
    """Print the conditions and kill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--files", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    options = parser.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}")
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; {options.files} files", flush=True)
    work = Path(tempfile.mkdtemp(prefix="packhorse-faults-"))
    try:
        return int(run(options, work))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
