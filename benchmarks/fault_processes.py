"""What `faults.py` talks to: a server over its standard input and output, and a service that embeds and counts."""

from __future__ import annotations

import hashlib
import json
import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import psutil

if TYPE_CHECKING:
    from pathlib import Path

INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "faults", "version": "1"},
}


class EmbeddingService:
    """An embedding service in OpenAI's protocol; `texts` is all that it was asked for, in order."""

    dimensions = 8

    def __init__(self) -> None:
        self.texts: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
                service.texts += texts
                data = [{"index": i, "embedding": service.vector(text)} for i, text in enumerate(texts)]
                answer = json.dumps({"data": data}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def handle(self) -> None:
                with suppress(ConnectionError):  # the worker was killed
                    super().handle()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def vector(self, text: str) -> list[float]:
        """Return a vector that only this text has."""
        return [byte / 255 + 0.01 for byte in hashlib.sha256(text.encode()).digest()[: self.dimensions]]


class Server:
    """`python -m packhorse serve` as a client sees it, one question at a time."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "packhorse", "serve"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._asked = 0
        threading.Thread(target=self._read, daemon=True).start()

    def initialize(self) -> None:
        """Shake hands, unless `ask_first` has, and wait for what was asked then."""
        if not self._asked:
            self._send("initialize", INITIALIZE)
            self.answer(60)
            self._notify()
        else:
            self.answer(60)

    def ask_first(self, folder: Path) -> None:
        """Shake hands and ask for a folder to be indexed without waiting for either."""
        self._send("initialize", INITIALIZE)
        self._notify()
        self.ask(folder)

    def ask(self, folder: Path) -> None:
        """Ask for a folder to be indexed."""
        self._send("tools/call", {"name": "index_repository", "arguments": {"repo_path": str(folder)}})

    def answer(self, seconds: float) -> dict[str, Any]:
        """Return the answer to what was asked last, the structured one of a tool; an error has no status.

        Raises:
            TimeoutError: it does not come.
        """
        until = time.monotonic() + seconds
        while True:
            try:
                message = self._messages.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise TimeoutError from None
            if message is None:
                return {"error": "the server is gone"}
            if message.get("id") == self._asked:
                result: dict[str, Any] = message.get("result", message)
                return result.get("structuredContent") or result

    def index(self, folder: Path, seconds: float) -> dict[str, Any]:
        """Have a folder indexed and return the answer."""
        self.ask(folder)
        return self.answer(seconds)

    def worker(self) -> int:
        """Return the process number of the worker that it started, or 0."""
        return next(
            (child.pid for child in psutil.Process(self._process.pid).children() if "worker" in str(child.cmdline())), 0
        )

    def kill(self) -> None:
        """Kill it, and nothing of what it started."""
        self._process.kill()
        self._process.wait()

    def _notify(self) -> None:
        self._write({"method": "notifications/initialized"})

    def _send(self, method: str, parameters: dict[str, Any]) -> None:
        self._asked += 1
        self._write({"id": self._asked, "method": method, "params": parameters})

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if "id" in message and "method" not in message:
                self._messages.put(message)
        self._messages.put(None)
