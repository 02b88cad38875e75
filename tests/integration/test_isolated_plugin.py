"""The isolated tier: a plugin in a process of its own, which may die, hang or pry without harm to the host."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError

from packhorse.errors import PackhorseError
from packhorse.health import report
from packhorse.instructions import compose
from packhorse.isolated import process as processes
from packhorse.middleware import META
from packhorse.server import build_server
from packhorse.variables import Variable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from packhorse.plugins import PluginHost
    from packhorse.settings import CoreSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def isolated_host(pack_host: Callable[..., PluginHost], packhorse_settings: CoreSettings) -> Callable[..., PluginHost]:
    """Make a host of packs of which the named ones are isolated."""

    def make(*packs: str, isolated: tuple[str, ...], **more: object) -> PluginHost:
        settings = packhorse_settings.model_validate({**packhorse_settings.model_dump(), "isolated": isolated, **more})
        return pack_host(*packs, settings=settings)

    return make


@asynccontextmanager
async def serving(host: PluginHost) -> AsyncIterator[Client[Any]]:
    async with Client(build_server(host)) as client:
        yield client


async def text_of(client: Client[Any], tool: str, **arguments: object) -> str:
    answer = await client.call_tool(tool, arguments, raise_on_error=False)
    return answer.content[0].text


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.05)
    assert condition()


async def test_an_isolated_plugin_offers_all_that_it_has_under_its_own_names(
    isolated_host: Callable[..., PluginHost],
) -> None:
    """Tools with schemas and annotations, resources, prompts, instructions; expected errors word for word."""
    host = isolated_host("packhorse-good", "packhorse-segfault", isolated=("packhorse-segfault",))
    async with serving(host) as client:
        record = host.record("segfault")
        assert record.isolated
        assert record.as_dict()["isolated"] is True
        assert not host.record("good").isolated
        tools = {tool.name: tool for tool in await client.list_tools()}
        assert set(tools) == {"greet", "crash", "seize", "linger", "environment", "find", "read_database", "count"}
        assert tools["crash"].annotations is not None
        assert tools["crash"].annotations.read_only_hint is True
        assert tools["find"].input_schema["properties"]["name"]["type"] == "string"
        assert record.resources == ["segfault://of/{what}", "segfault://static"]
        answer = await client.call_tool("environment")
        assert answer.data["pid"] != str(os.getpid())
        assert answer.data["word"] == "well"
        refusal = await client.call_tool("find", {"name": "rose"}, raise_on_error=False)
        assert refusal.content[0].text == "There is no rose. Look elsewhere."
        assert refusal.meta[META]["code"] == "not_found"
        assert "name is required" in await text_of(client, "find")
        assert (await client.read_resource("segfault://static"))[0].text == "static"
        assert (await client.read_resource("segfault://of/horses"))[0].text == "of horses"
        prompt = await client.get_prompt("beg", {"whom": "host"})
        assert prompt.messages[0].content.text == "Please, host."
        with pytest.raises(MCPError):
            await client.get_prompt("beg", {})
        assert "Ask segfault for trouble." in compose(host)
        finding = {(one.plugin, one.name): one for one in (await report(host)).findings}["segfault", "process"]
        assert finding.status == "ok"
    with pytest.raises(ProcessLookupError):
        os.kill(int(answer.data["pid"]), 0)


async def test_progress_comes_through(isolated_host: Callable[..., PluginHost]) -> None:
    """From the plugin's process to the client of the host."""
    host = isolated_host("packhorse-segfault", isolated=("segfault",))
    seen: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    async with Client(build_server(host)) as client:
        assert (await client.call_tool("count", progress_handler=note)).data == "counted"
        await until(lambda: len(seen) == 2)
    assert seen == [(1, 2, "at 1"), (2, 2, "at 2")]


def test_a_command_starts_no_process(isolated_host: Callable[..., PluginHost]) -> None:
    """Nobody can call the plugin's tools from there."""
    host = isolated_host("packhorse-segfault", isolated=("segfault",))

    async def main() -> object:
        return host.objects["segfault"].process.wire

    assert host.run(main) is None


