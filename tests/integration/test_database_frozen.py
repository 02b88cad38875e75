"""A server that hangs: every way of using the database ends within its deadline."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from packhorse.database import Database, connect, lease
from packhorse.database.pool import RECENT_SECONDS
from packhorse.errors import DatabaseError, DatabaseTimeoutError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fix_database import OrdinaryServer
    from packhorse.settings import CoreSettings

pytestmark = pytest.mark.integration


@asynccontextmanager
async def opened(settings: CoreSettings) -> AsyncIterator[Database]:
    database = Database(settings)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def test_a_new_connection_is_given_up_at_the_deadline(ordinary_server: OrdinaryServer) -> None:
    # The other connection keeps the only idle one busy.
    async with opened(ordinary_server.settings(db_deadline=1)) as database, database.connection():
        with ordinary_server.frozen():
            before = time.monotonic()
            with pytest.raises(DatabaseTimeoutError, match=r"did not answer within 1 s"):
                async with database.connection():
                    pass
            assert time.monotonic() - before < 1.5


async def test_a_pooled_connection_that_does_not_answer_is_given_up_at_the_deadline(
    ordinary_server: OrdinaryServer,
) -> None:
    async with opened(ordinary_server.settings(db_deadline=1)) as database:
        await asyncio.sleep(RECENT_SECONDS + 0.1)
        with ordinary_server.frozen():
            before = time.monotonic()
            with pytest.raises(DatabaseTimeoutError, match=r"did not answer within 1 s"):
                async with database.connection():
                    pass
            assert time.monotonic() - before < 1.5
        async with database.connection(deadline=10) as connection:
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)


class Freezing:
    """Freezes the server inside a transaction and thaws it after the test."""

    def __init__(self, server: OrdinaryServer) -> None:
        self.stack = ExitStack()
        self.server = server

    async def use(self, database: Database, error: type[Exception] | None = None, *, query: bool = False) -> None:
        async with database.connection(deadline=0.7) as connection:
            await connection.execute("SELECT 1")
            self.stack.enter_context(self.server.frozen())
            if query:
                await connection.execute("SELECT 1")
            if error:
                raise error


@pytest.mark.parametrize(
    ("error", "query", "expected"),
    [
        pytest.param(None, True, DatabaseTimeoutError, id="a statement"),
        pytest.param(None, False, DatabaseTimeoutError, id="the commit"),
        pytest.param(LookupError, False, LookupError, id="the rollback after an error, which stays"),
    ],
)
async def test_what_waits_inside_a_transaction_is_given_up_at_the_deadline(
    ordinary_server: OrdinaryServer, error: type[Exception] | None, query: bool, expected: type[Exception]
) -> None:
    freezing = Freezing(ordinary_server)
    async with opened(ordinary_server.settings()) as database:
        before = time.monotonic()
        with freezing.stack, pytest.raises(expected) as caught:
            await freezing.use(database, error, query=query)
        assert time.monotonic() - before < 1.2
        assert ordinary_server.password not in str(caught.value)


async def test_a_cancelled_task_ends_within_seconds_though_the_server_takes_no_cancellation(
    ordinary_server: OrdinaryServer,
) -> None:
    async with opened(ordinary_server.settings(db_deadline=30)) as database:

        async def wait() -> None:
            async with database.connection() as connection:
                await connection.execute("SELECT pg_sleep(60)")

        task = asyncio.create_task(wait())
        await asyncio.sleep(0.3)
        with ordinary_server.frozen():
            before = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - before < 2.5
        async with database.connection() as connection:
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)


async def test_cancelling_ends_the_statement_on_a_healthy_server_and_keeps_the_connection(
    ordinary_server: OrdinaryServer,
) -> None:
    async with opened(ordinary_server.settings(db_pool_size=1, db_max_overflow=0)) as database:
        async with database.connection() as connection:
            backend = connection.info.backend_pid

        async def wait() -> None:
            async with database.connection() as connection:
                await connection.execute("SELECT pg_sleep(60)")

        task = asyncio.create_task(wait())
        await asyncio.sleep(0.3)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        async with database.connection() as connection:
            assert connection.info.backend_pid == backend


async def test_tasks_that_are_cancelled_while_they_wait_lose_no_connection(ordinary_server: OrdinaryServer) -> None:
    async with opened(ordinary_server.settings(db_pool_size=2, db_max_overflow=0)) as database:

        async def use() -> None:
            async with database.connection() as connection:
                await connection.execute("SELECT pg_sleep(0.002)")

        for round_ in range(40):
            tasks = [asyncio.create_task(use()) for _ in range(8)]
            await asyncio.sleep(0.0005 * round_)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        async with database.connection(deadline=5), database.connection(deadline=5):
            pass


async def test_opening_ends_with_a_clear_sentence(ordinary_server: OrdinaryServer) -> None:
    database = Database(ordinary_server.settings(db_deadline=1))
    with ordinary_server.frozen():
        before = time.monotonic()
        with pytest.raises(DatabaseTimeoutError, match=r"did not answer"):
            await database.open()
        assert time.monotonic() - before < 4


async def test_closing_ends(ordinary_server: OrdinaryServer) -> None:
    database = Database(ordinary_server.settings())
    await database.open()
    with ordinary_server.frozen():
        before = time.monotonic()
        await database.close()
        assert time.monotonic() - before < 3


def test_a_worker_process_is_told_that_the_server_does_not_answer(ordinary_server: OrdinaryServer) -> None:
    settings = ordinary_server.settings(ordinary_server.url() + "?connect_timeout=2")
    with lease(settings) as address, ordinary_server.frozen():
        before = time.monotonic()
        with pytest.raises(DatabaseError, match=r"did not answer"):
            connect(address)
        assert time.monotonic() - before < 4
