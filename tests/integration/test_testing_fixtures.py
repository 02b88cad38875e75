"""Specification of the fixtures that third parties' tests use."""

from __future__ import annotations

import asyncio
import os
import types
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import psycopg
import pytest
from pydantic import Field

from packhorse import hookimpl
from packhorse.settings import PluginSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastmcp import FastMCP

    from packhorse.context import PluginContext
    from packhorse.database import Database
    from packhorse.settings import CoreSettings
    from packhorse.testing import MakeClient, MakeHost, MakeStdioClient
    from packhorse.testing_server import TestServer

pytestmark = pytest.mark.integration


class EchoSettings(PluginSettings):
    """The settings of the plugin below."""

    times: int = 1


class Echo:
    """A plugin that a test defines by itself."""

    @hookimpl
    def register_settings(self) -> type[PluginSettings]:
        return EchoSettings

    @hookimpl
    def register_tools(self, mcp: FastMCP, context: PluginContext) -> None:
        @mcp.tool
        async def echo(text: Annotated[str, Field(description="what to say")]) -> str:
            """Say it."""
            return text * context.settings(EchoSettings).times


async def test_each_test_has_an_open_database_of_its_own(packhorse_database: Database) -> None:
    async with packhorse_database.connection() as connection:
        cursor = await connection.execute(
            "SELECT current_database(), (SELECT count(*) FROM pg_extension WHERE extname = 'vector')"
        )
        row = await cursor.fetchone()
        assert row is not None
        assert row[0].startswith("packhorse_test_")
        assert row[1] == 1
        await connection.execute("CREATE TABLE only_here (id int)")


async def test_what_another_test_created_is_not_there(packhorse_database: Database) -> None:
    async with packhorse_database.connection() as connection:
        cursor = await connection.execute("SELECT to_regclass('only_here')")
        assert await cursor.fetchone() == (None,)


def test_the_settings_are_those_of_the_test_alone(packhorse_settings: CoreSettings, tmp_path: object) -> None:
    assert str(packhorse_settings.data_dir).startswith(str(tmp_path))
    assert packhorse_settings.database_url is not None
    assert packhorse_settings.plugins is None


def test_a_database_is_dropped_when_its_block_ends(packhorse_server: TestServer) -> None:
    with packhorse_server.database(empty=True) as conninfo, psycopg.connect(conninfo) as connection:
        name = connection.info.dbname
        assert connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'vector'").fetchone() == (0,)
    with psycopg.connect(packhorse_server.address.conninfo) as connection:
        found = connection.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [name]).fetchone()
    assert found == (0,)


def test_databases_of_killed_runs_are_dropped_when_they_are_old(packhorse_server: TestServer) -> None:
    from packhorse.testing_server import TestServer

    old, young = "packhorse_test_1000000000_0123456789abcdef", "packhorse_test_99999999999_0123456789abcdef"
    with psycopg.connect(packhorse_server.address.conninfo, autocommit=True) as connection:
        for name in (old, young):
            connection.execute(f"CREATE DATABASE {name}")
        try:
            other_run = TestServer(packhorse_server.address, "0123456789abcdef")
            with other_run.database():
                names = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            other_run.finish()
        finally:
            for name in (old, young):
                connection.execute(f"DROP DATABASE IF EXISTS {name}")
    assert old not in names
    assert young in names


def test_processes_of_one_run_share_the_template(packhorse_server: TestServer) -> None:
    from packhorse.testing_server import TestServer

    one = TestServer(packhorse_server.address, "sharedrun12345678")
    two = TestServer(packhorse_server.address, "sharedrun12345678")
    with one.database(), two.database():
        assert one._template == two._template
    one.finish()


def test_a_host_has_exactly_the_named_plugins(packhorse_host: MakeHost) -> None:
    host = packhorse_host(("echo", Echo()))
    assert [record.name for record in host.records] == ["echo"]
    assert packhorse_host().records == []


def test_an_installed_plugin_is_named_by_its_entry_point(packhorse_host: MakeHost) -> None:
    host = packhorse_host("tasks")
    assert [(record.name, record.distribution) for record in host.records] == [("tasks", "packhorse-tasks")]


def test_a_plugin_that_is_not_installed_is_an_error_of_the_test(packhorse_host: MakeHost) -> None:
    with pytest.raises(pytest.UsageError, match="no plugin named 'nothing'"):
        packhorse_host("nothing")


def test_settings_of_a_test_reach_core_and_plugins(packhorse_host: MakeHost) -> None:
    host = packhorse_host(("echo", Echo()), settings={"PACKHORSE_ECHO_TIMES": "3", "PACKHORSE_DB_DEADLINE": "2"})
    assert host.plugin_settings("echo") == EchoSettings(times=3)
    assert host.core_settings.db_deadline == 2.0


async def test_an_in_memory_client_calls_the_tools(packhorse_client: MakeClient) -> None:
    async with packhorse_client(("echo", Echo()), settings={"PACKHORSE_ECHO_TIMES": "2"}) as client:
        assert [tool.name for tool in await client.list_tools()] == ["echo"]
        assert (await client.call_tool("echo", {"text": "ab"})).data == "abab"


async def test_an_in_memory_client_waits_for_a_plugin_that_starts_slowly(
    packhorse_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packhorse.server.PATIENCE", 0.01)
    started = []

    class Slow:
        @hookimpl
        @asynccontextmanager
        async def plugin_lifespan(self) -> AsyncIterator[None]:
            await asyncio.sleep(0.3)
            started.append("slow")
            yield

    async with packhorse_client(("slow", Slow())):
        assert started == ["slow"]


async def test_a_module_can_be_given_as_a_plugin(packhorse_client: MakeClient) -> None:
    async with packhorse_client(("empty", types.ModuleType("empty"))) as client:
        assert await client.list_tools() == []


async def test_a_stdio_client_talks_to_a_process_of_its_own(packhorse_stdio: MakeStdioClient) -> None:
    async with packhorse_stdio() as client:
        resources = {str(resource.uri) for resource in await client.list_resources()}
    assert "packhorse://health" in resources


def test_the_environment_of_the_tester_is_left_out(packhorse_environment: dict[str, str]) -> None:
    assert "PACKHORSE_TEST_DATABASE_URL" not in packhorse_environment
    assert {name for name in packhorse_environment if name.startswith("PACKHORSE_")} == {
        "PACKHORSE_ENV_FILE",
        "PACKHORSE_DATA_DIR",
    }
    assert packhorse_environment["PATH"] == os.environ["PATH"]


@pytest.mark.slow
def test_tests_of_third_parties_run_on_asyncio_alone(pytester: pytest.Pytester) -> None:
    """A stranger's project needs no backend fixture; tests that do not use ours keep every backend of theirs."""
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\nanyio_mode = "auto"\n')
    pytester.makepyfile(
        """
        async def test_ours(packhorse_settings, anyio_backend_name):
            assert anyio_backend_name == "asyncio"

        async def test_theirs(anyio_backend_name):
            pass

        def test_without_any():
            pass
        """
    )
    result = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["*test_ours[[]asyncio[]] PASSED*"])
    result.stdout.no_fnmatch_line("*test_ours[[]trio[]]*")
    result.stdout.fnmatch_lines(["*test_theirs[[]asyncio[]]*", "*test_without_any PASSED*"])
