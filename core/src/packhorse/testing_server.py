"""The shared PostgreSQL of a test run: fresh databases copied from a template that has the core's migrations."""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from packhorse.database.address import Address

TEST_DATABASE_URL = "PACKHORSE_TEST_DATABASE_URL"
STALE_SECONDS = 86_400
"""Databases of a test run that was killed are dropped by a later run when they are this old."""

_NAME = re.compile(r"packhorse_test_(\d+)_[0-9a-f]{8,32}(?:_template)?")
_LOCK = 6_043_127_885_201_164_837  # any number that the runs agree on: one process at a time creates the template


class TestServer:
    """A PostgreSQL server for tests; all processes of one run share it and its template.

    Args:
        address: the server and the database to connect to for creating others.
        run: a name that the processes of one test run share.
    """

    __test__ = False  # pytest collects classes by this name's beginning

    def __init__(self, address: Address, run: str) -> None:
        self.address = address
        self._run = run
        self._started = int(time.time())
        self._template: str | None = None

    def conninfo(self, database: str) -> str:
        """Return how to connect to a database of this server; it contains the password."""
        from psycopg.conninfo import make_conninfo

        return make_conninfo(self.address.conninfo, dbname=database)

    @contextmanager
    def database(self, *, empty: bool = False) -> Iterator[str]:
        """Create a database for the length of the block and yield its conninfo.

        Args:
            empty: without the extension and the core's migrations, as a user's new database is.
        """
        name = f"packhorse_test_{self._started}_{uuid4().hex[:16]}"
        template = "template1" if empty else self._template or self._ready_template()
        with self._admin() as admin:
            _run(admin, "CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield self.conninfo(name)
        finally:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        with self._admin() as admin:
            _run(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def finish(self) -> None:
        """Drop the template at the end of a run that had it to itself; of a shared one a later run drops it."""
        if self._template is not None and "PYTEST_XDIST_WORKER" not in os.environ:
            self.drop(self._template)

    def _ready_template(self) -> str:
        with self._admin() as admin:
            admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            names = [row[0] for row in admin.execute("SELECT datname FROM pg_database").fetchall()]
            for name in names:
                self._drop_if_stale(admin, name)
            found = [name for name in names if name.endswith(f"_{self._run}_template")]
            self._template = found[0] if found else self._new_template(admin)
        return self._template

    def _new_template(self, admin: psycopg.Connection[tuple[str]]) -> str:
        from psycopg import Error

        name = f"packhorse_test_{self._started}_{self._run}_template"
        _run(admin, "CREATE DATABASE {} TEMPLATE {}", f"{name}_x", "template1")
        try:
            prepare(self.conninfo(f"{name}_x"))
            # Renamed when complete: a run that is killed here leaves nothing that looks ready.
            _run(admin, "ALTER DATABASE {} RENAME TO {}", f"{name}_x", name)
        except Error:
            _run(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", f"{name}_x")
            raise
        return name

    def _drop_if_stale(self, admin: psycopg.Connection[tuple[str]], name: str) -> None:
        from psycopg import Error

        match = _NAME.match(name)
        if match and int(match[1]) < time.time() - STALE_SECONDS:
            with suppress(Error):
                _run(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    @contextmanager
    def _admin(self) -> Iterator[psycopg.Connection[tuple[str]]]:
        import psycopg

        with psycopg.connect(self.address.conninfo, autocommit=True) as connection:
            yield connection


def prepare(conninfo: str) -> None:
    """Give a database the extension and the core's migrations, as a server's first start does."""
    import asyncio

    from pydantic import SecretStr

    from packhorse.database import Database
    from packhorse.settings import CoreSettings

    async def start() -> None:
        database = Database(CoreSettings(database_url=SecretStr(conninfo)))
        await database.open()
        await database.close()

    asyncio.run(start())


def run_name() -> str:
    """Return the name that all processes of this test run share, also those of pytest-xdist."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", "") or uuid4().hex
    return run[:12]  # PostgreSQL cuts names off after 63 bytes


def _run(connection: psycopg.Connection[tuple[str]], statement: str, *names: str) -> None:
    from psycopg import sql

    connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))
