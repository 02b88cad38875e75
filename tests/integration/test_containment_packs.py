"""Plugins that harm while they run, each a real distribution: the others go on, and a reader learns who and why."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from loguru import logger

from fix_packs import PACKS
from packhorse.health import report
from packhorse.server import build_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from fix_process import RawServer
    from packhorse.plugins import PluginHost
    from packhorse.settings import CoreSettings

pytestmark = pytest.mark.integration

GOOD = "packhorse-good"


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What is logged during the test."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message}", level="INFO")
    yield lines
    logger.remove(sink)


@pytest.fixture
def evil(
    pack_host: Callable[..., PluginHost], packhorse_settings: CoreSettings
) -> Callable[..., tuple[PluginHost, Any]]:
    """Make a host of the good pack and of others on a real database."""

    def make(*packs: str, **core: object) -> PluginHost:
        settings = packhorse_settings.model_validate({**packhorse_settings.model_dump(), **core})
        return pack_host(GOOD, *(f"packhorse-{pack}" for pack in packs), settings=settings)

    return make


@asynccontextmanager
async def serving(host: PluginHost, *, delay: float = 1.0) -> AsyncIterator[Client[Any]]:
    """Serve, and look at the end that what must not suffer did not: the core's resources and the good pack's tool.

    Args:
        host: the host to serve.
        delay: seconds that the start may take beyond what it takes without plugins that misbehave.
    """
    server = build_server(host)
    start = perf_counter()
    async with Client(server) as client:
        assert perf_counter() - start < delay + 2.0  # the database, on a machine that others use too
        yield client
        assert (await client.call_tool("greet", {"name": "Ada"})).data == "Hello, Ada!"
        plugins = json.loads((await client.read_resource("packhorse://plugins"))[0].text)
        assert {record["name"] for record in plugins} == {record.name for record in host.records}
        assert json.loads((await client.read_resource("packhorse://config"))[0].text)


async def text_of(client: Client[Any], tool: str, **arguments: object) -> str:
    answer = await client.call_tool(tool, arguments, raise_on_error=False)
    return answer.content[0].text


async def test_a_slow_import_is_shown_for_what_it_costs(evil: Callable[..., PluginHost], log: list[str]) -> None:
    """It is let go on while it works; the record and the log say who delays every start."""
    host = evil("slow-import")
    async with serving(host) as client:
        assert await text_of(client, "arrive") == "here"
    record = host.record("slow_import")
    assert record.import_seconds > 1
    assert record.as_dict()["import_seconds"] > 1
    assert "every start waits for" in record.notes[0]
    assert any("The import of the plugin slow_import" in line for line in log)


async def test_hidden_characters_in_a_description_are_refused(evil: Callable[..., PluginHost]) -> None:
    """An agent would read what a person cannot see; the reason names the characters."""
    host = evil("poisoned")
    async with serving(host) as client:
        assert [tool.name for tool in await client.list_tools()] == ["greet"]
    record = host.record("poisoned")
    assert "U+200B, U+E0041, U+E0042, U+202E" in record.error
    assert "the description of the tool 'add'" in record.error
    assert "PACKHORSE_BLOCK=packhorse-poisoned" in record.remedy


async def test_orders_in_a_description_are_noted_but_not_refused(
    evil: Callable[..., PluginHost], log: list[str]
) -> None:
    """No program can tell an attack from a scanner's honest text, so a person is told."""
    host = evil("persuasive")
    async with serving(host) as client:
        assert await text_of(client, "multiply", a=6, b=7) == "42"
    notes = " ".join(host.record("persuasive").notes)
    assert "gives the agent orders" in notes
    assert "names tools of other plugins: greet" in notes
    assert any("gives the agent orders" in line for line in log)


