"""Transactions of the pool, its limits, and what its users are told when the database fails."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
from pgvector import HalfVector
from psycopg_pool import AsyncConnectionPool

from packhorse.database import Database, connect, lease, pool
from packhorse.database.session import check_versions
from packhorse.errors import ConfigurationError, DatabaseError, DatabaseTimeoutError, DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager

    from fix_database import OrdinaryServer
    from packhorse.database.fuse import FusedConnection
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


@pytest.fixture
async def database(ordinary_server: OrdinaryServer) -> AsyncIterator[Database]:
    async with opened(ordinary_server.settings()) as database:
        async with database.connection() as connection:
            await connection.execute("DROP TABLE IF EXISTS public.note; CREATE TABLE public.note (text text UNIQUE)")
        yield database


async def execute(database: Database, *statements: str, **limits: float) -> None:
    async with database.connection(**limits) as connection:
        for statement in statements:
            await connection.execute(statement.encode())


async def notes(database: Database) -> list[str]:
    async with database.connection() as connection:
        return [row[0] for row in await (await connection.execute("SELECT text FROM public.note")).fetchall()]


async def test_a_block_that_ends_is_committed_and_one_that_raises_is_rolled_back(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("INSERT INTO public.note VALUES ('kept')")

    async def fail() -> None:
        async with database.connection() as connection:
            await connection.execute("INSERT INTO public.note VALUES ('lost')")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await notes(database) == ["kept"]


async def test_errors_of_the_statement_stay_the_drivers(database: Database) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        await execute(database, "INSERT INTO public.note VALUES ('one'), ('one')")
    with pytest.raises(psycopg.errors.UndefinedTable):
        await execute(database, "SELECT * FROM nowhere")
    with pytest.raises(psycopg.DataError):
        async with database.connection() as connection:
            await connection.execute("SELECT %s", ("a\0b",))
    with pytest.raises(UnicodeEncodeError):
        async with database.connection() as connection:
            await connection.execute("SELECT %s", ("\ud800",))
    async with database.connection() as holder:
        await holder.execute("LOCK TABLE public.note")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await execute(database, "LOCK TABLE public.note NOWAIT")


async def test_sessions_have_their_limits_and_types(ordinary_server: OrdinaryServer) -> None:
    settings = ordinary_server.settings(db_statement_timeout=7, db_deadline=3)
    names = "application_name statement_timeout idle_in_transaction_session_timeout client_connection_check_interval"
    query = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names.split())
    async with opened(settings) as database, database.connection() as connection:
        assert await (await connection.execute(query)).fetchone() == ("packhorse", "7s", "14s", "5s")
        row = await (await connection.execute("SELECT %s::halfvec", (HalfVector([1, 2]),))).fetchone()
        assert row == (HalfVector([1, 2]),)
    with lease(settings) as address, connect(address) as worker:
        assert worker.execute(query.encode()).fetchone() == ("packhorse", "7s", "14s", "5s")
        assert worker.execute("SELECT '[1,2]'::halfvec").fetchone() == (HalfVector([1, 2]),)
        assert not worker.autocommit


async def test_a_statement_that_takes_too_long_is_cancelled_by_the_server(ordinary_server: OrdinaryServer) -> None:
    async with opened(ordinary_server.settings(db_statement_timeout=0.1)) as database:
        with pytest.raises(DatabaseTimeoutError, match=r"cancelled a statement after 0.1 s.*STATEMENT_TIMEOUT"):
            await execute(database, "SELECT pg_sleep(5)")


async def test_waiting_for_a_connection_that_others_keep_ends_at_the_deadline(ordinary_server: OrdinaryServer) -> None:
    async with opened(ordinary_server.settings(db_pool_size=1, db_max_overflow=1)) as database:
        async with database.connection(), database.connection():
            with pytest.raises(DatabaseTimeoutError, match=r"All 2 connections .* in use for 0.2 s.*DB_POOL_SIZE"):
                async with database.connection(deadline=0.2):
                    pass
        async with database.connection(), database.connection():
            pass


async def test_more_tasks_than_connections_take_turns(ordinary_server: OrdinaryServer) -> None:
    async with opened(ordinary_server.settings(db_pool_size=2, db_max_overflow=1)) as database:
        backends = set()

        async def use() -> None:
            async with database.connection() as connection:
                backends.add(connection.info.backend_pid)
                await connection.execute("SELECT pg_sleep(0.01)")

        await asyncio.gather(*(use() for _ in range(20)))
        assert len(backends) <= 3


async def test_a_connection_that_is_lost_is_reported_and_replaced(database: Database) -> None:
    with pytest.raises(DatabaseUnavailableError, match=r"was lost; the transaction was not completed"):
        await execute(database, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert await notes(database) == []


async def test_an_idle_connection_that_died_is_not_handed_out(database: Database) -> None:
    async with database.connection() as one, database.connection() as two:
        pids = [one.info.backend_pid, two.info.backend_pid]
    async with database.connection() as connection:
        pids.remove(connection.info.backend_pid)
        await connection.execute("SELECT pg_terminate_backend(%s, 5000)", pids)
    await asyncio.gather(*(notes(database) for _ in range(4)))


async def test_a_connection_used_just_now_is_not_asked_whether_it_works(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    check = AsyncConnectionPool.check_connection

    async def counted(connection: FusedConnection) -> None:
        asked.append(connection)
        await check(connection)

    monkeypatch.setattr(AsyncConnectionPool, "check_connection", staticmethod(counted))
    await notes(database)
    asked.clear()
    await notes(database)
    assert not asked
    monkeypatch.setattr(pool, "RECENT_SECONDS", 0.0)
    await notes(database)
    assert len(asked) == 1


async def test_a_connection_closed_inside_the_block_is_not_taken_for_a_commit(database: Database) -> None:
    async def close_inside() -> None:
        async with database.connection() as connection:
            await connection.execute("INSERT INTO public.note VALUES ('unsure')")
            await connection.close()

    with pytest.raises(DatabaseUnavailableError, match=r"was not completed"):
        await close_inside()
    assert await notes(database) == []


async def test_a_block_that_outlives_its_deadline_without_a_statement_loses_only_its_connection(
    database: Database,
) -> None:
    async with database.connection(deadline=0.1):
        await asyncio.sleep(0.2)
    assert await notes(database) == []


async def test_a_read_only_database_is_named_as_such(database: Database) -> None:
    with pytest.raises(DatabaseError, match=r"read-only.*primary"):
        await execute(database, "SET TRANSACTION READ ONLY", "INSERT INTO public.note VALUES ('no')")


async def test_a_full_disk_is_named_as_such(database: Database) -> None:
    with pytest.raises(DatabaseError, match=r"disk of the database is full.*Free some space"):
        await execute(database, "DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$")


async def test_a_missing_right_is_named(database: Database) -> None:
    with pytest.raises(DatabaseError, match=r"lacks a right: permission denied for table note"):
        await execute(database, "CREATE ROLE guest", "SET LOCAL ROLE guest", "SELECT * FROM public.note")


async def test_a_closed_database_says_so(ordinary_server: OrdinaryServer) -> None:
    database = Database(ordinary_server.settings())
    with pytest.raises(DatabaseUnavailableError, match=r"not open"):
        async with database.connection():
            pass
    await database.open()
    async with database.connection() as connection:
        await connection.execute("SELECT 1")
        await database.close()
    with pytest.raises(DatabaseUnavailableError, match=r"not open"):
        async with database.connection():
            pass
    await database.close()


async def test_those_who_wait_when_it_is_closed_are_told(ordinary_server: OrdinaryServer) -> None:
    async with opened(ordinary_server.settings(db_pool_size=1, db_max_overflow=0)) as database:

        async def wait() -> None:
            async with database.connection():
                pass

        async with database.connection():
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0.05)
            await database.close()
            with pytest.raises(DatabaseUnavailableError, match=r"not open"):
                await waiting


async def expect_refusal(settings: CoreSettings, sentence: str) -> None:
    """Expect the sentence, soon, from a server process and from a worker, with no password in it."""
    assert settings.database_url is not None
    password = urlsplit(settings.database_url.get_secret_value()).password
    with pytest.raises(DatabaseUnavailableError, match=sentence) as caught:
        async with asyncio.timeout(5):
            await Database(settings).open()
    assert str(password) not in str(caught.value)
    with lease(settings) as address, pytest.raises(DatabaseUnavailableError, match=sentence):
        await asyncio.to_thread(connect, address)


async def test_a_wrong_password_is_one_clear_sentence(ordinary_server: OrdinaryServer) -> None:
    url = ordinary_server.url(password="not-the-password")
    await expect_refusal(ordinary_server.settings(url), "Cannot connect to .*: the user name or password is wrong")


async def test_a_missing_server_is_one_clear_sentence(ordinary_server: OrdinaryServer) -> None:
    url = "postgresql://me:pass-word@127.0.0.1:1/code"
    await expect_refusal(ordinary_server.settings(url), "no server answers there. Start the server")


async def test_a_missing_database_is_one_clear_sentence(ordinary_server: OrdinaryServer) -> None:
    url = ordinary_server.url("nowhere")
    await expect_refusal(ordinary_server.settings(url), "the database does not exist. Create it with `createdb`")


async def test_an_unknown_host_is_one_clear_sentence(ordinary_server: OrdinaryServer) -> None:
    url = "postgresql://me:pass-word@no-such-host.invalid/code"
    await expect_refusal(ordinary_server.settings(url), "the host's name is not known")


async def test_something_that_is_no_postgresql_is_refused_in_time(ordinary_server: OrdinaryServer) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://me:pass-word@127.0.0.1:{port}/code?sslmode=disable"
        await expect_refusal(ordinary_server.settings(url), "Cannot connect to ")


async def test_a_malformed_url_is_a_matter_of_configuration(ordinary_server: OrdinaryServer) -> None:
    with pytest.raises(ConfigurationError, match=r"DATABASE_URL is not usable"):
        await Database(ordinary_server.settings("mysql://db")).open()


async def test_a_server_without_pgvector_is_one_clear_sentence(
    start_ordinary_server: Callable[..., AbstractContextManager[OrdinaryServer]],
) -> None:
    sentence = r"The server has no pgvector .*Install pgvector 0.8"
    with start_ordinary_server("-c", "extension_control_path=/nonexistent") as server:
        database = Database(server.settings())
        with pytest.raises(DatabaseUnavailableError, match=sentence):
            await database.open()


async def test_a_user_who_may_not_create_the_extension_is_told_who_must(ordinary_server: OrdinaryServer) -> None:
    with psycopg.connect(ordinary_server.url(), autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS poor")
        admin.execute("CREATE ROLE poor LOGIN PASSWORD 'poor-word'")
        admin.execute("DROP DATABASE IF EXISTS bare")
        admin.execute("CREATE DATABASE bare")
    url = ordinary_server.url("bare", user="poor", password="poor-word")
    with pytest.raises(DatabaseUnavailableError, match=r"may not create it.*Run `CREATE EXTENSION vector`"):
        await Database(ordinary_server.settings(url)).open()
    with psycopg.connect(ordinary_server.url("bare"), autocommit=True) as admin:
        admin.execute("CREATE EXTENSION vector")
    with pytest.raises(DatabaseError, match=r"lacks a right: permission denied for database bare"):
        await Database(ordinary_server.settings(url)).open()


async def test_an_extension_in_another_schema_is_found(ordinary_server: OrdinaryServer) -> None:
    with psycopg.connect(ordinary_server.url(), autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS elsewhere")
        admin.execute("CREATE DATABASE elsewhere")
    with psycopg.connect(ordinary_server.url("elsewhere"), autocommit=True) as admin:
        admin.execute("CREATE SCHEMA extensions")
        admin.execute("CREATE EXTENSION vector SCHEMA extensions")
    settings = ordinary_server.settings(ordinary_server.url("elsewhere"))
    query = "SELECT '[1,2]'::halfvec <=> '[1,2]'"
    async with opened(settings) as database, database.connection() as connection:
        assert await (await connection.execute(query)).fetchone() == (0.0,)
    with lease(settings) as address, connect(address) as worker:
        assert worker.execute(query.encode()).fetchone() == (0.0,)


async def test_a_server_with_no_connection_left_is_waited_for_and_then_named(ordinary_server: OrdinaryServer) -> None:
    with psycopg.connect(ordinary_server.url(), autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS narrow")
        admin.execute("CREATE DATABASE narrow CONNECTION LIMIT 1")
        admin.execute("DROP ROLE IF EXISTS tenant")
        admin.execute("CREATE ROLE tenant LOGIN PASSWORD 'tenant-word'")
    url = ordinary_server.url("narrow", user="tenant", password="tenant-word")
    holder = psycopg.connect(url)
    database = Database(ordinary_server.settings(url, db_deadline=0.5))
    with pytest.raises(DatabaseUnavailableError, match=r"it has no connection left.*DB_POOL_SIZE"):
        await database.open()
    holder.close()


@pytest.mark.parametrize(
    ("version", "extension", "sentence"),
    [(140011, None, "needs PostgreSQL 15 or newer"), (150000, "0.7.4", "needs pgvector 0.8 or newer.* has 0.7.4")],
)
def test_what_is_too_old_is_refused(
    ordinary_server: OrdinaryServer, version: int, extension: str | None, sentence: str
) -> None:
    with lease(ordinary_server.settings()) as address, pytest.raises(DatabaseUnavailableError, match=sentence):
        check_versions(version, extension, address)
    with lease(ordinary_server.settings()) as address:
        check_versions(150000, "0.8.0", address)
