"""Building the one server object: the plugins' tools on it, the core's resources, the composed lifespan."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import packhorse
from packhorse.framework import settle_fastmcp
from packhorse.instructions import compose
from packhorse.lifespan import PATIENCE, log_start
from packhorse.metrics import Metrics
from packhorse.watchdog import watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastmcp import FastMCP

    from packhorse.plugins import PluginHost

JSON = "application/json"


def build_server(host: PluginHost, *, strict: bool | None = None) -> FastMCP:
    """Return the server with the tools of every loaded plugin; its lifespan is `host.running()`.

    A plugin whose registration fails is dropped from the host, and the others go on.

    Args:
        host: the loaded host.
        strict: whether a plugin that is not loaded is an error; by default the setting of that name.

    Raises:
        ConfigurationError: see `PluginHost.check` and `gate.install`.
    """
    settle_fastmcp()
    from fastmcp import FastMCP

    from packhorse import completions
    from packhorse.containment import ContainmentMiddleware
    from packhorse.control import gate
    from packhorse.middleware import ErrorMiddleware
    from packhorse.registration import Registrations

    host.check(strict=strict)
    metrics = Metrics()
    withheld: set[str] = set()

    @asynccontextmanager
    async def lifespan(server: FastMCP) -> AsyncIterator[dict[str, Any]]:
        # Strict means to know before the first request that everything works.
        async with host.running(patience=None if host.core_settings.strict else PATIENCE):
            server.instructions = compose(host, withheld)  # without the plugins that did not start
            log_start(host)
            with watching(host):
                yield {}

    containment = ContainmentMiddleware(host)
    mcp: FastMCP = FastMCP(
        "packhorse",
        version=packhorse.__version__,
        lifespan=lifespan,
        middleware=[ErrorMiddleware(metrics), containment],
        on_duplicate="error",
        mask_error_details=True,
        strict_input_validation=False,
    )
    registrations = containment.registrations = Registrations(mcp)
    _start_isolated(host)
    registrations.register_core(lambda: _register_resources(mcp, host, metrics))
    for name in host.loaded:
        if host.record(name).loaded and host.implements(name, "register_tools"):
            _register(host, name, mcp, registrations)
    host.check(strict=strict)
    completions.install(mcp, host, registrations)
    if not host.without_database:  # an isolated plugin's tools pass the gate of the host that mounts it
        withheld |= gate.install(mcp, host, strict=strict).withheld
    mcp.instructions = compose(host, withheld)
    return mcp


def _start_isolated(host: PluginHost) -> None:
    """Start the processes of isolated plugins at once; each is waited for when its tools are registered."""
    if any(record.isolated for record in host.records):
        from packhorse.isolated.plugin import IsolatedPlugin

        for plugin in host.objects.values():
            if isinstance(plugin, IsolatedPlugin):
                plugin.process.start()


def _register(host: PluginHost, name: str, mcp: FastMCP, registrations: Any) -> None:
    def register() -> None:
        host.call_plugin(name, "register_tools", mcp=mcp, context=host.context(name))

    with host.attempt(name, "registered its tools"):
        host.on_drop(name, registrations.register(host.record(name), register))


def _register_resources(mcp: FastMCP, host: PluginHost, metrics: Metrics) -> None:
    @mcp.resource("packhorse://config", mime_type=JSON)
    async def config() -> str:  # async, like all of these, because other plugins may have taken every thread
        """The settings in effect, secrets masked."""
        return _json([asdict(setting) for setting in host.describe_settings()])

    @mcp.resource("packhorse://health", mime_type=JSON)
    async def health() -> str:
        """Whether the database and every plugin work, and what to do where one does not."""
        from packhorse.health import report

        return _json((await report(host)).as_dict())

    @mcp.resource("packhorse://plugins", mime_type=JSON)
    async def plugins() -> str:
        """Every installed plugin with its version, tools and, when it is not loaded, the reason."""
        return _json([record.as_dict() for record in host.records])

    @mcp.resource("packhorse://metrics", mime_type=JSON)
    async def metrics_report() -> str:
        """Calls, errors and latency of each tool since the server started."""
        return _json(metrics.report())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
