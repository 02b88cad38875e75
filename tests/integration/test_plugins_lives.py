"""Lives beside each other: who waits for whom, what a late one means, and whose fault a missing database is."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING

import psycopg
import pytest
from fastmcp import Client

from fix_packs import write_metadata
from packhorse import hookimpl
from packhorse.discovery import Candidate
from packhorse.errors import ConfigurationError, DatabaseError, PackhorseError
from packhorse.plugins import PluginHost
from packhorse.server import build_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from packhorse.settings import CoreSettings

pytestmark = pytest.mark.integration


class Living:
    """A plugin that takes its time to start, and writes down when it lives."""

    def __init__(self, events: list[str], name: str, seconds: float = 0.0, *, fails: bool = False) -> None:
        self.events, self.name, self.seconds, self.fails = events, name, seconds, fails

    @hookimpl
    def register_tools(self, mcp) -> None:
        @mcp.tool(name=f"use_{self.name}")
        async def use() -> str:
            """Use it."""
            return "used"

        @mcp.resource(f"{self.name}://it", name=f"it_{self.name}")
        async def it() -> str:
            """Read it."""
            return "read"

        @mcp.prompt(name=f"ask_{self.name}")
        async def ask() -> str:
            """Ask it."""
            return "asked"

    @hookimpl
    def plugin_lifespan(self):
        @asynccontextmanager
        async def life():
            await asyncio.sleep(self.seconds)
            if self.fails:
                raise RuntimeError("as asked")
            self.events.append(f"+{self.name}")
            yield
            self.events.append(f"-{self.name}")

        return life()


def host_of(settings: CoreSettings, *plugins: object, requires: dict[str, tuple[str, ...]] | None = None) -> PluginHost:
    candidates = [
        Candidate(
            one.name, f"packhorse-{one.name}", "1.0", "here", plugin=one, requires=(requires or {}).get(one.name, ())
        )
        for one in plugins
    ]
    host = PluginHost(settings, candidates=candidates, variables={})
    host.load()
    return host


async def test_independent_plugins_start_beside_each_other(packhorse_settings: CoreSettings) -> None:
    """Together they take as long as the slowest."""
    events: list[str] = []
    host = host_of(packhorse_settings, *(Living(events, name, 0.5) for name in "abcde"))
    async with host.running():
        start = perf_counter()
    async with host.running():
        assert perf_counter() - start < 2
    assert events[:5] == ["+a", "+b", "+c", "+d", "+e"]
    assert events[5:10] == ["-e", "-d", "-c", "-b", "-a"]


@pytest.fixture
def installed(site: Path) -> None:
    """Metadata of the distributions that requirements name, so that they count as installed."""
    for name in "abc":
        write_metadata(site / f"packhorse_{name}-1.0.dist-info", name=f"packhorse-{name}")


@pytest.mark.usefixtures("installed")
async def test_a_plugin_starts_after_those_that_it_requires_or_can_use(packhorse_settings: CoreSettings) -> None:
    """An extra says that it can; they are left the other way round."""
    events: list[str] = []
    needs = {"a": ("packhorse-c ; extra == 'more'",), "c": ("packhorse-b",)}
    plugins = [Living(events, "a"), Living(events, "b", 0.2), Living(events, "c", 0.1)]
    async with host_of(packhorse_settings, *plugins, requires=needs).running():
        assert events == ["+b", "+c", "+a"]
    assert events[3:] == ["-a", "-c", "-b"]


@pytest.mark.usefixtures("installed")
async def test_a_circle_of_requirements_harms_nobody(packhorse_settings: CoreSettings) -> None:
    """One of them is the first."""
    events: list[str] = []
    needs = {"a": ("packhorse-b ; extra == 'x'",), "b": ("packhorse-a ; extra == 'x'",)}
    async with host_of(packhorse_settings, Living(events, "a"), Living(events, "b"), requires=needs).running():
        assert sorted(events) == ["+a", "+b"]


@pytest.mark.usefixtures("installed")
async def test_what_requires_a_plugin_that_fails_late_goes_with_it(packhorse_settings: CoreSettings) -> None:
    """While the server serves; its tools say why."""
    events: list[str] = []
    needs = {"b": ("packhorse-a",)}
    host = host_of(packhorse_settings, Living(events, "a", 1.3, fails=True), Living(events, "b"), requires=needs)
    async with Client(build_server(host)) as client:
        assert sorted(host.starting) == ["a", "b"]
        answer = await client.call_tool("use_b", raise_on_error=False)
        assert "could not start" in answer.content[0].text
        assert "packhorse-b needs packhorse-a, which is not loaded: " in answer.content[0].text
    assert {record.status for record in host.records} == {"failed", "incompatible"}
    assert events == []


async def test_requests_wait_for_a_late_plugin_and_then_say_so(
    packhorse_settings: CoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tools, resources and prompts alike; who is patient is served."""
    events: list[str] = []
    host = host_of(packhorse_settings, Living(events, "late", 2.5), Living(events, "swift"))
    start = perf_counter()
    async with Client(build_server(host)) as client:
        assert perf_counter() - start < 2.3
        assert (await client.call_tool("use_swift")).data == "used"
        with monkeypatch.context() as impatient:
            impatient.setattr("packhorse.containment.LATE_SECONDS", 0.05)
            answer = await client.call_tool("use_late", raise_on_error=False)
            assert "The plugin late is still starting" in answer.content[0].text
            for ask in (lambda: client.read_resource("late://it"), lambda: client.get_prompt("ask_late")):
                with pytest.raises(Exception, match="The plugin late is still starting"):
                    await ask()
        assert (await client.call_tool("use_late")).data == "used"
        assert host.starting == {}


