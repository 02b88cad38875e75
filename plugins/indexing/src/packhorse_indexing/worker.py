"""The process that indexes: `python -m packhorse_indexing.worker`, one at a time for a pool.

It is told what to do on its standard input, inherits nothing else of its starter, and ends its work when that dies.
When it has nothing to do it waits a while for the next order, for it costs half a second to start.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg
from loguru import logger

from packhorse.database import connect, lease
from packhorse.errors import PackhorseError
from packhorse.log import logging_to_file
from packhorse.settings import CoreSettings
from packhorse_indexing import bounds
from packhorse_indexing.collection import keep_pool
from packhorse_indexing.crew import Crew
from packhorse_indexing.extensions import embedder_factory
from packhorse_indexing.orders import DONE, IDLE, Hint, Orders
from packhorse_indexing.pending import embed_pending
from packhorse_indexing.pipeline import CancelledRunError, Run
from packhorse_indexing.settings import IndexingSettings
from packhorse_indexing.store import upkeep, work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from psycopg import Connection

    from packhorse_indexing.crew import Encode
    from packhorse_indexing.embedders import Embedder
    from packhorse_indexing.embedding import Factory
    from packhorse_indexing.store.work import Work

MAX_ADDRESS_SPACE = 4 << 30
"""Bytes after which allocations fail, so that a parser bomb ends this process and not the machine's others."""

MAX_ATTEMPTS = 5
"""Workers that may take a job over without any progress before it fails."""

MAX_RECONNECTS = 30
"""Seconds that a worker waits for a database that went away, before it leaves the job to another."""

FIRST_SECONDS = 60.0
LINGER_SECONDS = 300.0
"""Seconds that a worker without work waits for more, as long as the one who started it is there."""

MAX_LINGERING_BYTES = 150_000_000

_SESSION = """
SELECT set_config('synchronous_commit', 'off', false),
       -- A bulk load outruns the statistics; every query here is by key.
       set_config('enable_seqscan', 'off', false),
       set_config('statement_timeout', '10min', false),
       set_config('idle_in_transaction_session_timeout', '10min', false)
"""


def main() -> int:
    """Take orders until none come any more, and return the exit status."""
    orders = Orders.of_process()
    first = orders.next(FIRST_SECONDS)
    if first is None:
        return 1
    core, settings = CoreSettings(**first["core"]), IndexingSettings(**first["settings"])
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = MAX_ADDRESS_SPACE if hard == resource.RLIM_INFINITY else min(hard, MAX_ADDRESS_SPACE)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    bounds.install()
    with logging_to_file(core):
        make = embedder_factory(core, settings, with_plugins=first["with_plugins"])
        return _serve(core, settings, make, orders, first)


def _serve(core: CoreSettings, settings: IndexingSettings, make: Factory, orders: Orders, first: dict[str, Any]) -> int:
    """Work for one pool after the other, and come back when the database does."""
    order: dict[str, Any] | None = first
    lost_at: float | None = None
    while order is not None:
        try:
            with lease(core) as database, connect(database) as connection, asyncio.Runner() as runner:
                lost_at = None
                connection.autocommit = True
                connection.execute(_SESSION)
                with Worker(connection, settings, make, runner.run, orders, first) as worker:
                    while order is not None:
                        hint = order.get("hint")
                        worker.serve(order["pool"], None if hint is None else Hint.from_json(hint))
                        orders.answer(IDLE)
                        order = orders.next(LINGER_SECONDS if _is_small() else 0.0)
        except (psycopg.OperationalError, PackhorseError) as error:
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > MAX_RECONNECTS:
                logger.error("The worker gives up: {}", error)
                return 1
            logger.warning("The worker lost its database and tries again: {}", error)
            time.sleep(0.2)
    return 0


def _is_small() -> bool:
    """Say whether this process may stay; one that grew would not give its memory back."""
    try:
        # Not the peak: the kernel counts into it what our starter had when it forked.
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return False
    return pages * resource.getpagesize() < MAX_LINGERING_BYTES


