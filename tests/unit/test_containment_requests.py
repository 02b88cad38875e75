"""What the host answers for a plugin that hangs, fails again and again, or cannot even list what it has."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.middleware import Middleware
from fastmcp.server.providers import Provider
from fastmcp.tools import Tool
from mcp.shared.exceptions import MCPError

from packhorse import hookimpl
from packhorse.circuit import FAILURES
from packhorse.errors import NotFoundError, UnavailableError
from packhorse.middleware import META
from packhorse.providers import BoundedProvider
from packhorse.server import build_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from packhorse.plugins import PluginHost

pytestmark = pytest.mark.unit


class Shaky:
    """A plugin whose one tool fails as it is told, and others that hang."""

    @hookimpl
    def register_tools(self, mcp: FastMCP) -> None:
        @mcp.tool
        async def shake(how: str = "") -> str:
            """Fail in some way."""
            if how == "expected":
                raise NotFoundError("There is none.")
            if how == "tool":
                raise ToolError("as FastMCP says it")
            if how == "own":
                raise TimeoutError("its own")
            if how:
                raise RuntimeError("password=hunter2")
            return "steady"

        @mcp.tool(timeout=0.05)
        async def limited() -> str:
            """Have a limit of FastMCP's."""
            await asyncio.sleep(60)
            return "never"

        @mcp.tool(meta={"packhorse/deadline": 5})
        async def patient() -> str:
            """Take its declared time."""
            await asyncio.sleep(0.4)
            return "patient"

        @mcp.tool
        async def hang() -> str:
            """Hang."""
            await asyncio.sleep(60)
            return "never"

        self.register_others(mcp)

    def register_others(self, mcp: FastMCP) -> None:
        @mcp.resource("shaky://hang")
        async def hanging() -> str:
            """Hang."""
            await asyncio.sleep(60)
            return "never"

        @mcp.resource("shaky://of/{what}")
        async def template(what: str) -> str:
            """Hang."""
            await asyncio.sleep(60)
            return what

        @mcp.prompt
        async def ponder() -> str:
            """Hang."""
            await asyncio.sleep(60)
            return "never"


@pytest.fixture
def server(object_host: Callable[..., PluginHost]) -> FastMCP:
    return build_server(object_host(Shaky(), tool_deadline=0.2))


async def text_of(server: FastMCP, tool: str, **arguments: object) -> str:
    return (await server.call_tool(tool, arguments)).content[0].text


async def test_what_does_not_answer_is_answered_for(server: FastMCP) -> None:
    """A tool error for tools, a protocol error for resources and prompts, both with the plugin's name."""
    answer = await server.call_tool("hang")
    assert "The tool hang of the plugin shaky did not answer within 0.2 seconds" in answer.content[0].text
    assert answer.meta is not None
    assert answer.meta[META]["code"] == "deadline"
    assert answer.meta[META]["details"] == {"plugin": "shaky", "seconds": 0.2}
    for ask, what in (
        (lambda: server.read_resource("shaky://hang"), "The resource shaky://hang"),
        (lambda: server.read_resource("shaky://of/x"), "The resource shaky://of/x"),
        (lambda: server.render_prompt("ponder"), "The prompt ponder"),
    ):
        with pytest.raises(MCPError, match=f"{what} of the plugin shaky did not answer within 0.2 seconds"):
            await ask()
    assert await text_of(server, "patient") == "patient"


async def test_a_tool_that_fails_again_and_again_is_switched_off_for_a_while(server: FastMCP) -> None:
    """Its neighbours are not; the error says for how long, and the kind of failure without its message."""
    for _ in range(FAILURES):
        assert "failed unexpectedly" in await text_of(server, "shake", how="secret")
    text = await text_of(server, "shake")
    assert f"The tool shake of the plugin shaky failed {FAILURES} times in a row (at last: RuntimeError)" in text
    assert "is switched off for another 30 seconds" in text
    assert "hunter2" not in text
    assert await text_of(server, "patient") == "patient"


@pytest.mark.parametrize("tool", ["hang", "limited"])
async def test_time_outs_count_as_failures(server: FastMCP, tool: str) -> None:
    """Those of the host's deadline and those of the tool's own."""
    await asyncio.gather(*(text_of(server, tool) for _ in range(FAILURES)))
    assert "is switched off" in await text_of(server, tool)


@pytest.mark.parametrize("how", ["expected", "tool", ["wrong"]])
async def test_failures_that_are_meant_and_wrong_arguments_do_not_count(server: FastMCP, how: object) -> None:
    """They speak against the call, not against the tool."""
    for _ in range(2 * FAILURES):
        await text_of(server, "shake", how=how)
    assert await text_of(server, "shake") == "steady"


async def test_a_time_out_of_the_tools_own_is_not_taken_for_the_deadline(server: FastMCP) -> None:
    """It is masked like any exception that nobody expected."""
    assert "failed unexpectedly" in await text_of(server, "shake", how="own")


