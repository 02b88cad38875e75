"""The plugins' lives: each migrates and is entered in a task of its own, after those that it requires.

Neither a plugin's failure nor its hanging is the server's. A context manager must be left in the task that entered
it, hence each task waits in between.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any

from loguru import logger

from packhorse.bounded import end
from packhorse.discovery import in_order, sought
from packhorse.errors import DatabaseError, PackhorseError
from packhorse.faults import fault_of
from packhorse.isolation import PluginCrash, contained, explain

if TYPE_CHECKING:
    from packhorse.plugins import PluginHost

LAST_GRACE = 1.0  # seconds for a cancelled lifespan to end before it is left behind


class Lives:
    """The lives of all plugins of a host."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        self._lives: list[Life] = []

    async def start(self, patience: float | None) -> None:
        """Start all, and wait until each is entered or out.

        Args:
            patience: seconds to wait at most; those that are not ready by then go on starting, and the host's
                `starting` has them. None waits as long as a start may take.

        Raises:
            DatabaseError: the database went away meanwhile.
        """
        by_key: dict[str, list[Life]] = {}
        for candidate in in_order(self._host.candidates, sought):
            needed = [life for key in sought(candidate) - {candidate.key} for life in by_key.get(key, ())]
            life = Life(self._host, candidate.name, needed)
            by_key.setdefault(candidate.key, []).append(life)
            self._lives.append(life)
        for life in self._lives:
            life.begin()
        settled = [asyncio.create_task(life.settled.wait()) for life in self._lives]
        try:
            if settled:
                await asyncio.wait(settled, timeout=patience)
        finally:
            for waiting in settled:
                waiting.cancel()
        for life in self._lives:
            if life.unreachable is not None:
                raise life.unreachable
            life.note_late()

    async def stop(self) -> None:
        """Leave all, each after those that require it."""
        await asyncio.gather(*(life.stop() for life in reversed(self._lives)))


class Life:
    """One plugin's migrations and lifespan."""

    def __init__(self, host: PluginHost, name: str, after: list[Life]) -> None:
        self._host = host
        self._name = name
        self._after = after
        self.before: list[Life] = []
        """Those that have to be left before this one."""
        for other in after:
            other.before.append(self)
        self._leave = asyncio.Event()
        self._entered = False
        self._failure: BaseException | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.stopped = asyncio.Event()
        """Whether it is left."""
        self.settled = asyncio.Event()
        """Whether the plugin is entered or out."""
        self.unreachable: DatabaseError | None = None
        """That the database is away, which is not the plugin's fault."""

    def begin(self) -> None:
        """Begin to start, as soon as those that it requires have settled."""
        self._host.starting[self._name] = self.settled
        self._task = asyncio.create_task(self._live(), name=f"packhorse-plugin-{self._name}")

    def note_late(self) -> None:
        """Say so if the plugin is not ready while the server begins to serve."""
        if not self.settled.is_set():
            logger.warning("The plugin {} is not ready yet; its tools wait for it.", self._name)

    async def _live(self) -> None:
        for other in self._after:
            await other.settled.wait()
        record = self._host.record(self._name)
        if not record.loaded:  # it went with a plugin that it requires
            self._settle()
            return
        start = perf_counter()
        doing = "migrated its schema"
        try:
            await self._migrate()
            doing = "started"
            self._timer = asyncio.get_running_loop().call_later(self._host.start_deadline, self._give_up)
            async with AsyncExitStack() as stack:
                for manager in self._managers():
                    await stack.enter_async_context(manager)
                self._entered = True
                record.seconds += perf_counter() - start
                self._settle()
                await self._leave.wait()
        except DatabaseError as error:
            self._failure = error
            if doing != "started" and not await self._database_answers():
                self.unreachable = error
        except BaseException as error:  # noqa: BLE001 - an exit or interrupt would end the loop and the server with it
            self._failure = error.cause if isinstance(error, PluginCrash) else error
        if not self._entered:
            record.seconds += perf_counter() - start
            self._drop(doing, self._failure or RuntimeError("its lifespan ended without starting"))
        elif not self._leave.is_set():
            self._fell_ill()

    async def _migrate(self) -> None:
        if not self._host.implements(self._name, "register_migrations"):
            return
        if self._host.without_database:
            raise PackhorseError(
                f"The plugin {self._name} keeps data in the database, to which an isolated plugin has no access.",
                remedy="Take it out of PACKHORSE_ISOLATED if you trust it with the database.",
            )
        from packhorse.database.migrations import PluginMigrations, migrate

        for folder in self._host.call_plugin(self._name, "register_migrations"):
            with contained():  # reads what the plugin returned
                found = PluginMigrations.read(self._name, folder)
            await migrate(self._host.database, found)

    async def _database_answers(self) -> bool:
        """Tell a database that went away from a migration that closed its own connection."""
        try:
            async with self._host.database.connection() as connection:
                await connection.execute("SELECT 1")
        except DatabaseError:
            return False
        return True

    def _managers(self) -> list[Any]:
        if not self._host.implements(self._name, "plugin_lifespan"):
            return []
        return self._host.call_plugin(self._name, "plugin_lifespan", context=self._host.context(self._name))

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._host.starting.pop(self._name, None)
        self.settled.set()

    def _give_up(self) -> None:
        self._drop("started", TimeoutError(f"it was not ready after {self._host.start_deadline:g} seconds"))
        if self._task is not None:
            self._task.cancel()

    def _drop(self, doing: str, cause: BaseException) -> None:
        record = self._host.record(self._name)
        if record.loaded and not self._leave.is_set() and self.unreachable is None:
            crash = PluginCrash(cause)
            self._host.drop(
                self._name, fault_of(record, doing, crash), None if isinstance(cause, TimeoutError) else cause
            )
        self._host.services.withdraw(self._name)
        self._settle()

    def _fell_ill(self) -> None:
        problem = "it ended by itself" if self._failure is None else explain(self._failure)
        self._host.ailing[self._name] = f"The background work of {self._name} stopped: {problem}."
        logger.opt(exception=self._failure).error("The background work of {} stopped.", self._name)

    async def stop(self) -> None:
        """Leave the lifespan after those that require this plugin; a failure or a hanging is logged."""
        try:
            for other in self.before:
                await other.stopped.wait()
            self._leave.set()
            if self._task is not None:
                await self._end(self._task)
        finally:
            self._host.services.withdraw(self._name)
            self._settle()
            self.stopped.set()

    async def _end(self, task: asyncio.Task[None]) -> None:
        if not self._entered:
            await end(task, LAST_GRACE)
            return
        done, _ = await asyncio.wait({task}, timeout=self._host.stop_deadline)
        if not done:
            logger.error("{} did not stop within {:g} seconds and is abandoned.", self._name, self._host.stop_deadline)
            await end(task, LAST_GRACE)
        elif self._failure is not None and self._name not in self._host.ailing:
            logger.opt(exception=self._failure).error("{} failed while it stopped.", self._name)