def test_the_processes_program_says_what_it_is_for() -> None:
    """To somebody who starts it by hand."""
    done = subprocess.run([sys.executable, "-m", "packhorse.isolated"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "packhorse serve" in done.stderr


async def test_its_environment_has_nothing_that_opens_the_database(
    isolated_host: Callable[..., PluginHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the usual names nor under a name of somebody's own, and no other plugin's settings."""
    address = "postgresql://me:hunter2@db/app"
    for name in ("DATABASE_URL", "PACKHORSE_DATABASE_URL", "SOMEBODYS_DSN", "PACKHORSE_HTTP_TOKEN"):
        monkeypatch.setenv(name, address)
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    monkeypatch.setenv("PACKHORSE_GOOD_SECRET", "hunter2")
    monkeypatch.setenv("HARMLESS", "kept")
    host = isolated_host("packhorse-good", "packhorse-segfault", isolated=("segfault",))
    async with serving(host) as client:
        given = (await client.call_tool("environment")).data
        assert "hunter2" not in json.dumps(given)
        assert given["HARMLESS"] == "kept"
        assert given["PACKHORSE_DATA_DIR"].endswith("isolated/segfault")
        assert "isolated plugin has no access to the database" in await text_of(client, "read_database")


async def test_a_segfault_is_answered_and_the_plugin_comes_back(isolated_host: Callable[..., PluginHost]) -> None:
    """The host and the other plugin go on; the next process answers."""
    host = isolated_host("packhorse-good", "packhorse-segfault", isolated=("segfault",))
    async with serving(host) as client:
        first = (await client.call_tool("environment")).data["pid"]
        waiting = asyncio.create_task(text_of(client, "linger"))
        await asyncio.sleep(0.2)
        assert "ended before it answered (killed by SIGSEGV)" in await text_of(client, "crash")
        assert "killed by SIGSEGV" in await waiting
        assert await text_of(client, "greet", name="Ada") == "Hello, Ada!"
        await until(lambda: host.objects["segfault"].process.restarts == 1)
        second = (await client.call_tool("environment")).data["pid"]
        assert second != first
        finding = {(one.plugin, one.name): one for one in (await report(host)).findings}["segfault", "process"]
        assert (finding.status, "started again 1 times" in finding.summary) == ("warning", True)
        os.kill(int(second), signal.SIGKILL)
        await until(lambda: bool(host.objects["segfault"].process.problem))
        assert "SIGKILL" in host.objects["segfault"].process.problem


async def test_a_blocked_process_is_given_up_at_the_deadline_and_killed(
    isolated_host: Callable[..., PluginHost],
) -> None:
    """What answers no ping any more is replaced."""
    host = isolated_host("packhorse-good", "packhorse-segfault", isolated=("segfault",), tool_deadline=1.0)
    async with serving(host) as client:
        first = (await client.call_tool("environment")).data["pid"]
        text = await text_of(client, "linger")
        assert "linger of the plugin segfault did not answer within 1 seconds" in text
        assert (await client.call_tool("environment")).data["pid"] == first
        assert "did not answer" in await text_of(client, "seize")
        assert await text_of(client, "greet", name="Ada") == "Hello, Ada!"
        await until(lambda: host.objects["segfault"].process.restarts > 0)
        await until(lambda: not host.objects["segfault"].process.problem)
        assert (await client.call_tool("environment")).data["pid"] != first


@pytest.mark.parametrize(
    ("pack", "reason", "remedy"),
    [
        ("bad-migration", "keeps data in the database", "PACKHORSE_ISOLATED"),
        ("raises", "no such luck", "PACKHORSE_BLOCK=packhorse-raises"),
        ("exits", "I have had enough", "PACKHORSE_BLOCK=packhorse-exits"),
        ("thief", "the tool greet, which good already has", "PACKHORSE_BLOCK"),
        ("poisoned", "U+200B", "Report it"),
    ],
)
async def test_what_keeps_an_isolated_plugin_out_is_in_its_record(
    isolated_host: Callable[..., PluginHost], pack: str, reason: str, remedy: str
) -> None:
    """The reasons are those that it would have inside the host, and the database is one more."""
    host = isolated_host("packhorse-good", f"packhorse-{pack}", isolated=(pack,))
    async with serving(host) as client:
        assert [tool.name for tool in await client.list_tools()] == ["greet"]
    record = host.record(pack.replace("-", "_"))
    assert record.status in {"failed", "conflict"}
    assert reason in record.error
    assert remedy in record.remedy


def test_an_isolated_plugin_is_not_imported_by_the_host(isolated_host: Callable[..., PluginHost]) -> None:
    """Not even when it exits at once; nothing is started before the server is built."""
    host = isolated_host("packhorse-exits", isolated=("exits",))
    assert host.loaded == ["exits"]
    assert host.record("exits").isolated


def test_a_name_that_is_not_installed_and_an_object_cannot_be_isolated(
    object_host: Callable[..., PluginHost],
) -> None:
    """The first is a warning, the second the plugin's failure."""

    class Thing:
        """A plugin that is no distribution."""

    host = object_host(Thing(), isolated=("thing", "nobody"))
    assert "cannot be isolated" in host.record("thing").error
    assert any("PACKHORSE_ISOLATED names 'nobody'" in warning for warning in host.warnings)


async def test_a_process_that_cannot_be_started_or_says_nothing_is_a_clear_error(
    isolated_host: Callable[..., PluginHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the time that a start may take."""
    monkeypatch.setattr(processes, "START_SECONDS", 0.2)
    host = isolated_host("packhorse-good", "packhorse-segfault", isolated=("segfault",))
    async with serving(host) as client:
        assert [tool.name for tool in await client.list_tools()] == ["greet"]
    assert "did not start" in host.record("segfault").error
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    lost = processes.IsolatedProcess("lost", "packhorse-lost", {})
    with pytest.raises(PackhorseError, match="could not be started"):
        lost.offer()
    lost.stop()


async def test_a_call_during_a_restart_waits_no_longer_than_it_may(
    isolated_host: Callable[..., PluginHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it says that the process is not running, and why."""
    host = isolated_host("packhorse-segfault", isolated=("segfault",))
    monkeypatch.setattr(processes, "WAIT", 0.1)
    monkeypatch.setattr(processes, "FIRST_PAUSE", 5.0)
    async with serving(host) as client:
        await text_of(client, "crash")
        assert "is not running: killed by SIGSEGV" in await text_of(client, "crash")


def test_settings_of_a_plugin_with_a_longer_name_are_not_given_away(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """`git` does not see the variables of `git_history`, and sees its own from the settings file too."""
    from packhorse.isolated.environment import environment

    found = {
        name: Variable(name, "x", "test")
        for name in ("PACKHORSE_GIT_DEPTH", "PACKHORSE_GIT_HISTORY_TOKEN", "PACKHORSE_STRICT", "PACKHORSE_LOG_LEVEL")
    }
    given = environment("git", {"git_history", "tasks"}, found, tmp_path)
    assert {name for name in given if name in found} == {"PACKHORSE_GIT_DEPTH", "PACKHORSE_LOG_LEVEL"}
