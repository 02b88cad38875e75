"""Starting worker processes, which share nothing with this one but the order that they read."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from packhorse.errors import UnavailableError
from packhorse.log import log_path

if TYPE_CHECKING:
    from loguru import Logger
    from pydantic import BaseModel

    from packhorse.settings import CoreSettings
    from packhorse_indexing.settings import IndexingSettings

MAX_FAILURES = 5
"""Workers in a row that may fail before whoever follows is told."""

_FIRST_DELAY = 0.25


@dataclass(slots=True)
class _Started:
    """The worker that this process started for a pool, and how those before it ended."""

    process: subprocess.Popen[bytes]
    at: float
    failures: int = 0


class Launcher:
    """Starts a worker for a pool when there is none; several launchers may, and all but one worker leave at once."""

    def __init__(
        self, core: CoreSettings, settings: IndexingSettings, logger: Logger, *, with_plugins: bool = False
    ) -> None:
        """Start workers with these settings; `with_plugins`: another plugin's embedder or languages are needed."""
        self._core = core
        self._with_plugins = with_plugins
        self._settings = settings
        self._log = logger
        self._started: dict[int, _Started] = {}

    async def ensure(self, pool_id: int) -> None:
        """Start a worker for the pool unless ours is still at it.

        Raises:
            UnavailableError: the last few workers failed.
        """
        last, failures = self._started.get(pool_id), 0
        if last is not None:
            code = last.process.poll()
            if code is None:
                return
            failures = last.failures + 1 if code else 0
            if failures >= MAX_FAILURES:
                del self._started[pool_id]
                raise UnavailableError(
                    f"The indexing worker ended with status {code}, {failures} times in a row.",
                    remedy=f"Its log says why: {log_path(self._core).parent}.",
                )
            if failures and time.monotonic() - last.at < _FIRST_DELAY * 2**failures:
                return
        process = await asyncio.to_thread(self._start, pool_id)
        self._started[pool_id] = _Started(process, time.monotonic(), failures)
        self._log.info("Started worker {} for pool {}", process.pid, pool_id)

    def settle(self, pool_id: int) -> None:
        """Forget earlier failures: the pool's work goes on."""
        if pool_id in self._started:
            self._started[pool_id].failures = 0

    def _start(self, pool_id: int) -> subprocess.Popen[bytes]:
        order = {
            "core": _plain(self._core),
            "settings": _plain(self._settings),
            "with_plugins": self._with_plugins,
            "pool": pool_id,
        }
        # -P and the working directory: a repository in which a command is run must not lend modules to its indexer.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "packhorse_indexing.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        # Reaps the worker however long it takes, and keeps a reference until then.
        threading.Thread(target=_reap, args=(process, json.dumps(order).encode()), daemon=True).start()
        return process


def _reap(process: subprocess.Popen[bytes], order: bytes) -> None:
    try:
        if process.stdin is not None:
            with process.stdin as pipe:
                pipe.write(order)
    except OSError:
        pass  # it died before it read its order; its status says so
    process.wait()


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
