"""The pool of connections of an asyncio program, with a hard deadline for every use."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from packhorse.database import failures, session
from packhorse.database.address import resolve
from packhorse.database.fuse import FusedConnection, fused
from packhorse.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow

    from packhorse.database.address import Address
    from packhorse.database.embedded import EmbeddedLease
    from packhorse.settings import CoreSettings

T = TypeVar("T")

CHECK_SECONDS = 2.0
"""How long a pooled connection may take to prove that it works before it is thrown away."""

RECENT_SECONDS = 0.5
"""For how long after its last use a connection whose socket is silent counts as working."""

_RECYCLE_SECONDS = 3600.0
_IDLE_SECONDS = 600.0
_RETRY_SECONDS = 0.1


class Database:
    """The database of one asyncio program. Open it once; its connections belong to the event loop that opened it."""

    def __init__(self, settings: CoreSettings) -> None:
        self._settings = settings
        self._size = settings.db_pool_size + settings.db_max_overflow
        self._address: Address | None = None
        self._pool: AsyncConnectionPool[FusedConnection] | None = None
        self._waiting: set[asyncio.Future[BaseException]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._connecting = 0
        self._lent = 0

    @property
    def address(self) -> Address:
        """Where the database is. Only while it is open."""
        if self._address is None:
            raise _not_open()
        return self._address

    async def open(self) -> None:
        """Start or join the embedded server if it is used, make the first connection and prepare the database.

        Afterwards the extension `vector` and the schema `packhorse` exist.

        Raises:
            ConfigurationError: DATABASE_URL is malformed.
            DatabaseUnavailableError: no server, wrong password, no extension, versions that are too old.
            DatabaseTimeoutError: the server does not answer.
        """
        from packhorse.database.migrations import migrate_core

        self._address = await _resolve(self._settings)
        try:
            self._pool = self._new_pool()
            await self._pool.open()
            if await migrate_core(self):
                # Connections made before the extension existed do not know its types.
                await self._pool.drain()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every connection and release the embedded server. Safe to call twice."""
        pool, address = self._pool, self._address
        self._pool = self._address = None
        try:
            if pool is not None:
                await pool.close(timeout=CHECK_SECONDS)
        finally:
            if address is not None and address.embedded is not None:
                address.embedded.release()

    @asynccontextmanager
    async def connection(self, *, deadline: float | None = None) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Lend a connection for one transaction: committed when the block ends, rolled back when it raises.

        After `deadline` seconds (`db_deadline` by default), counted from the call, the connection is shut down
        under the block, whatever the server does. Errors of the statements themselves stay psycopg's.

        Raises:
            DatabaseTimeoutError: no connection, or no answer, within the deadline.
            DatabaseUnavailableError: no connection can be had, or it was lost.
            DatabaseError: the database failed: disk full, read-only, out of memory.
        """
        address = self.address
        seconds = address.deadline if deadline is None else deadline
        until = asyncio.get_running_loop().time() + seconds
        connection = await self._acquire(address, until, seconds)
        self._lent += 1
        fuse = connection.fuse
        fuse.arm(until - asyncio.get_running_loop().time())
        try:
            async with connection:
                yield cast("AsyncConnection[TupleRow]", connection)
                if connection.closed:
                    # psycopg commits nothing on a closed connection and says nothing about it.
                    raise psycopg.OperationalError("the connection is closed")
        except psycopg.Error as error:
            if fuse.blown:
                raise failures.timed_out(address, seconds) from error
            translated = failures.running(error, address)
            if translated is None:
                raise
            raise translated from error
        finally:
            fuse.disarm()
            self._lent -= 1
            await self._return(connection)

    def _new_pool(self) -> AsyncConnectionPool[FusedConnection]:
        return AsyncConnectionPool(
            self.address.conninfo,
            connection_class=self._connection_class(),
            min_size=0,
            max_size=self._size,
            max_lifetime=_RECYCLE_SECONDS,
            max_idle=_IDLE_SECONDS,
            # Those who wait are told at once and decide themselves whether to try again.
            reconnect_timeout=0.0,
            open=False,
            name="packhorse",
        )

    def _connection_class(self) -> type[FusedConnection]:
        database = self

        class PooledConnection(FusedConnection):
            """A connection that tells its pool why it could not be made."""

            @classmethod
            async def connect(cls, *args: Any, **kwargs: Any) -> Any:
                return await database._connect(super().connect(*args, **kwargs))

        return PooledConnection

    async def _connect(self, connecting: Coroutine[Any, Any, FusedConnection]) -> FusedConnection:
        self._connecting += 1
        try:
            connection = await connecting
            try:
                with fused(connection, CHECK_SECONDS):
                    await session.configure(connection, self.address)
            except BaseException as error:
                await connection.close()
                if connection.fuse.blown and isinstance(error, psycopg.Error):
                    raise failures.timed_out(self.address, CHECK_SECONDS) from error
                raise
        except Exception as error:
            self._tell(error)
            raise
        finally:
            self._connecting -= 1
        return connection

    def _tell(self, error: BaseException) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(error)

    async def _acquire(self, address: Address, until: float, seconds: float) -> FusedConnection:
        """Return a connection that works, before `until`; `seconds` is the whole deadline, for messages."""
        clock = asyncio.get_running_loop().time
        refused: BaseException | None = None
        while (left := until - clock()) > 0:
            connection, refused = await self._get(left)
            if connection is not None:
                if await self._works(connection, until - clock()):
                    return connection
                continue
            if refused is None:
                break
            if address.embedded is not None and failures.is_absent(refused):
                await self._heal(address.embedded, until, seconds)
            elif not failures.is_passing(refused):
                break
            await asyncio.sleep(min(_RETRY_SECONDS, max(until - clock(), 0)))
        if refused is not None:
            raise failures.connecting(refused, address) from refused
        if self._connecting or not self._lent:
            raise failures.timed_out(address, seconds)
        raise failures.exhausted(address, seconds, self._size)

    async def _get(self, seconds: float) -> tuple[FusedConnection | None, BaseException | None]:
        """Return a connection of the pool, or why one could not be made, or neither when time ran out."""
        if self._pool is None:
            raise _not_open()
        if self._pool.get_stats().get("pool_available"):  # nothing to wait for, and so no task to wait in
            return await self._pool.getconn(timeout=seconds), None
        refusal: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        getting = self._keep(self._pool.getconn(timeout=seconds))
        self._waiting.add(refusal)
        try:
            either: set[asyncio.Future[Any]] = {refusal, getting}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                getting.cancel()
                await asyncio.wait({getting})
        except asyncio.CancelledError:
            getting.cancel()
            getting.add_done_callback(self._give_back)
            raise
        finally:
            self._waiting.discard(refusal)
        if not getting.cancelled():
            error = getting.exception()
            if error is None:
                return getting.result(), None
            if isinstance(error, PoolClosed):
                raise _not_open() from error
            if not isinstance(error, PoolTimeout):
                raise error
        return None, refusal.result() if refusal.done() else None

    async def _works(self, connection: FusedConnection, seconds: float) -> bool:
        """Whether the connection answers; if not, it is given back to be replaced."""
        rested = asyncio.get_running_loop().time() - connection.returned
        if rested < RECENT_SECONDS and not connection.closed and connection.is_silent():
            return True
        try:
            with fused(connection, min(CHECK_SECONDS, seconds)):
                await AsyncConnectionPool.check_connection(connection)
        except BaseException as error:
            await self._return(connection)
            if isinstance(error, psycopg.Error):
                return False
            raise
        return True

    async def _return(self, connection: FusedConnection) -> None:
        """Give a connection back; one that is not certain to be clean and alive is closed, and replaced when needed."""
        if connection.fuse.blown or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            await connection.close()
        connection.returned = asyncio.get_running_loop().time()
        if self._pool is None:
            await connection.close()
        else:
            # A connection whose return is interrupted by a cancellation would be missing from the pool for ever.
            await asyncio.shield(self._keep(self._pool.putconn(connection)))

    def _give_back(self, getting: asyncio.Future[FusedConnection]) -> None:
        if not getting.cancelled() and getting.exception() is None:
            self._keep(self._return(getting.result()))

    async def _heal(self, embedded: EmbeddedLease, until: float, seconds: float) -> None:
        """Start whatever is missing of the embedded server."""
        ensuring = self._keep(asyncio.to_thread(embedded.ensure))
        done, _ = await asyncio.wait({ensuring}, timeout=max(until - asyncio.get_running_loop().time(), 0))
        if not done:
            ensuring.add_done_callback(_ignore)
            raise failures.timed_out(self.address, seconds)
        ensuring.result()

    def _keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in a task that is not collected before it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _resolve(settings: CoreSettings) -> Address:
    """Resolve the address without blocking the loop; a start that is cancelled midway leaves no lease behind."""
    resolving = asyncio.get_running_loop().run_in_executor(None, resolve, settings)
    try:
        return await asyncio.shield(resolving)
    except asyncio.CancelledError:
        resolving.add_done_callback(_release)
        raise


def _release(resolving: asyncio.Future[Address]) -> None:
    if not resolving.cancelled() and resolving.exception() is None and (embedded := resolving.result().embedded):
        embedded.release()


def _ignore(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()


def _not_open() -> DatabaseUnavailableError:
    return DatabaseUnavailableError(
        "The database is not open.", remedy="It is open while the server or a command runs."
    )