async def test_hung_synchronous_tools_take_only_their_own_plugins_threads(evil: Callable[..., PluginHost]) -> None:
    """200 calls: those beyond the plugin's threads fail at once, all others at the deadline, and nobody else waits."""
    host = evil("hung", tool_deadline=2.0)
    async with serving(host) as client:
        calls = [asyncio.create_task(text_of(client, "hang")) for _ in range(200)]
        await asyncio.sleep(0.3)
        assert "All 40 threads of the plugin hung are busy" in await text_of(client, "quick")
        start = perf_counter()
        assert await text_of(client, "greet", name="Ada") == "Hello, Ada!"
        assert perf_counter() - start < 1
        answers = await asyncio.gather(*calls)
        assert sum("All 40 threads" in answer for answer in answers) == 160
        assert sum("hang of the plugin hung did not answer within 2 seconds" in answer for answer in answers) == 40
        sys.modules["packhorse_hung"].released.set()
        await asyncio.sleep(0.3)
        assert "hang of the plugin hung failed" in await text_of(client, "hang")  # its circuit is open
        assert await text_of(client, "quick") == "quick"


async def test_a_blocked_event_loop_is_named(evil: Callable[..., PluginHost], log: list[str]) -> None:
    """Nothing in the process can end the blocking; the log has the plugin, the tool and the line."""
    host = evil("blocker")
    async with serving(host) as client:
        assert await text_of(client, "block", seconds=2.2) == "awake"
        await asyncio.sleep(0.6)
        found = next(line for line in log if "The event loop is blocked by the plugin blocker" in line)
        assert "packhorse-call-blocker-block" in found
        assert "time.sleep(seconds)" in found
        assert any("was blocked by the plugin blocker" in line for line in log)
        findings = {(one.plugin, one.name): one for one in (await report(host)).findings}
        assert findings["blocker", "event loop"].status == "warning"


async def test_a_tool_that_ignores_its_cancellation_is_answered_for(evil: Callable[..., PluginHost]) -> None:
    """At the deadline, whatever it does."""
    host = evil("stubborn", tool_deadline=0.5)
    async with serving(host) as client:
        start = perf_counter()
        text = await text_of(client, "insist")
        assert "insist of the plugin stubborn did not answer within 0.5 seconds and was given up" in text
        assert perf_counter() - start < 3
        sys.modules["packhorse_stubborn"].released.set()
        await asyncio.sleep(0.05)


async def test_what_is_no_text_and_what_ends_a_process_is_answered(
    evil: Callable[..., PluginHost], log: list[str]
) -> None:
    """With an error id, call after call."""
    host = evil("surrogate", "interrupter")
    async with serving(host) as client:
        for tool in ("name_of_file", "interrupt", "interrupt_in_thread", "leave"):
            assert "failed unexpectedly (error id" in await text_of(client, tool)
    assert any("KeyboardInterrupt" in line for line in log)


@pytest.mark.parametrize("how", ["cancel", "close", "fall", "deep", "flood"])
async def test_what_nobody_expects_is_answered(evil: Callable[..., PluginHost], how: str) -> None:
    """A cancellation of its own making, endless recursion, an answer of no use to anyone: the client is told."""
    host = evil("unruly")
    async with serving(host) as client:
        told = await text_of(client, "misbehave", how=how)
        assert ("answered with 20 MB" if how == "flood" else "failed unexpectedly (error id") in told


async def test_a_migration_into_a_foreign_schema_takes_its_plugin_out(evil: Callable[..., PluginHost]) -> None:
    """Nothing of it is kept, and the record says what it reached for."""
    host = evil("trespasser")
    async with serving(host) as client:
        assert [tool.name for tool in await client.list_tools()] == ["greet"]
        async with host.database.connection() as connection:
            cursor = await connection.execute("SELECT to_regclass('public.not_mine'), to_regclass('trespasser.mine')")
            assert await cursor.fetchone() == (None, None)
    record = host.record("trespasser")
    assert (record.status, "reaches outside of the schema" in record.error) == ("failed", True)
    assert "public.not_mine" in record.error
    assert "only its own schema" in record.remedy


async def test_hanging_lifespans_delay_the_start_together_by_one_second(
    evil: Callable[..., PluginHost], log: list[str]
) -> None:
    """Their tools wait for them, and go with them when they are given up; a later call says why."""
    host = evil("hangs", "stillborn", "stubborn")
    host.start_deadline = 2.5
    async with serving(host) as client:
        assert list(host.starting) == ["hangs"]
        assert "wait_for_it" in {tool.name for tool in await client.list_tools()}
        findings = {(one.plugin, one.name): one for one in (await report(host)).findings}
        assert findings["hangs", "start"].status == "warning"
        assert "not ready after 2.5 seconds" in await text_of(client, "wait_for_it")
        assert "wait_for_it" not in {tool.name for tool in await client.list_tools()}
        text = await text_of(client, "wait_for_it")
        assert "wait_for_it is gone with its plugin" in text
        assert "not ready after 2.5 seconds" in text
    assert "no life in it" in host.record("stillborn").error
    assert any("The plugin hangs is not ready yet" in line for line in log)


