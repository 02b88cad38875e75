"""Specification of an existing FastMCP server as a plugin: mounted, it is served and contained as any other."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from fastmcp import Client, FastMCP

from packhorse import hookimpl
from packhorse.server import build_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from packhorse.plugins import PluginHost

pytestmark = pytest.mark.integration


class Weather:
    """A server as somebody else wrote it, and the plugin around it."""

    def __init__(self, **names: str) -> None:
        self.life: list[str] = []
        self.released = threading.Event()
        self.names = names
        self.server: FastMCP = FastMCP("weather", lifespan=self._lifespan)
        inner: FastMCP = FastMCP("history")
        self.server.mount(inner, namespace="past")

        @inner.tool
        def hang() -> str:
            """Hang."""
            self.released.wait(30)
            return "released"

        @self.server.tool(name="get-weather")
        def get_weather(city: str) -> str:
            """Tell the weather."""
            return f"rain in {city}"

        @self.server.tool
        def fail() -> str:
            """Fail."""
            raise ValueError("a secret")

        @self.server.resource("weather://{city}")
        def weather(city: str) -> str:
            """The weather."""
            return f"rain in {city}"

    @asynccontextmanager
    async def _lifespan(self, _server: FastMCP) -> AsyncIterator[None]:
        self.life.append("entered")
        yield
        self.life.append("left")

    @hookimpl
    def register_tools(self, mcp: FastMCP) -> None:
        mcp.mount(self.server, tool_names=self.names or None)


def hosted(object_host: Callable[..., PluginHost], plugin: Weather) -> PluginHost:
    host = object_host(plugin)
    host.without_database = True
    return host


async def test_a_mounted_servers_tools_resources_and_lifespan_are_served(
    object_host: Callable[..., PluginHost],
) -> None:
    """A name that Packhorse does not take is given another one where it is mounted."""
    plugin = Weather(**{"get-weather": "get_weather"})
    host = hosted(object_host, plugin)
    async with Client(build_server(host)) as client:
        assert host.record("weather").tools == ["fail", "get_weather", "past_hang"]
        assert (await client.call_tool("get_weather", {"city": "Rome"})).data == "rain in Rome"
        assert (await client.read_resource("weather://Oslo"))[0].text == "rain in Oslo"
        answer = await client.call_tool("fail", raise_on_error=False)
        assert "failed unexpectedly (error id" in answer.content[0].text
        assert "secret" not in answer.content[0].text
    assert plugin.life == ["entered", "left"]


async def test_a_name_of_a_mounted_server_that_is_none_is_refused_with_its_rule(
    object_host: Callable[..., PluginHost],
) -> None:
    host = hosted(object_host, Weather())
    build_server(host)
    assert "registers the tool 'get-weather', but a name is 1 to 64 of a-z, 0-9 and _" in host.record("weather").error


async def test_hung_calls_of_a_mounted_server_take_its_plugins_threads_only(
    object_host: Callable[..., PluginHost],
) -> None:
    """However deep the server is mounted whose function hangs."""
    plugin = Weather(**{"get-weather": "get_weather"})
    async with Client(build_server(hosted(object_host, plugin))) as client:
        calls = [asyncio.create_task(client.call_tool("past_hang")) for _ in range(40)]
        for _ in range(100):  # until all of them have begun
            await asyncio.sleep(0.1)
            answer = await client.call_tool("get_weather", {"city": "Rome"}, raise_on_error=False)
            if answer.is_error:
                break
        assert "All 40 threads of the plugin weather are busy" in answer.content[0].text
        plugin.released.set()
        await asyncio.gather(*calls)
