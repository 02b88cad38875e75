"""The plugins' lives on the real database: migrations, lifespans, services, in order and torn down in reverse."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import TYPE_CHECKING

import anyio
import pytest
from fastmcp import Client
from loguru import logger

from packhorse import hookimpl
from packhorse.discovery import Candidate, discover
from packhorse.errors import ConfigurationError, DatabaseUnavailableError, PackhorseError
from packhorse.health import Health, HealthCheck, examine, report
from packhorse.plugins import PluginHost
from packhorse.server import build_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from packhorse.settings import CoreSettings

pytestmark = pytest.mark.integration


class Living:
    """A plugin that writes down when it lives, and misbehaves on request."""

    def __init__(self, name: str, events: list[str], *, before: str = "", after: str = "", inside: str = "") -> None:
        self.name, self.events, self.before, self.after, self.inside = name, events, before, after, inside
        self.service: type = type(f"Service{name}", (), {})

    @hookimpl
    def register_tools(self, mcp) -> None:
        @mcp.tool(name=f"use_{self.name}")
        async def use() -> str:
            """Use it."""
            return "used"

    @hookimpl
    def register_instructions(self) -> str:
        return f"Use {self.name}."

    @hookimpl
    def plugin_lifespan(self, context):
        @asynccontextmanager
        async def life():
            await misbehave(self.before)
            self.events.append(f"+{self.name}")
            context.provide(self.service, self.service())
            background = asyncio.create_task(misbehave(self.inside))
            try:
                yield
            finally:
                self.events.append(f"-{self.name}")
                background.cancel()
                await misbehave(self.after)

        return life()


async def misbehave(how: str) -> None:
    if how == "raise":
        raise RuntimeError("as asked")
    if how == "exit":
        raise SystemExit(7)
    if how == "hang":
        await asyncio.sleep(3600)
    if how == "stubborn":
        end = perf_counter() + 60  # longer than the test
        while perf_counter() < end:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.1)


def make_host(settings: CoreSettings, *plugins: Living) -> PluginHost:
    candidates = [Candidate(one.name, f"packhorse-{one.name}", "1.0", "here", plugin=one) for one in plugins]
    host = PluginHost(settings, candidates=candidates, variables={})
    host.start_deadline = host.stop_deadline = 0.3
    host.load()
    return host


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What is logged during the test, a line each."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message}", level="INFO")
    yield lines
    logger.remove(sink)


async def test_plugins_live_in_order_and_are_left_in_reverse(packhorse_settings: CoreSettings, log: list[str]) -> None:
    """Services exist from the lifespan on, and are gone after it; the log lists all that is registered."""
    events: list[str] = []
    a, b = Living("a", events), Living("b", events)
    host = make_host(packhorse_settings, b, a)
    async with Client(build_server(host)) as client:
        assert events == ["+a", "+b"]
        assert isinstance(host.context("a").service(b.service), b.service)
        assert {tool.name for tool in await client.list_tools()} == {"use_a", "use_b"}
    assert events == ["+a", "+b", "-b", "-a"]
    assert host.context("a").find_service(b.service) is None
    with pytest.raises(PackhorseError, match="No running plugin provides Serviceb"):
        host.context("a").service(b.service)
    text = "".join(log)
    assert "a (packhorse-a 1.0, here): use_a" in text
    assert "2 tools registered:" in text
    assert text.index("  - use_a") < text.index("  - use_b")
    with pytest.raises(PackhorseError, match="no open database"):
        host.context("a").database  # noqa: B018 - the access is what is tested


@pytest.mark.parametrize("how", ["raise", "exit", "hang", "stubborn"])
async def test_a_lifespan_that_does_not_start_takes_its_plugin_out(packhorse_settings: CoreSettings, how: str) -> None:
    """Tools, services and instructions of it are gone; the others start; the start takes the deadline at most."""
    events: list[str] = []
    host = make_host(packhorse_settings, Living("bad", events, before=how), Living("good", events))
    server = build_server(host)
    start = perf_counter()
    async with Client(server) as client:
        assert [tool.name for tool in await client.list_tools()] == ["use_good"]
        assert perf_counter() - start < 5
        assert "Use good." in (server.instructions or "")
        assert "Use bad." not in (server.instructions or "")
        findings = {(one.plugin, one.name): one for one in (await report(host)).findings}
        assert findings["core", "plugins"].status == "failed"
        assert "bad" in findings["core", "plugins"].summary
        assert findings["core", "database"].status == "ok", findings
    assert events == ["+good", "-good"]
    assert (host.record("bad").status, host.record("good").status) == ("failed", "loaded")


@pytest.mark.parametrize("how", ["raise", "exit", "hang", "stubborn"])
async def test_a_lifespan_that_does_not_stop_well_holds_nobody_up(packhorse_settings: CoreSettings, how: str) -> None:
    """Those entered before it are left all the same, and the database is closed."""
    events: list[str] = []
    host = make_host(packhorse_settings, Living("first", events), Living("last", events, after=how))
    async with host.running():
        assert events == ["+first", "+last"]
        start = perf_counter()
    assert events == ["+first", "+last", "-last", "-first"]
    assert perf_counter() - start < 5
    assert not host.is_running


class Failing(Living):
    """A plugin whose task group fails while the server runs."""

    @hookimpl
    def plugin_lifespan(self):
        @asynccontextmanager
        async def life():
            async with asyncio.TaskGroup() as group:
                group.create_task(misbehave("raise"))
                yield

        return life()


async def test_background_work_that_fails_is_reported_and_stops_nothing(
    packhorse_settings: CoreSettings,
) -> None:
    """A task group in a lifespan cancels its own task, not the server's."""
    host = make_host(packhorse_settings, Failing("bad", []), Living("good", []))
    async with Client(build_server(host)) as client:
        await asyncio.sleep(0.05)
        assert (await client.call_tool("use_good")).data == "used"
        findings = {(one.plugin, one.name): one for one in (await report(host)).findings}
        assert findings["bad", "background work"].status == "failed"


