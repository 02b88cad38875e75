"""Running the `packhorse` command and server as processes, and looking at the very bytes that they write."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MODULE = [sys.executable, "-m", "packhorse"]
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@pytest.fixture
def clean_environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a process without any setting but a data folder, and with no database at all."""
    folder = tmp_path / "data"
    folder.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    unset = ("DATABASE_URL", "DB_POOL_SIZE", "DB_MAX_OVERFLOW", "LOG_LEVEL", "LOG_FILE", "LOG_JSON", "NO_COLOR")
    kept = {k: v for k, v in os.environ.items() if k not in unset and not k.startswith(("PACKHORSE_", "XDG_"))}
    return {
        **kept,
        "HOME": str(home),
        "PACKHORSE_DATA_DIR": str(folder),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    }


@pytest.fixture
def packhorse(clean_environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python -m packhorse …` to its end, by default without plugins."""

    def run(*arguments: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**clean_environment, "PACKHORSE_PLUGINS": "", **environment}
        return subprocess.run(
            [*MODULE, *arguments],
            env={name: value for name, value in variables.items() if value != "UNSET"},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


class RawServer:
    """A server process on pipes, of which every line that it writes on standard output is kept."""

    def __init__(self, command: list[str], environment: dict[str, str], **options: Any) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=environment, **{**pipes, **options})
        self.lines: list[bytes] = []
        self._arrived: queue.Queue[bytes | None] = queue.Queue()
        self._errors: list[bytes] = []
        self._threads = [threading.Thread(target=self._read, daemon=True), threading.Thread(target=self._read_errors)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line)
            self._arrived.put(line)
        self._arrived.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors += self.process.stderr.readlines()

    @property
    def errors(self) -> str:
        """What it wrote on standard error; known when it has ended."""
        self._threads[1].join(10)
        return b"".join(self._errors).decode()

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def request(self, method: str, parameters: dict[str, Any] | None = None, *, timeout: float = 60) -> dict[str, Any]:
        identity = len(self.lines) + 1000
        self.send({"id": identity, "method": method, "params": parameters or {}})
        return self.answer(identity, timeout=timeout)

    def answer(self, identity: int, *, timeout: float = 60) -> dict[str, Any]:
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            line = self._arrived.get(timeout=left)
            if line is None:
                raise EOFError(f"the server ended: {self.errors}")
            message = json.loads(line)
            if message.get("id") == identity:
                return message
        raise TimeoutError

    def initialize(self) -> RawServer:
        self.request("initialize", INITIALIZE)
        self.send({"method": "notifications/initialized"})
        return self

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return self.request("tools/call", {"name": tool, "arguments": arguments})["result"]

    def end(self, *, within: float = 30) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(within)

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        for thread in self._threads:
            thread.join(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


@pytest.fixture
def raw_server() -> Iterator[Callable[..., RawServer]]:
    """Start a server process on raw pipes; it is killed after the test at the latest."""
    servers = []

    def start(*command: str, environment: dict[str, str], **options: Any) -> RawServer:
        server = RawServer(list(command) or [*MODULE, "serve"], environment, **options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        # Asked first, so that what it has measured of its own coverage is written.
        with suppress(subprocess.TimeoutExpired):
            server.process.terminate()
            server.process.wait(10)
        server.kill()