async def test_a_strict_server_waits_for_every_plugin(packhorse_settings: CoreSettings) -> None:
    """It refuses to start when a late one fails, instead of finding out while it serves."""
    settings = packhorse_settings.model_validate({**packhorse_settings.model_dump(), "strict": True})
    host = host_of(settings, Living([], "late", 1.5, fails=True))
    with pytest.raises(Exception, match="as asked"):
        async with Client(build_server(host)):
            raise AssertionError


def test_a_command_waits_for_its_own_plugin_only(packhorse_settings: CoreSettings) -> None:
    """However late it is; a plugin that hangs delays another one's command by a second."""
    events: list[str] = []
    host = host_of(packhorse_settings, Living(events, "late", 1.5), Living(events, "never", 60))

    async def main() -> list[str]:
        return list(events)

    start = perf_counter()
    assert host.run(main, plugin="late") == ["+late"]
    assert perf_counter() - start < 6
    with pytest.raises(PackhorseError, match="nobody could not start"):
        host.run(main, plugin="nobody")


class Migrating(Living):
    """A plugin with one migration, which may do something to the database first."""

    def __init__(self, folder: Path, name: str, sql: str, before: Callable[[], None] = lambda: None) -> None:
        super().__init__([], name)
        self.folder, self.before = folder, before
        folder.mkdir()
        (folder / "0001_first.sql").write_text(sql)

    @hookimpl
    def register_migrations(self):
        self.before()
        return self.folder


async def test_a_database_that_goes_away_while_plugins_migrate_fails_the_start(
    packhorse_settings: CoreSettings, tmp_path: Path
) -> None:
    """It is no plugin's fault."""
    assert packhorse_settings.database_url is not None
    address = packhorse_settings.database_url.get_secret_value()

    def close_database() -> None:
        with psycopg.connect(address) as connection:
            name = connection.info.dbname
        with psycopg.connect(address, dbname="postgres", autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    settings = packhorse_settings.model_validate({**packhorse_settings.model_dump(), "db_deadline": 3.0})
    host = host_of(settings, Migrating(tmp_path / "sql", "one", "CREATE TABLE t ();", close_database))
    with pytest.raises(DatabaseError):
        async with host.running():
            raise AssertionError
    assert host.record("one").loaded


async def test_a_migration_that_ends_its_own_connection_is_its_plugins_failure(
    packhorse_settings: CoreSettings, tmp_path: Path
) -> None:
    """The database is there for everybody else."""
    sql = "SELECT pg_terminate_backend(pg_backend_pid());"
    host = host_of(packhorse_settings, Migrating(tmp_path / "sql", "bad", sql), Living([], "good"))
    async with host.running():
        assert host.record("good").loaded
        assert host.record("bad").status == "failed"


async def test_a_migrations_folder_that_is_none_is_its_plugins_failure(packhorse_settings: CoreSettings) -> None:
    """Whatever the hook returns."""

    class Odd(Living):
        @hookimpl
        def register_migrations(self):
            return 7

    host = host_of(packhorse_settings, Odd([], "odd"), Living([], "good"))
    async with host.running():
        assert "AttributeError" in host.record("odd").error
        assert host.record("good").loaded


def test_a_wrong_configuration_stops_before_anything_starts(packhorse_settings: CoreSettings) -> None:
    """Nothing is entered that would have to be left."""
    host = host_of(packhorse_settings, Living([], "one"))
    host._misconfigured.append(ConfigurationError("PACKHORSE_X is wrong."))
    with pytest.raises(ConfigurationError, match="PACKHORSE_X"):
        host.run(asyncio.sleep)
