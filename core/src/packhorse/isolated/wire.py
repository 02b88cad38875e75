"""JSON-RPC over the pipes of one process: requests with futures that a sync or an async caller can wait for."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import signal
import threading
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any

from loguru import logger

from packhorse.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

LONGEST_MESSAGE = 32_000_000  # bytes; more would be kept in memory before anybody could look at it
LONGEST_STRAY_LINE = 2_000
METHOD_NOT_FOUND = -32_601


class RefusedError(Exception):
    """The process answered a request with a protocol error: `code`, `text` and `data`."""

    def __init__(self, code: int, text: str, data: Any) -> None:
        super().__init__(text)
        self.code, self.text, self.data = code, text, data


class EndedError(Exception):
    """The process ended, with its `reason`, before it answered."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Wire:
    """One process from its start to its end; `ended` is set after the last request was answered or failed."""

    def __init__(self, plugin: str, process: Popen[bytes]) -> None:
        self._plugin = plugin
        self._process = process
        self._numbers = itertools.count(1)
        self._pending: dict[int, Future[Any]] = {}
        self._progress: dict[int, Callable[[dict[str, Any]], None]] = {}
        self._lock = threading.Lock()
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.ended = threading.Event()
        self.reason = ""
        for target in (self._read, self._write, self._read_errors):
            threading.Thread(target=target, name=f"packhorse isolated {plugin}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def request(
        self, method: str, parameters: dict[str, Any], progress: Callable[[dict[str, Any]], None] | None = None
    ) -> tuple[int, Future[Any]]:
        """Send a request and return its number and the future of its result.

        The future fails with `RefusedError` or `EndedError`. `progress` is called, in another thread, with the
        parameters of each notification of progress.
        """
        number = next(self._numbers)
        future: Future[Any] = Future()
        if progress is not None:
            parameters = {**parameters, "_meta": {"progressToken": number}}
        with self._lock:
            if self.ended.is_set():
                future.set_exception(EndedError(self.reason))
                return number, future
            self._pending[number] = future
            if progress is not None:
                self._progress[number] = progress
        self._send({"id": number, "method": method, "params": parameters})
        return number, future

    def notify(self, method: str, parameters: dict[str, Any] | None = None) -> None:
        """Send a notification."""
        self._send({"method": method, "params": parameters or {}})

    def forget(self, number: int) -> None:
        """Cancel a request, of which the process is told."""
        self._take(number)
        self.notify("notifications/cancelled", {"requestId": number})

    def close(self) -> None:
        """Close its standard input, which is how a process is asked to end."""
        self._outgoing.put(None)

    def kill(self) -> None:
        """End the process and its children now."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _send(self, message: dict[str, Any]) -> None:
        self._outgoing.put(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def _take(self, number: Any) -> Future[Any] | None:
        with self._lock:
            self._progress.pop(number, None)
            return self._pending.pop(number, None)

    def _write(self) -> None:
        pipe = self._process.stdin
        with contextlib.suppress(OSError, ValueError):
            while pipe is not None and (line := self._outgoing.get()) is not None:
                pipe.write(line)
                pipe.flush()
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()

    def _read(self) -> None:
        pipe = self._process.stdout
        while pipe is not None and (line := pipe.readline(LONGEST_MESSAGE)):
            if len(line) >= LONGEST_MESSAGE:
                logger.error("The isolated plugin {} sent too long a message and is ended.", self._plugin)
                break
            try:
                message = json.loads(line)
                self._receive(message)
            except Exception:  # noqa: BLE001 - a process may write anything, and this thread may not end by it
                logger.warning("The isolated plugin {} sent what is no message.", self._plugin)
        self.kill()  # its children too
        self._finish(self._process.wait())

    def _receive(self, message: dict[str, Any]) -> None:
        number, method = message.get("id"), message.get("method")
        if method == "notifications/progress":
            report = self._progress.get(message["params"].get("progressToken"))
            if report is not None:
                report(message["params"])
        elif method is not None and number is not None:
            answer = {"result": {}} if method == "ping" else {"error": {"code": METHOD_NOT_FOUND, "message": "no"}}
            self._send({"id": number, **answer})
        elif method is None and (future := self._take(number)) is not None:
            with contextlib.suppress(InvalidStateError):  # its caller left meanwhile
                error = message.get("error")
                if error is None:
                    future.set_result(message.get("result"))
                else:
                    future.set_exception(RefusedError(error.get("code"), str(error.get("message")), error.get("data")))

    def _read_errors(self) -> None:
        pipe = self._process.stderr
        if pipe is None:
            return
        with pipe:
            while line := pipe.readline(LONGEST_STRAY_LINE):
                text = redact(line.decode("utf-8", "replace").rstrip())
                if text:
                    logger.bind(plugin=self._plugin).warning("the process of {}: {}", self._plugin, text)

    def _finish(self, code: int) -> None:
        self.reason = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if self._process.stdout is not None:
            self._process.stdout.close()
        self.close()
        with self._lock:
            self.ended.set()
            pending, self._pending = list(self._pending.values()), {}
            self._progress = {}
        for future in pending:
            with contextlib.suppress(InvalidStateError):
                future.set_exception(EndedError(self.reason))
