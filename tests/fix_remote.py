"""A git server on loopback that speaks https, as the hosts on the internet do, with a certificate of its own."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Remote:
    """The server: `root` holds its repositories, `requests` what it was asked; the rest says how it behaves."""

    port: int
    root: Path
    certificate: Path
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    redirect: str | None = None
    """Where every request is sent."""
    trickle: float | None = None
    """Seconds between the bytes of an answer that never ends."""

    @property
    def authority(self) -> str:
        return f"localhost:{self.port}"

    def url(self, name: str = "owner/project") -> str:
        return f"https://{self.authority}/{name}"

    @property
    def settings(self) -> dict[str, str]:
        """What lets the indexing plugin clone from it."""
        return {"clone_hosts": f"github.com,{self.authority}", "clone_private": "1"}

    def publish(self, source: Path, name: str = "owner/project") -> None:
        """Serve the commits of a repository under a name."""
        bare = self.root / f"{name}.git"
        shutil.rmtree(bare, ignore_errors=True)
        command = ["git", "clone", "-q", "--bare", "--no-hardlinks", str(source), str(bare)]
        subprocess.run(command, check=True, timeout=60)


class _Handler(BaseHTTPRequestHandler):
    remote: Remote
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, body: bytes) -> None:
        remote = self.remote
        remote.requests.append((self.path, dict(self.headers)))
        if remote.redirect is not None:
            self.send_response(302)
            self.send_header("Location", remote.redirect + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if remote.trickle is not None:
            self._trickle(remote.trickle)
            return
        path, _, query = self.path.partition("?")
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, timeout=60, check=False,
            env={
                "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(remote.root), "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query, "HOME": "/nonexistent",
                "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
            },
        )  # fmt: skip
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
        for name, value in {**fields, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _trickle(self, seconds: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        try:
            self.wfile.write(b"001e# service=git-upload-pack\n0000fff0")
            for _ in range(600):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(seconds)
        except OSError:
            pass


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and the certificate for it, of `localhost` and signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem"), "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return folder


@contextmanager
def serving(folder: Path, certificate: Path) -> Iterator[Remote]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    remote = Remote(server.server_address[1], folder, certificate / "certificate.pem")
    remote.root.mkdir()
    handler.remote = remote  # type: ignore[attr-defined]  # the class made above has it
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield remote
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@pytest.fixture
def remote(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """A git server whose certificate this process and its children trust."""
    with serving(tmp_path / "remote", certificate) as made:
        monkeypatch.setenv("GIT_SSL_CAINFO", str(made.certificate))
        yield made