def test_all_of_them_together_delay_the_start_by_less_than_a_second_each(
    raw_server: Callable[..., RawServer], install: Callable[..., Any], packhorse_environment: dict[str, str], tmp_path
) -> None:
    """A real server with every pack there is: the good tools and the core's resources are served, reasons are shown."""
    packs = sorted(path.name for path in PACKS.iterdir() if path.is_dir())
    site = install(*packs)
    environment = {**packhorse_environment, "PYTHONPATH": str(site)}

    def seconds(**more: str) -> float:
        start = perf_counter()
        server = raw_server(environment={**environment, **more}).initialize()
        taken = perf_counter() - start
        assert server.call("greet", name="Ada")["content"][0]["text"] == "Hello, Ada!"
        answer = server.request("resources/read", {"uri": "packhorse://plugins"})
        records = json.loads(answer["result"]["contents"][0]["text"])
        out = [record for record in records if record["status"] not in {"loaded", "blocked"}]
        assert all(record["error"] and record["remedy"] for record in out)
        assert more or len(out) > 20
        server.kill()
        return taken

    alone = min(seconds(PACKHORSE_PLUGINS="packhorse-good") for _ in range(2))
    assert seconds() - alone < 0.5 * len(packs)


def test_noise_reaches_neither_the_protocol_nor_another_plugins_name(
    raw_server: Callable[..., RawServer], install: Callable[..., Any], packhorse_environment: dict[str, str], tmp_path
) -> None:
    """From Python, C and a child, at import and in a call; the log has it, each line under who wrote it."""
    site = install(GOOD, "packhorse-noisy")
    environment = {
        **packhorse_environment,
        "PYTHONPATH": str(site),
        "PACKHORSE_PLUGINS": "packhorse-good,packhorse-noisy",
    }
    server = raw_server(environment=environment).initialize()
    assert server.call("shout")["content"][0]["text"] == "shouted"
    assert server.call("greet", name="Ada")["content"][0]["text"] == "Hello, Ada!"
    server.close_stdin()
    assert server.end() == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in server.lines)
    text = "".join(path.read_text() for path in (tmp_path / "packhorse" / "logs").glob("*.log"))
    for what in ("print", "the original stdout", "the descriptor", "C", "a child"):
        for when in ("imported", "called"):
            assert f"noise of {what}, {when}" in text, (what, when)
    own = next(line for line in text.splitlines() if "a line of its own, called" in line)
    assert " packhorse_noisy:" in own
    context = next(line for line in text.splitlines() if "a line of its context" in line)
    assert "plugin=noisy" in context


def test_logging_that_a_plugin_made_its_own_is_taken_back(
    raw_server: Callable[..., RawServer], install: Callable[..., Any], packhorse_environment: dict[str, str], tmp_path
) -> None:
    """A sink on standard error would otherwise log what is drained from there, and drain what it logs, without end."""
    site = install(GOOD, "packhorse-hijacker")
    environment = {**packhorse_environment, "PYTHONPATH": str(site), "PACKHORSE_PLUGINS": "good,hijacker"}
    server = raw_server(environment=environment).initialize()
    assert server.call("note")["content"][0]["text"] == "noted"
    plugins = server.request("resources/read", {"uri": "packhorse://plugins"})
    assert "took the server's log away" in json.dumps(plugins)
    server.close_stdin()
    assert server.end() == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in server.lines)
    text = "".join(path.read_text() for path in (tmp_path / "packhorse" / "logs").glob("*.log"))
    assert text.count("a line of loguru's") == text.count("a line of the standard library's") == 1
    assert text.count("a line while it was imported") <= 1
    assert "more lines of stray output were left out" not in text
