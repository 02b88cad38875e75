"""The server over streamable HTTP: loopback by default, guarded by a token, and by the names it may be called."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from loguru import logger
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response

from packhorse import terminal
from packhorse.errors import ConfigurationError
from packhorse.health import report
from packhorse.stdio import EXIT_SECONDS, exit_within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from fastmcp import FastMCP
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from packhorse.plugins import PluginHost

HEALTH = "/health"


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `[HOST:]PORT`; without a host it is 127.0.0.1.

    Raises:
        ConfigurationError: it is no such address.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65_536):  # noqa: PLR2004 - the range of TCP ports
        raise ConfigurationError(f"--http {text!r} is no address.", remedy="Write a port such as 8000, or host:port.")
    return host.strip("[]") or "127.0.0.1", int(port)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def serve(mcp: FastMCP, host: PluginHost, address: str) -> int:
    """Serve clients at `address` until a signal arrives, and return the exit code.

    Raises:
        ConfigurationError: the address is beyond this machine and there is no token, or it cannot be listened on.
        PackhorseError: the server cannot start.
    """
    name, port = parse_address(address)
    secret = host.core_settings.http_token
    token = secret.get_secret_value() if secret else None
    if token is None and not is_loopback(name):
        raise ConfigurationError(
            f"{name} can be reached from other machines, and no token is set.",
            remedy="Set PACKHORSE_HTTP_TOKEN to a long random text, or listen on 127.0.0.1.",
        )
    listening = _listen(name, port)
    mcp.custom_route(HEALTH, ["GET"])(_health(host, token))
    app = mcp.http_app(
        transport="http",
        middleware=[Middleware(TokenGuard, token=token)] if token else [],
        host_origin_protection=True,
        allowed_hosts=[name, *host.core_settings.http_hosts],
    )
    async with mcp._lifespan_manager():  # noqa: SLF001 - entered here first, so that a failing start is ours to report
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, lifespan="on", server_header=False)
        server = _Server(config)
        shown = f"[{name}]" if ":" in name else name
        logger.info("serving at http://{}:{}/mcp", shown, listening.getsockname()[1])
        terminal.messages().print(f"Serving at http://{shown}:{listening.getsockname()[1]}/mcp")
        await server.serve(sockets=[listening])
        return server.code


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}.", remedy="Choose another address or port."
        ) from error
    return listening


class _Server(uvicorn.Server):
    """Stops on our terms: a signal ends the process within `EXIT_SECONDS`, with an exit code instead of the signal."""

    code = 0

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop, 0)
        loop.add_signal_handler(signal.SIGINT, self._stop, 130)
        yield

    def _stop(self, code: int) -> None:
        self.code, self.should_exit = code, True
        exit_within(EXIT_SECONDS, code)


def authorised(scope: Scope, token: str | None) -> bool:
    """Tell whether a request carries the bearer token, comparing in constant time; without a token none does."""
    sent = Headers(scope=scope).get("authorization", "")
    kind, _, value = sent.partition(" ")
    return (
        token is not None and kind.lower() == "bearer" and hmac.compare_digest(value.strip().encode(), token.encode())
    )


class TokenGuard:
    """Answers 401 to every request without the token, but for the bare health probe."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] == HEALTH or authorised(scope, self._token):
            await self._app(scope, receive, send)
            return
        refusal = Response("A bearer token is required.", 401, {"WWW-Authenticate": 'Bearer realm="packhorse"'})
        await refusal(scope, receive, send)


def _health(host: PluginHost, token: str | None) -> Callable[[Request], Awaitable[Response]]:
    async def health(request: Request) -> Response:
        found = await report(host)
        body = found.as_dict() if authorised(request.scope, token) else {"status": found.status}
        return JSONResponse(body, 503 if found.status == "failed" else 200)

    return health