async def test_a_broken_migration_takes_its_plugin_out(
    packhorse_settings: CoreSettings, install: Callable[..., Path]
) -> None:
    """The record says which file failed, and the other plugins go on."""
    site = install("packhorse-good", "packhorse-bad-migration")
    host = PluginHost(
        packhorse_settings, candidates=[one for one in discover() if one.location == str(site)], variables={}
    )
    host.load()
    async with Client(build_server(host)) as client:
        assert [tool.name for tool in await client.list_tools()] == ["greet"]
    assert host.record("bad_migration").status == "failed"
    assert "0001_broken" in host.record("bad_migration").error


async def test_an_unreachable_database_fails_the_start_with_one_sentence(packhorse_settings: CoreSettings) -> None:
    """Nothing is entered, and the examination says the same without raising."""
    events: list[str] = []
    settings = packhorse_settings.model_validate(
        {**packhorse_settings.model_dump(), "database_url": "postgresql://nobody@127.0.0.1:1/none", "db_deadline": 2}
    )
    host = make_host(settings, Living("one", events))
    with pytest.raises(DatabaseUnavailableError):
        async with host.running():
            raise AssertionError
    assert events == []
    findings = {one.name: one for one in (await examine(host)).findings}
    assert findings["database"].status == "failed"
    assert findings["disk"].status in {"ok", "warning"}


def test_a_command_runs_with_everything_started(packhorse_settings: CoreSettings) -> None:
    """`context.run` gives the database and the services, and says why when its own plugin could not start."""
    events: list[str] = []
    host = make_host(packhorse_settings, Living("good", events), Living("bad", events, before="raise"))

    async def main() -> int:
        async with host.database.connection() as connection:
            row = await (await connection.execute("SELECT 40 + 2")).fetchone()
        assert row is not None
        return int(row[0])

    good, bad = host.context("good"), host.context("bad")
    assert good.run(main) == 42
    with pytest.raises(PackhorseError, match="as asked"):
        bad.run(main)
    assert events == ["+good", "-good", "+good", "-good"]


def test_a_stubborn_plugin_does_not_keep_the_process(packhorse_settings: CoreSettings) -> None:
    """The end of the event loop does not wait for what ignores its cancellation."""

    async def main() -> None:
        return None

    host = make_host(packhorse_settings, Living("starts", [], before="stubborn"), Living("stops", [], after="stubborn"))
    start = perf_counter()
    host.run(main)
    assert perf_counter() - start < 20


async def test_strict_fails_the_start_when_a_lifespan_does(packhorse_settings: CoreSettings) -> None:
    """Also what only shows while starting counts for PACKHORSE_STRICT."""
    settings = packhorse_settings.model_validate({**packhorse_settings.model_dump(), "strict": True})
    host = make_host(settings, Living("bad", [], before="raise"))
    with pytest.raises(ConfigurationError, match="as asked"):
        async with host.running():
            raise AssertionError
    assert not host.is_running


