"""Fixtures for the tests of plugins: a database of one's own, a host with chosen plugins, and real clients.

They are there in every pytest run once packhorse-core is installed:

    async def test_a_task_is_created(packhorse_client):
        async with packhorse_client("tasks") as client:
            answer = await client.call_tool("create_task", {"title": "write the tests"})
            assert answer.structured_content["status"] == "need to be done"

Asynchronous tests run with anyio's pytest plugin: set `anyio_mode = "auto"` in the pytest configuration, or mark
them with `@pytest.mark.anyio`. Tests that use these fixtures run on asyncio unless your own `anyio_backend` fixture
says otherwise.

The database is an embedded PostgreSQL in a temporary folder, shared by the whole run, or the server of
PACKHORSE_TEST_DATABASE_URL, whose user must be allowed to create databases.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

# Nothing heavy is imported here: this module is loaded in every pytest run of the environment.
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from fastmcp import Client

    from packhorse.database import Database
    from packhorse.discovery import Candidate
    from packhorse.plugins import PluginHost
    from packhorse.settings import CoreSettings
    from packhorse.testing_server import TestServer
    from packhorse.variables import Variable


class MakeHost(Protocol):
    """A factory of hosts.

    A plugin is the name of an installed one (`"tasks"`), or a (name, module or object) pair for one that is not
    installed. `settings` are variables such as `{"PACKHORSE_TASKS_LIMIT": "3"}`, added to those of the test.
    """

    def __call__(self, *plugins: str | tuple[str, object], settings: Mapping[str, str] | None = None) -> PluginHost:
        """Return a loaded host with exactly these plugins."""
        ...


class MakeClient(Protocol):
    """A factory of clients that are connected in memory; the arguments are those of `MakeHost`."""

    def __call__(
        self, *plugins: str | tuple[str, object], settings: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[Client[Any]]:
        """Return a client of a server with exactly these plugins, to be entered with `async with`."""
        ...


class MakeStdioClient(Protocol):
    """A factory of clients of `python -m packhorse serve` in a process of its own, with the named installed plugins."""

    def __call__(
        self, *plugins: str, settings: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[Client[Any]]:
        """Return a client of a server with exactly these plugins, to be entered with `async with`."""
        ...


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of ours on asyncio alone, where anyio would by default add a run on trio, which psycopg lacks."""
    if "anyio_backend" not in metafunc.fixturenames:
        return
    if not any(name.startswith("packhorse_") for name in metafunc.fixturenames):
        return
    definitions = metafunc._arg2fixturedefs.get("anyio_backend", ())  # noqa: SLF001 - no public way to ask whose it is
    if definitions and definitions[-1].func.__module__ == "anyio.pytest_plugin":
        # As a mark, because pytest itself would add the fixture's own parameters to those given directly.
        metafunc.definition.add_marker(pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module"))


@pytest.fixture(scope="session")
def packhorse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """The PostgreSQL server of the test run, with `database()` for further databases.

    Embedded in a temporary folder, or the one that PACKHORSE_TEST_DATABASE_URL names. The workers of pytest-xdist
    share it.
    """
    from pydantic import SecretStr

    from packhorse.database import lease
    from packhorse.settings import CoreSettings
    from packhorse.testing_server import TEST_DATABASE_URL, TestServer, run_name

    url = os.environ.get(TEST_DATABASE_URL)
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    settings = CoreSettings(
        data_dir=folder / "packhorse-server", database_url=SecretStr(url) if url else None, embedded_grace=5.0
    )
    with lease(settings) as address:
        server = TestServer(address, run_name())
        yield server
        server.finish()


@pytest.fixture
def packhorse_environment(packhorse_server: TestServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a `packhorse` process of this test: a fresh database and data folder, no other settings.

    Change it before using `packhorse_settings` or the factories to set variables for the whole test.
    """
    folder = tmp_path / "packhorse"
    folder.mkdir(mode=0o700)
    env_file = folder / "test.env"
    env_file.touch(mode=0o600)
    with packhorse_server.database() as conninfo:
        yield {
            **_neutral_environment(),
            "PACKHORSE_ENV_FILE": str(env_file),  # so that the tester's own file is not read
            "PACKHORSE_DATA_DIR": str(folder),
            "DATABASE_URL": conninfo,
        }


@pytest.fixture
def packhorse_settings(packhorse_environment: dict[str, str]) -> CoreSettings:
    """Core settings with a fresh data folder and a fresh database, which is dropped after the test."""
    from packhorse.settings import load_settings

    return load_settings(_variables(packhorse_environment))


@pytest.fixture
async def packhorse_database(packhorse_settings: CoreSettings) -> AsyncIterator[Database]:
    """An open database with the core's migrations, closed after the test."""
    from packhorse.database import Database

    database = Database(packhorse_settings)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
def packhorse_host(packhorse_environment: dict[str, str]) -> MakeHost:
    """Make hosts with exactly the plugins that a test names, on the test's database.

    What else happens to be installed is not discovered. A named plugin that is not installed is an error.
    """

    def make(*plugins: str | tuple[str, object], settings: Mapping[str, str] | None = None) -> PluginHost:
        from packhorse.plugins import PluginHost
        from packhorse.settings import load_settings

        variables = _variables(packhorse_environment, settings)
        host = PluginHost(load_settings(variables), candidates=_candidates(plugins), variables=variables)
        host.load()
        return host

    return make


@pytest.fixture
def packhorse_client(packhorse_host: MakeHost) -> MakeClient:
    """Make clients connected in memory to a server with exactly the plugins that a test names, all of them started."""

    @asynccontextmanager
    async def make(
        *plugins: str | tuple[str, object], settings: Mapping[str, str] | None = None
    ) -> AsyncIterator[Client[Any]]:
        from fastmcp import Client

        from packhorse.server import build_server

        host = packhorse_host(*plugins, settings=settings)
        async with Client(build_server(host)) as client:
            for settled in list(host.starting.values()):
                await settled.wait()
            yield client

    return make


@pytest.fixture
def packhorse_stdio(packhorse_environment: dict[str, str]) -> MakeStdioClient:
    """Make clients of a real server process, `python -m packhorse serve`, over its standard input and output."""

    @asynccontextmanager
    async def make(*plugins: str, settings: Mapping[str, str] | None = None) -> AsyncIterator[Client[Any]]:
        from fastmcp import Client
        from fastmcp.client.transports import StdioTransport

        distributions = ",".join(candidate.distribution for candidate in _candidates(plugins))
        environment = {**packhorse_environment, "PACKHORSE_PLUGINS": distributions, **(settings or {})}
        transport = StdioTransport(
            sys.executable, ["-m", "packhorse", "serve"], env=environment, keep_alive=False, cwd=str(Path.cwd())
        )
        async with Client(transport) as client:
            yield client

    return make


def _candidates(plugins: tuple[str | tuple[str, object], ...]) -> list[Candidate]:
    from packhorse.discovery import Candidate, discover

    installed = {candidate.name: candidate for candidate in discover()} if plugins else {}
    chosen = []
    for plugin in plugins:
        if isinstance(plugin, str):
            if plugin not in installed:
                raise pytest.UsageError(f"no plugin named {plugin!r} is installed; there are {sorted(installed)}")
            chosen.append(installed[plugin])
        else:
            name, implementation = plugin
            chosen.append(Candidate(name, f"packhorse-{name}", version="0", location="test", plugin=implementation))
    return chosen


def _variables(environment: Mapping[str, str], more: Mapping[str, str] | None = None) -> dict[str, Variable]:
    from packhorse.variables import Variable

    return {name.upper(): Variable(name, value, "test") for name, value in {**environment, **(more or {})}.items()}


def _neutral_environment() -> dict[str, str]:
    from packhorse.settings import CoreSettings

    ours = {field.upper() for field in CoreSettings.unprefixed}
    return {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("PACKHORSE_")}
