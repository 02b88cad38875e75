"""The life of a server or command: database, migrations, the plugins' lifespans; torn down in reverse."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from loguru import logger

from packhorse.errors import DatabaseTimeoutError, DatabaseUnavailableError
from packhorse.isolation import PluginCrash, explain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from packhorse.database.pool import Database
    from packhorse.plugins import PluginHost

LAST_GRACE = 1.0  # seconds for a cancelled lifespan to end before it is left behind


@asynccontextmanager
async def running(host: PluginHost) -> AsyncIterator[None]:
    """Open the database and start the plugins, and stop all of it at the end; see `PluginHost.running`."""
    if host.is_running:
        yield  # a command's server, or a test's client inside its host
        return
    from anyio import CancelScope

    host.check(strict=False)
    stack = AsyncExitStack()
    try:
        host.use(await _open(host, stack))
        stack.callback(host.use, None)
        for name in host.loaded:
            await _migrate(host, name)
        for name in host.loaded:
            if host.record(name).loaded:
                await _start(host, name, stack)
        host.check()
        yield
    finally:
        with CancelScope(shield=True):  # a cancelled server still stops its plugins and closes the database
            await stack.aclose()


async def _open(host: PluginHost, stack: AsyncExitStack) -> Database:
    from packhorse.database.pool import Database

    database = Database(host.core_settings)
    stack.push_async_callback(database.close)
    await database.open()
    return database


async def _migrate(host: PluginHost, name: str) -> None:
    if not host.record(name).loaded or not host.implements(name, "register_migrations"):
        return
    from packhorse.database.migrations import PluginMigrations, migrate

    unreachable: Exception | None = None
    with host.attempt(name, "migrated its schema"):
        try:
            for folder in host.call_plugin(name, "register_migrations"):
                await migrate(host.database, PluginMigrations.read(name, folder))
        except (DatabaseUnavailableError, DatabaseTimeoutError) as error:
            unreachable = error  # not the plugin's fault: nothing would work
    if unreachable is not None:
        raise unreachable


async def _start(host: PluginHost, name: str, stack: AsyncExitStack) -> None:
    stack.callback(host.services.withdraw, name)
    if not host.implements(name, "plugin_lifespan"):
        return
    with host.attempt(name, "started"):
        for manager in host.call_plugin(name, "plugin_lifespan", context=host.context(name)):
            life = _Life(host, name, manager)
            await life.start()
            stack.push_async_callback(life.stop)


class _Life:
    """One plugin's lifespan, in a task of its own: neither its failure nor its hanging is the server's.

    A context manager must be left in the task that entered it, hence the task waits in between.
    """

    def __init__(self, host: PluginHost, name: str, manager: AbstractAsyncContextManager[None]) -> None:
        self._host = host
        self._name = name
        self._manager = manager
        self._entered = asyncio.Event()
        self._leave = asyncio.Event()
        self._failure: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    async def _live(self) -> None:
        try:
            async with self._manager:
                self._entered.set()
                await self._leave.wait()
        except BaseException as error:  # noqa: BLE001 - an exit or interrupt would end the loop and the server with it
            self._failure = error
        if self._entered.is_set() and not self._leave.is_set():
            problem = "it ended by itself" if self._failure is None else explain(self._failure)
            self._host.ailing[self._name] = f"The background work of {self._name} stopped: {problem}."
            logger.opt(exception=self._failure).error("The background work of {} stopped.", self._name)

    async def start(self) -> None:
        """Enter the lifespan.

        Raises:
            PluginCrash: it failed, or was not entered within the host's `start_deadline`.
        """
        self._task = asyncio.create_task(self._live(), name=f"packhorse-plugin-{self._name}")
        entered = asyncio.create_task(self._entered.wait())
        try:
            await asyncio.wait({self._task, entered}, timeout=self._host.start_deadline, return_when="FIRST_COMPLETED")
        except asyncio.CancelledError:
            await self._abandon()
            raise
        finally:
            entered.cancel()
        if self._entered.is_set():
            return
        if self._task.done():
            raise PluginCrash(self._failure or RuntimeError("its lifespan ended without starting"))
        await self._abandon()
        raise PluginCrash(TimeoutError(f"it was not ready after {self._host.start_deadline:g} seconds"))

    async def stop(self) -> None:
        """Leave the lifespan; a failure or a hanging is logged."""
        self._leave.set()
        task: asyncio.Task[None] = self._task  # type: ignore[assignment]  # only a started one is stopped
        done, _ = await asyncio.wait({task}, timeout=self._host.stop_deadline)
        if not done:
            logger.error("{} did not stop within {:g} seconds and is abandoned.", self._name, self._host.stop_deadline)
            await self._abandon()
        elif self._failure is not None:
            logger.opt(exception=self._failure).error("{} failed while it stopped.", self._name)

    async def _abandon(self) -> None:
        self._leave.set()
        if self._task is not None:
            self._task.cancel()
            _, stubborn = await asyncio.wait({self._task}, timeout=LAST_GRACE)
            for task in stubborn:
                # The end of the loop would wait for it forever, and the process would never end.
                asyncio._unregister_task(task)  # noqa: SLF001 - documented for those who extend asyncio
                cast("Any", task)._log_destroy_pending = False  # noqa: SLF001 - that it is pending was logged


def log_start(host: PluginHost) -> None:
    """Log every plugin with its distribution, version, location and tools, and at last all tools."""
    for record in host.records:
        (logger.info if record.status in {"loaded", "blocked"} else logger.error)("Plugin {}", record)
    tools: list[Any] = [tool for record in host.records for tool in record.tools]
    logger.info("{} tools registered:", len(tools))
    for tool in tools:  # an entry each, because the log escapes line breaks inside of one
        logger.info("  - {}", tool)