async def test_a_client_that_leaves_neither_closes_nor_opens_a_circuit(server: FastMCP) -> None:
    """Its call is cancelled."""
    for _ in range(2 * FAILURES):
        task = asyncio.create_task(server.call_tool("hang"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert "did not answer" in await text_of(server, "hang")


@pytest.mark.parametrize("value", [0, -1, "long", True, 1e9])
def test_a_deadline_that_is_none_is_refused(object_host: Callable[..., PluginHost], value: object) -> None:
    """A tool may not declare that it never ends."""

    class Greedy:
        @hookimpl
        def register_tools(self, mcp: FastMCP) -> None:
            @mcp.tool(meta={"packhorse/deadline": value})
            async def take() -> str:
                """Take long."""
                return "taken"

    host = object_host(Greedy())
    build_server(host)
    assert "which is no number of seconds up to 3600" in host.record("greedy").error


async def test_a_listing_that_a_middleware_holds_up_is_given_up(
    object_host: Callable[..., PluginHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a protocol error, which is all that a listing has."""

    class Holds(Middleware):
        async def on_message(self, context: Any, call_next: Any) -> Any:
            if context.method.endswith("/list"):
                await asyncio.sleep(60)
            return await call_next(context)

    class Slow:
        @hookimpl
        def register_tools(self, mcp: FastMCP) -> None:
            mcp.add_middleware(Holds())

    monkeypatch.setattr("packhorse.containment.LISTING_SECONDS", 0.1)
    server = build_server(object_host(Slow()))
    for ask, what in (
        (server.list_tools, "tools"),
        (server.list_resources, "resources"),
        (server.list_resource_templates, "resource templates"),
        (server.list_prompts, "prompts"),
    ):
        with pytest.raises(MCPError, match=f"The {what} could not be listed within 0.1 seconds"):
            await ask()


class Moody(Provider):
    """A provider that hangs from a moment on."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False
        self.asked = 0
        self.events: list[str] = []

    async def _list_tools(self) -> Sequence[Tool]:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(60)

        async def moody() -> str:
            """Be moody."""
            return "moody"

        return [Tool.from_function(moody)]

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        if self.hangs:
            await asyncio.sleep(60)
        self.events.append("+")
        yield
        self.events.append("-")


async def test_a_mounted_provider_that_hangs_takes_only_its_own_tools_with_it(
    object_host: Callable[..., PluginHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call looks into every provider, so one that hangs is not asked again for a while."""
    provider = Moody()

    class Mounts:
        @hookimpl
        def register_tools(self, mcp: FastMCP) -> None:
            mcp.add_provider(provider)

    monkeypatch.setattr("packhorse.registration.BoundedProvider", lambda one, name: BoundedProvider(one, name, 0.1))
    host = object_host(Mounts(), Shaky())
    server = build_server(host)
    assert host.record("mounts").tools == ["moody"]
    assert await text_of(server, "moody") == "moody"
    assert {tool.name for tool in await server.list_tools()} >= {"moody", "shake"}
    provider.hangs = True
    start = time.perf_counter()
    assert await text_of(server, "shake") == "steady"
    assert {tool.name for tool in await server.list_tools()} == {"shake", "limited", "patient", "hang"}
    asked = provider.asked
    for _ in range(20):
        assert await text_of(server, "shake") == "steady"
    assert provider.asked == asked
    assert time.perf_counter() - start < 5


async def test_a_provider_is_asked_for_everything_and_its_failures_come_through() -> None:
    """The host's wrapper changes nothing about one that answers."""
    inner = FastMCP("inner")

    @inner.resource("inner://static")
    def static() -> str:
        """A resource."""
        return "static"

    @inner.resource("inner://of/{what}")
    def of(what: str) -> str:
        """A template."""
        return what

    @inner.prompt
    def beg() -> str:
        """A prompt."""
        return "please"

    provider = BoundedProvider(inner.local_provider, "inner")
    assert [one.name for one in await provider.list_resources()] == ["static"]
    assert [one.name for one in await provider.list_resource_templates()] == ["of"]
    assert [one.name for one in await provider.list_prompts()] == ["beg"]
    assert (await provider.get_resource("inner://static")).name == "static"
    assert (await provider.get_resource_template("inner://of/x")).name == "of"
    assert (await provider.get_prompt("beg")).name == "beg"
    assert await provider.get_tool("none") is None
    assert await provider.get_app_tool("none", "none") is None
    assert await provider.get_tool_by_hash("none", "none") is None
    assert list(await provider.get_tasks()) == []
    assert list(provider.required_extensions()) == []
    assert "inner" in repr(provider)

    class Raises(Provider):
        async def list_tools(self) -> Sequence[Tool]:
            raise UnavailableError("away")

    with pytest.raises(UnavailableError):
        await BoundedProvider(Raises(), "raises").list_tools()


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_providers_lifespan_is_entered_if_it_lets_itself_be(hangs: bool) -> None:
    """One that hangs or raises holds up neither the start nor the end."""
    moody = Moody()
    moody.hangs = hangs
    start = time.perf_counter()
    async with BoundedProvider(moody, "moody", 0.1).lifespan():
        assert moody.events == ([] if hangs else ["+"])
    assert moody.events == ([] if hangs else ["+", "-"])
    assert time.perf_counter() - start < 2

    class Raises(Provider):
        @asynccontextmanager
        async def lifespan(self) -> AsyncIterator[None]:
            raise SystemExit(1)
            yield

    async with BoundedProvider(Raises(), "raises", 0.1).lifespan():
        pass
