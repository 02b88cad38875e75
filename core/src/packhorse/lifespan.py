"""The life of a server or command: the database, then the plugins; torn down in reverse."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from loguru import logger

from packhorse.errors import PackhorseError
from packhorse.life import Lives

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from packhorse.database.pool import Database
    from packhorse.plugins import PluginHost

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that a server's start waits for all plugins together; one that is late goes on starting while it serves."""


@asynccontextmanager
async def running(host: PluginHost, patience: float | None = None) -> AsyncIterator[None]:
    """Open the database and start the plugins, and stop all of it at the end; see `PluginHost.running`."""
    if host.is_running:
        yield  # a command's server, or a test's client inside its host
        return
    from anyio import CancelScope

    host.check(strict=False)
    stack = AsyncExitStack()
    try:
        if not host.without_database:
            host.use(await _open(host, stack))
            stack.callback(host.use, None)
        lives = Lives(host)
        stack.push_async_callback(lives.stop)
        await lives.start(patience)
        host.check()
        yield
    finally:
        with CancelScope(shield=True):  # a cancelled server still stops its plugins and closes the database
            await stack.aclose()


async def run(host: PluginHost, main: Callable[[], Awaitable[T]], plugin: str | None) -> T:
    """Run `main` with everything started that it needs; see `PluginHost.run`."""
    async with running(host, PATIENCE):
        for name, settled in list(host.starting.items()):
            if plugin in {None, name}:
                await settled.wait()
        if plugin is not None and plugin not in host.loaded:
            raise PackhorseError(f"The plugin {plugin} could not start. {host.failure(plugin)}".rstrip())
        return await main()


async def _open(host: PluginHost, stack: AsyncExitStack) -> Database:
    from packhorse.database.pool import Database

    database = Database(host.core_settings)
    stack.push_async_callback(database.close)
    await database.open()
    return database


def log_start(host: PluginHost) -> None:
    """Log every plugin with its distribution, version, location and tools, and at last all tools."""
    for record in host.records:
        (logger.info if record.status in {"loaded", "blocked"} else logger.error)("Plugin {}", record)
    tools: list[Any] = [tool for record in host.records for tool in record.tools]
    logger.info("{} tools registered:", len(tools))
    for tool in tools:  # an entry each, because the log escapes line breaks inside of one
        logger.info("  - {}", tool)