def _give_back() -> None:
    """Return what a job took to the system, where the C library can: another pool's worker may start just now."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a C library other than GNU's has no such function
            ctypes.CDLL(None).malloc_trim(0)


class Worker:
    """A worker with its connection; `make` makes its embedder and `run` waits for a coroutine."""

    def __init__(
        self,
        connection: Connection[Any],
        settings: IndexingSettings,
        make: Factory,
        run: Callable[..., Any],
        orders: Orders,
        first: dict[str, Any],
    ) -> None:
        self.connection = connection
        self.settings = settings
        self._make = make
        self._run = run
        self._orders = orders
        self._first = first
        self._embedder: Embedder | None = None
        self._hint: Hint | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._embedder is not None:
            self._run(self._embedder.aclose())

    def serve(self, pool_id: int, hint: Hint | None = None) -> None:
        """Do the pool's jobs until there are none, unless it has a worker; `hint` is for one of them."""
        self._hint = hint
        while work.lock_pool(self.connection, pool_id):
            try:
                while (job := work.next_job(self.connection, pool_id, os.getpid())) is not None:
                    self.do(job)
                    self._orders.answer(DONE)
                    _give_back()
                keep_pool(self.connection, pool_id, self.settings.retention_days)
            finally:
                if not self.connection.broken:
                    work.unlock_pool(self.connection)
            # A job that came while we held the lock had nobody else to start a worker for it.
            if not work.has_jobs(self.connection, pool_id):
                return

    def do(self, job: Work) -> None:
        """Do one job and record how it ended."""
        start = time.monotonic()
        if job.attempts > MAX_ATTEMPTS:
            message = f"{MAX_ATTEMPTS} workers died of this job without progress; their log says more."
            self._finish(job, "failed", [message])
            return
        if job.isolating:
            job.poisonous.extend(job.suspects)
            job.suspects.clear()
            work.poison(self.connection, job.id, job.poisonous)
        try:
            status, errors = self._index(job)
        except CancelledRunError:
            status, errors = "cancelled", []
        except PackhorseError as error:
            status, errors = "failed", [str(error)]
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, those who follow the job must be told
            logger.exception("Indexing {} failed", job.path)
            status, errors = "failed", [f"It stopped at a defect ({type(error).__name__}); the log says more."]
        self._finish(job, status, errors)
        logger.info("Indexing {} ended as {} in {:.2f} s", job.path, status, time.monotonic() - start)

    def _hire(self, encode: Encode | None) -> Crew:
        """Get helpers, unless another worker keeps the cores busy with its own."""
        return Crew.hire(encode, self._first) if work.lock_helpers(self.connection) else Crew(encode)

    def _fetch(self, job: Work, url: str) -> None:
        """Renew the clone that the job is to index."""
        from packhorse_indexing.clone import address, copying
        from packhorse_indexing.clone.git import Limits

        settings = self.settings

        def beat() -> None:
            if not work.enter(self.connection, job.id, "fetch"):
                raise CancelledRunError

        beat()
        copying.renew(
            address.parse(url, settings.clone_hosts),
            Path(job.path),
            Limits(settings.clone_max_bytes, settings.clone_seconds),
            beat,
            allow_private=settings.clone_private,
            anew=job.force and not job.marked,
        )
        work.enter(self.connection, job.id, "scan")

    def _finish(self, job: Work, status: str, errors: list[str]) -> None:
        with self.connection.transaction():
            # What a client is told is on disk, with all that was committed before it.
            self.connection.execute("SET LOCAL synchronous_commit = on")
            work.finish(self.connection, job.id, status, errors)

    def _index(self, job: Work) -> tuple[str, list[str]]:
        embedder = self._embedder = self._embedder or self._make(self.settings)

        def encode(texts: Sequence[str]) -> NDArray[np.float32]:
            vectors: NDArray[np.float32] = self._run(embedder.embed_documents(texts))
            return vectors

        encode_now = getattr(embedder, "encode_documents", None)
        run = Run(
            self.connection,
            job,
            (embedder.name, embedder.dimensions),
            encode_now,
            max_file_bytes=self.settings.max_file_bytes,
            hint=self._hint,
            hire=lambda: self._hire(encode_now),
        )
        if job.url is not None:
            self._fetch(job, job.url)
        head = run.index()
        with self.connection.transaction():
            upkeep.update_orphans(self.connection, job.pool_id)
        embed_pending(run, encode, self.settings.embedder_batch * self.settings.embedder_concurrency)
        files, pending = upkeep.repository_counts(self.connection, job.repository_id)
        if not files:
            return "failed", [*run.errors, _nothing(job.path, upkeep.skip_reasons(self.connection, job.repository_id))]
        branch, revision = (head.branch, head.revision) if head else (None, None)
        upkeep.complete_repository(self.connection, job.repository_id, branch, revision)
        stages = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in run.seconds.items())
        used = resource.getrusage(resource.RUSAGE_SELF)
        logger.info(
            "Indexed {}: {} files; CPU {:.2f} s, peak {} MB; seconds: {}",
            job.path,
            files,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss // 1024,
            stages,
        )
        if run.redacted:
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(run.redacted.items()))
            logger.info("Secrets redacted in {}: {} ({})", job.path, run.redacted.total(), kinds)
        return "partial" if run.errors or pending else "success", run.errors


def _nothing(path: str, reasons: Sequence[tuple[str, int]]) -> str:
    why = ", ".join(f"{count} {reason}" for reason, count in reasons)
    return f"{path} has no file to index" + (f"; left out: {why}." if why else ".")


if __name__ == "__main__":
    sys.exit(main())
