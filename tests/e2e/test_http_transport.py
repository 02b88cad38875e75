"""Specification of the HTTP transport: whom it answers, on which names, and how it ends."""

from __future__ import annotations

import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from fix_process import INITIALIZE, MODULE
from packhorse.errors import ConfigurationError
from packhorse.http import authorised, is_loopback, parse_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fix_process import RawServer

pytestmark = pytest.mark.e2e

TOKEN = "a-token-of-enough-characters"
HEADERS = {"Accept": "application/json, text/event-stream"}
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}


class Site:
    """A server over HTTP in a process of its own."""

    def __init__(self, server: RawServer, port: int) -> None:
        self.server = server
        self.port = port

    def post(self, path: str = "/mcp", **headers: str) -> httpx.Response:
        return httpx.post(f"http://127.0.0.1:{self.port}{path}", json=HELLO, headers={**HEADERS, **headers})

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=20)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def serve_http(
    raw_server: Callable[..., RawServer], packhorse_environment: dict[str, str]
) -> Iterator[Callable[..., Site]]:
    """Start a server without plugins over HTTP and wait until it listens."""

    def start(host: str = "", **environment: str) -> Site:
        port = free_port()
        address = f"{host}:{port}" if host else str(port)
        server = raw_server(
            *MODULE, "serve", "--http", address,
            environment={**packhorse_environment, "PACKHORSE_PLUGINS": "", **environment},
        )  # fmt: skip
        end = time.monotonic() + 60
        while time.monotonic() < end and server.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return Site(server, port)
        raise AssertionError(server.errors)

    return start


async def test_a_real_client_is_served_on_loopback_without_a_token(serve_http: Callable[..., Site]) -> None:
    site = serve_http()
    async with Client(f"http://127.0.0.1:{site.port}/mcp") as client:
        assert "packhorse://health" in {str(resource.uri) for resource in await client.list_resources()}
    async with Client(f"http://localhost:{site.port}/mcp") as client:
        assert await client.list_resources()


def test_other_names_and_origins_are_refused(serve_http: Callable[..., Site]) -> None:
    """A web page whose name is made to resolve to this machine gets nothing (DNS rebinding)."""
    site = serve_http()
    assert site.post().status_code == 200
    assert site.post(Host="evil.example").status_code == 421
    assert site.post(Origin="http://evil.example").status_code == 403
    assert site.post("/health", Host="evil.example").status_code == 421
    assert site.post(Origin=f"http://127.0.0.1:{site.port}").status_code == 200


async def test_with_a_token_only_its_bearers_are_served(serve_http: Callable[..., Site]) -> None:
    site = serve_http(PACKHORSE_HTTP_TOKEN=TOKEN)
    refused = site.post()
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert site.post(Authorization=f"Bearer {TOKEN}x").status_code == 401
    assert site.post(Authorization=f"Basic {TOKEN}").status_code == 401
    assert site.post("/anything").status_code == 401
    transport: Any = StreamableHttpTransport(
        f"http://127.0.0.1:{site.port}/mcp", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    async with Client(transport) as client:
        assert await client.list_resources()


def test_the_health_probe_tells_details_to_bearers_only(serve_http: Callable[..., Site]) -> None:
    site = serve_http(PACKHORSE_HTTP_TOKEN=TOKEN)
    bare = site.get("/health")
    assert bare.status_code == 200
    assert bare.json() == {"status": "ok"}
    assert site.get("/health", Authorization=f"Bearer {TOKEN}").json()["checks"]


def test_beyond_this_machine_a_token_is_required(
    raw_server: Callable[..., RawServer], packhorse_environment: dict[str, str]
) -> None:
    server = raw_server(
        *MODULE, "serve", "--http", "0.0.0.0:0", environment={**packhorse_environment, "PACKHORSE_PLUGINS": ""}
    )
    assert server.end(within=30) == 1
    assert "PACKHORSE_HTTP_TOKEN" in server.errors
    assert "Traceback" not in server.errors


def test_beyond_this_machine_the_named_hosts_are_served(serve_http: Callable[..., Site]) -> None:
    site = serve_http("0.0.0.0", PACKHORSE_HTTP_TOKEN=TOKEN, PACKHORSE_HTTP_HOSTS="code.example")
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert site.post(Host="code.example", **bearer).status_code == 200
    assert site.post(Host="other.example", **bearer).status_code == 421


def test_a_port_in_use_is_one_clear_sentence(
    raw_server: Callable[..., RawServer], packhorse_environment: dict[str, str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = raw_server(
            *MODULE, "serve", "--http", str(port), environment={**packhorse_environment, "PACKHORSE_PLUGINS": ""}
        )
        assert server.end(within=30) == 1
    assert f"Error: 127.0.0.1:{port} cannot be listened on: Address already in use." in server.errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_cleanly(serve_http: Callable[..., Site], number: signal.Signals, code: int) -> None:
    site = serve_http()
    site.server.process.send_signal(number)
    assert site.server.end(within=20) == code
    assert "Traceback" not in site.server.errors
    assert site.server.lines == []


@pytest.mark.parametrize(
    ("text", "address"),
    [("8000", ("127.0.0.1", 8000)), (":80", ("127.0.0.1", 80)), ("h:1", ("h", 1)), ("[::1]:5", ("::1", 5))],
)
def test_an_address_is_a_port_with_or_without_a_host(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "x", "h:", "h:70000", "h:-1", "h:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address"):
        parse_address(text)


def test_what_counts_as_this_machine() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.9.9.9", "::1", "localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "example.org"]))


def test_without_a_token_nobody_is_authorised() -> None:
    scope = {"type": "http", "headers": [(b"authorization", b"Bearer ")]}
    assert not authorised(scope, None)