class Checked(Living):
    """A plugin with checks of every sort."""

    @hookimpl
    def check_health(self):
        async def fine() -> Health:
            return Health("ok", "fine")

        async def leaves() -> Health:
            raise SystemExit(1)

        async def hangs() -> Health:
            await asyncio.sleep(3600)
            raise AssertionError

        return [HealthCheck("fine", fine), HealthCheck("leaves", leaves), HealthCheck("hangs", hangs)]


async def test_every_check_is_run_at_once_under_a_deadline(
    packhorse_settings: CoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that raises or hangs is a finding; the status is the worst."""
    monkeypatch.setattr("packhorse.health.DEADLINE", 0.5)
    host = make_host(packhorse_settings, Checked("one", []))
    start = perf_counter()
    answer = await examine(host)
    assert perf_counter() - start < 10
    assert answer.status == "failed"
    by_name = {one.name: one for one in answer.findings}
    assert by_name["fine"].status == "ok"
    assert "sys.exit(1)" in by_name["leaves"].summary
    assert "No answer within 0.5 seconds" in by_name["hangs"].summary
    assert answer.as_dict()["checks"][0]["name"] == "database"


class Unhealthy(Living):
    """A plugin whose checks are wrong in themselves."""

    @hookimpl
    def check_health(self):
        async def returns_nothing() -> None:
            return None

        async def raises_on_purpose() -> Health:
            raise PackhorseError("The service is away.", remedy="Call it back.")

        return [HealthCheck("nothing", returns_nothing), HealthCheck("away", raises_on_purpose), "no check"]


class Uncheckable(Living):
    """A plugin that cannot even list its checks."""

    @hookimpl
    def check_health(self):
        raise ValueError("no checks today")


async def test_wrong_checks_are_findings(packhorse_settings: CoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a plugin returns or raises, the report is complete."""
    host = make_host(packhorse_settings, Unhealthy("one", []), Uncheckable("two", []))
    monkeypatch.setattr("packhorse.health.SLOW", 0.0)
    monkeypatch.setattr("packhorse.health.LITTLE_SPACE", 1e18)
    host.warnings.append("PACKHORSE_BLOCK names 'x', which is not installed.")
    answer = await examine(host)
    found = {(one.plugin, one.name): one for one in answer.findings}
    assert "NoneType instead of a Health" in found["one", "nothing"].summary
    assert (found["one", "away"].summary, found["one", "away"].remedy) == ("The service is away.", "Call it back.")
    assert "no checks today" in found["two", "check_health"].summary
    assert found["core", "database"].status == "warning"
    assert found["core", "disk"].status == "warning"
    assert found["core", "plugins"].status == "warning"
    monkeypatch.setattr("packhorse.health.NO_SPACE", 1e18)
    outside = {one.name: one for one in (await report(host)).findings}
    assert outside["disk"].status == "failed"
    assert "not open" in outside["database"].summary
    async with host.running(), host.running(), host.database.connection() as connection:
        await connection.execute("DROP EXTENSION vector CASCADE")
    async with host.running():
        assert host.is_running


async def test_a_start_that_is_cancelled_leaves_nothing_running(packhorse_settings: CoreSettings) -> None:
    """A client that vanishes while a plugin starts: what was entered is left, the database closed."""
    events: list[str] = []
    host = make_host(packhorse_settings, Living("first", events), Living("hangs", events, before="hang"))
    host.start_deadline = 60

    async def start() -> None:
        async with host.running():
            raise AssertionError

    task = asyncio.create_task(start())
    while events != ["+first"]:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["+first", "-first"]
    assert not host.is_running
    assert [one for one in asyncio.all_tasks() if one.get_name().startswith("packhorse-plugin")] == []


async def test_a_server_in_a_cancelled_scope_still_stops_its_plugins(packhorse_settings: CoreSettings) -> None:
    """Scopes cancel every further wait; the teardown is shielded from that."""
    events: list[str] = []
    host = make_host(packhorse_settings, Living("one", events))
    with anyio.CancelScope() as scope:
        async with host.running():
            scope.cancel()
            await anyio.sleep(1)
    assert events == ["+one", "-one"]
    assert not host.is_running


class Odd(Living):
    """A plugin whose lifespan is over before it began."""

    @hookimpl
    def plugin_lifespan(self):
        class Never:
            async def __aenter__(self) -> None:
                raise asyncio.CancelledError

            async def __aexit__(self, *_: object) -> None: ...

        return Never()


async def test_a_lifespan_that_cancels_itself_is_the_plugins_failure(packhorse_settings: CoreSettings) -> None:
    """It is not taken for the cancellation of the server."""
    host = make_host(packhorse_settings, Odd("odd", []), Living("good", []))
    async with host.running():
        assert host.record("odd").status == "failed"
        assert host.record("good").status == "loaded"
