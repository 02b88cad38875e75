"""Starting worker processes, which share nothing with this one but the orders that they read."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from packhorse.errors import UnavailableError
from packhorse.log import log_path
from packhorse_indexing.orders import IDLE

if TYPE_CHECKING:
    from loguru import Logger
    from pydantic import BaseModel

    from packhorse.settings import CoreSettings
    from packhorse_indexing.orders import Hint
    from packhorse_indexing.settings import IndexingSettings

MAX_FAILURES = 5
"""Workers in a row that may fail before whoever follows is told."""

MAX_COMPUTING, MAX_WAITING = 2, 8
"""Workers of one process that index at the same time, when they embed themselves and when a service does it for them.

Many repositories asked for at once take turns, for a worker takes up to 200 MB, and two keep a small machine busy.
"""

_FIRST_DELAY = 0.25


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker that this process started, and the pool that it was last told to work for."""

    process: subprocess.Popen[bytes]
    pool_id: int
    at: float
    idle: bool = False


class Launcher:
    """Sees to it that a pool has a worker; several launchers may, and all but one worker leave at once.

    A worker that has nothing to do waits a while for the next order: it costs half a second to start one.
    """

    def __init__(
        self, core: CoreSettings, settings: IndexingSettings, logger: Logger, *, with_plugins: bool = False
    ) -> None:
        """Start workers with these settings; `with_plugins`: another plugin's embedder or languages are needed."""
        self._core = core
        self._with_plugins = with_plugins
        self._settings = settings
        self._log = logger
        self._workers: dict[int, _Worker] = {}
        self._failures: dict[int, int] = {}
        self._ensuring = asyncio.Lock()
        self._news = asyncio.Event()
        self.heard = 0
        """How often workers of ours said something; see `wait`."""

    async def ensure(self, pool_id: int, hint: Hint | None = None) -> None:
        """Give the pool's work to a worker unless ours is at it; `hint` is for its next job.

        Nothing happens while as many as may are at other pools' work: whoever follows a job asks again.

        Raises:
            UnavailableError: the last few workers failed.
        """
        async with self._ensuring:
            await self._ensure(pool_id, hint)

    async def _ensure(self, pool_id: int, hint: Hint | None) -> None:
        last = self._workers.get(pool_id)
        if last is not None:
            code = last.process.poll()
            if code is None and not last.idle:
                return
            if code is not None and not self._may_follow(last, code):
                return
        order = {"pool": pool_id, "hint": None if hint is None else hint.to_json()}
        alive = [worker for worker in self._workers.values() if worker.process.poll() is None]
        most = MAX_COMPUTING if self._settings.embedder == "static" else MAX_WAITING
        if sum(not worker.idle for worker in alive) >= most:
            return
        for worker in alive:
            if worker.idle and await self._hand(worker, order):
                return
        await self._start(order)

    def _may_follow(self, last: _Worker, code: int) -> bool:
        """Say whether it is time for a successor of a worker that ended with this status."""
        pool_id = last.pool_id
        failures = self._failures.get(pool_id, 0) + 1 if code else 0
        if failures >= MAX_FAILURES:
            del self._workers[pool_id]
            self._failures.pop(pool_id, None)
            raise UnavailableError(
                f"The indexing worker ended with status {code}, {failures} times in a row.",
                remedy=f"Its log says why: {log_path(self._core).parent}.",
            )
        if failures and time.monotonic() - last.at < _FIRST_DELAY * 2**failures:
            return False
        del self._workers[pool_id]
        self._failures[pool_id] = failures
        return True

    def settle(self, pool_id: int) -> None:
        """Forget earlier failures: the pool's work goes on."""
        self._failures.pop(pool_id, None)

    async def wait(self, heard: int, seconds: float) -> None:
        """Wait at most so long until a worker of ours says something after `heard` was read."""
        if self.heard == heard:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):  # Python 3.11's wait_for may swallow a cancellation
                    await self._news.wait()

    def close(self) -> None:
        """Let the workers go when their work is done; it stays theirs until then."""
        for worker in self._workers.values():
            _close(worker.process)

    async def _hand(self, worker: _Worker, order: dict[str, Any]) -> bool:
        """Give an idle worker an order; False when it is gone."""
        worker.idle = False
        if self._workers.get(worker.pool_id) is worker:
            del self._workers[worker.pool_id]
        worker.pool_id, worker.at = order["pool"], time.monotonic()
        self._workers[worker.pool_id] = worker
        if await asyncio.to_thread(_write, worker.process, order):
            return True
        self._workers.pop(worker.pool_id, None)
        return False

    async def _start(self, order: dict[str, Any]) -> None:
        # -P and the working directory: a repository in which a command is run must not lend modules to its indexer.
        process = await asyncio.to_thread(
            subprocess.Popen,
            [sys.executable, "-P", "-m", "packhorse_indexing.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        worker = _Worker(process, order["pool"], time.monotonic())
        self._workers[worker.pool_id] = worker
        loop = asyncio.get_running_loop()

        def tell(line: bytes) -> None:
            # When the loop has ended, the thread stays all the same until the worker has, to reap it.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._hear, worker, line)

        # Reaps the worker however long it takes, and keeps a reference until then.
        threading.Thread(target=_listen, args=(process, tell), daemon=True).start()
        await asyncio.to_thread(
            _write,
            process,
            order
            | {
                "core": _plain(self._core),
                "settings": _plain(self._settings),
                "with_plugins": self._with_plugins,
            },
        )
        self._log.info("Started worker {} for pool {}", process.pid, worker.pool_id)

    def _hear(self, worker: _Worker, line: bytes) -> None:
        worker.idle = worker.idle or line.strip() == IDLE.encode()
        self.heard += 1
        self._news.set()
        self._news = asyncio.Event()


def _write(process: subprocess.Popen[bytes], order: dict[str, Any]) -> bool:
    """Give an order; False when the worker is not there to take it, which its status will say."""
    with suppress(OSError, ValueError):  # it is gone, or was just let go
        if process.stdin is not None:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
            return True
    return False


def _listen(process: subprocess.Popen[bytes], tell: Any) -> None:
    if process.stdout is not None:
        with process.stdout as answers:
            for line in answers:
                tell(line)
    _close(process)
    process.wait()
    tell(b"")


def _close(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):  # what was not written yet is for a worker that is gone
        if process.stdin is not None:
            process.stdin.close()


def _plain(settings: BaseModel) -> dict[str, Any]:
    """Return the fields of settings as JSON, secrets in clear: this goes through a pipe to our own process only."""
    return {name: _value(getattr(settings, name)) for name in type(settings).model_fields}


def _value(value: object) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Path():
            return str(value)
        case tuple() | list() | set() | frozenset():
            return [_value(item) for item in value]
        case _:
            return value
