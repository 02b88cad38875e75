"""Building the server object: what is fixed about it, its resources, its instructions, the plugins' commands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from fastmcp import Client, FastMCP
from fastmcp.server.providers import Provider
from loguru import logger

from packhorse import __version__, hookimpl
from packhorse.instructions import LONGEST_INSTRUCTIONS, shorten
from packhorse.server import build_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from packhorse.plugins import PluginHost

pytestmark = pytest.mark.unit


class Plugin:
    """An object with some hooks; each test derives its own."""


async def test_the_server_is_built_as_the_contract_says(object_host: Callable[..., PluginHost]) -> None:
    """Name, version, duplicates refused, errors masked, and no tool but the plugins'."""
    server = build_server(object_host())
    assert (server.name, server.version) == ("packhorse", __version__)
    assert (server._on_duplicate, server._mask_error_details) == ("error", True)
    assert await server.list_tools() == []
    assert len(server.instructions or "") <= LONGEST_INSTRUCTIONS


async def test_the_core_resources_tell_settings_plugins_and_metrics(object_host: Callable[..., PluginHost]) -> None:
    """As JSON, with secrets masked."""
    host = object_host(database_url="postgresql://me:hunter2@db/app")
    server = build_server(host)
    texts = {}
    for name in ("config", "plugins", "metrics", "health"):
        result = await server.read_resource(f"packhorse://{name}")
        texts[name] = result.contents[0].content
    settings = {one["name"]: one for one in json.loads(texts["config"])}
    assert "hunter2" not in texts["config"]
    assert settings["PACKHORSE_DB_POOL_SIZE"]["value"] == "20"
    assert json.loads(texts["plugins"]) == []
    assert json.loads(texts["metrics"]) == {}
    assert {one["name"] for one in json.loads(texts["health"])["checks"]} == {"database", "disk", "plugins"}


def test_fastmcp_reads_neither_the_working_directory_nor_its_own_variables(tmp_path: Path) -> None:
    """A repository's `.env` and a stray variable change neither transport nor masking, and break no import."""
    (tmp_path / ".env").write_text("FASTMCP_MASK_ERROR_DETAILS=false\nFASTMCP_TRANSPORT=http\nFASTMCP_LOG_LEVEL=oops\n")
    code = (
        "import sys\n"
        "from packhorse.framework import settle_fastmcp; settle_fastmcp()\n"
        "import fastmcp; s = fastmcp.settings\n"
        "print(s.transport, s.show_server_banner, s.check_for_updates, s.port)\n"
        "s.transport = 'http'; s.mask_error_details = False; settle_fastmcp()\n"
        "print(s.transport, s.mask_error_details)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "FASTMCP_TRANSPORT": "nonsense", "FASTMCP_PORT": "1", "fastmcp_debug": "perhaps"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout.split() == ["stdio", "False", "off", "8000", "stdio", "True"], answer.stderr


def test_importing_the_host_imports_no_heavy_module() -> None:
    """`packhorse --help` loads the plugins and must be quick."""
    code = (
        "import sys; from packhorse.plugins import PluginHost; from packhorse.settings import CoreSettings\n"
        "PluginHost(CoreSettings(), candidates=[], variables={}).load()\n"
        "print([m for m in ('fastmcp', 'mcp', 'psycopg', 'numpy') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_instructions_are_composed_within_their_limit(object_host: Callable[..., PluginHost]) -> None:
    """Short ones stay whole, long ones end with a sentence, one that fails or hides characters is left out."""

    class Short(Plugin):
        @hookimpl
        def register_instructions(self):
            return "Use  short\n for short things."

    class Long(Plugin):
        @hookimpl
        def register_instructions(self):
            return "This is a sentence of the long one. " * 100

    class Raises(Plugin):
        @hookimpl
        def register_instructions(self):
            raise SystemExit(1)

    class Hides(Plugin):
        @hookimpl
        def register_instructions(self):
            return "Use hides.\u200b"

    host = object_host(Long(), Raises(), Short(), Hides())
    text = build_server(host).instructions or ""
    assert "Use hides." not in text
    assert "Use short for short things." in text
    assert 1500 < len(text) <= LONGEST_INSTRUCTIONS
    assert text.count("sentence of the long one.") == text.count("This is a sentence")
    assert host.loaded == ["hides", "long", "raises", "short"]


def test_text_is_shortened_at_a_sentence_or_else_a_word() -> None:
    """Never in the middle of a word."""
    assert shorten("One. Two! Three.", 12) == "One. Two!"
    assert shorten("One word. Two", 9) == "One word."
    assert shorten("no sentence at all", 11) == "no sentence"
    assert shorten("no sentence at all", 12) == "no sentence"


async def test_the_components_of_a_mounted_server_obey_the_same_rules(object_host: Callable[..., PluginHost]) -> None:
    """A mount brings tools under its namespace; a name already taken or malformed is refused with the whole mount."""

    def mounting(name: str, namespace: str | None) -> object:
        inner: FastMCP = FastMCP("inner")

        @inner.tool(name=name)
        def tool() -> str:
            """Work."""
            return "works"

        class Mounts(Plugin):
            @hookimpl
            def register_tools(self, mcp):
                mcp.mount(inner, namespace=namespace)

        return Mounts()

    host = object_host(Greets(), mounting("work", "inner"))
    server = build_server(host)
    assert host.record("mounts").tools == ["inner_work"]
    assert (await server.call_tool("inner_work")).structured_content == {"result": "works"}

    host = object_host(Greets(), mounting("greet", None))
    server = build_server(host)
    assert host.record("mounts").status == "conflict"
    assert [tool.name for tool in await server.list_tools()] == ["greet"]

    host = object_host(Greets(), mounting("Bad-Name", None))
    build_server(host)
    assert "Bad-Name" in host.record("mounts").error


async def test_a_mounted_server_that_cannot_list_its_components_is_refused(
    object_host: Callable[..., PluginHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a failure nor a hanging of it holds up the start."""

    class Raises(Provider):
        async def list_tools(self):
            raise SystemExit(1)

    class Hangs(Provider):
        async def list_tools(self):
            await asyncio.sleep(3600)

    class Blocks(Provider):
        async def list_tools(self):
            time.sleep(3)  # noqa: ASYNC251 - a blocked loop is what is tested

    monkeypatch.setattr("packhorse.registration.LISTING_DEADLINE", 0.1)
    for provider, reason in (
        (Raises(), r"sys\.exit\(1\)"),
        (Hangs(), "TimeoutError"),
        (Blocks(), r"within 0\.1 s|nothing but wait"),
    ):

        class Mounts(Plugin):
            @hookimpl
            def register_tools(self, mcp, provider=provider):
                mcp.add_provider(provider)

        host = object_host(Greets(), Mounts())
        server = build_server(host)
        assert re.search(reason, host.record("mounts").error)
        assert len(server.providers) == 1


def test_a_name_used_twice_by_one_plugin_is_refused_and_a_missing_description_is_logged(
    object_host: Callable[..., PluginHost],
) -> None:
    """Two resources of one name at two addresses cannot be told apart in a list."""

    class Twice(Plugin):
        @hookimpl
        def register_tools(self, mcp):
            mcp.resource("one://x", name="same")(lambda: "x")
            mcp.resource("two://x", name="same")(lambda: "x")

    class Silent(Plugin):
        @hookimpl
        def register_tools(self, mcp):
            @mcp.tool
            def silent() -> str:
                return ""

    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}", level="WARNING")
    host = object_host(Twice(), Silent())
    build_server(host)
    logger.remove(sink)
    assert "registers the resource 'same' twice" in host.record("twice").error
    assert host.record("silent").loaded
    assert any("no description" in line for line in lines)


class Greets(Plugin):
    """A plugin that works."""

    @hookimpl
    def register_tools(self, mcp):
        @mcp.tool
        def greet() -> str:
            """Greet."""
            return "hello"

        @mcp.resource("greet://{name}")
        def greeting(name: str) -> str:
            """The greeting."""
            return name


async def test_a_template_of_the_same_shape_is_a_conflict(object_host: Callable[..., PluginHost]) -> None:
    """`x://{a}` and `x://{b}` answer the same requests, so the parameter's name makes no difference."""

    class Other(Plugin):
        @hookimpl
        def register_tools(self, mcp):
            @mcp.resource("greet://{whom}")
            def other(whom: str) -> str:
                """Also greet."""
                return whom

    host = object_host(Greets(), Other())
    build_server(host)
    assert host.record("other").status == "conflict"
    assert "greets already has" in host.record("other").error
    assert host.record("greets").resources == ["greet://{name}"]


@pytest.mark.parametrize("what", ["middleware", "providers", "_transforms"])
def test_taking_the_place_of_the_cores_middleware_or_providers_is_refused(
    object_host: Callable[..., PluginHost], what: str
) -> None:
    """Lists may only grow at their end."""

    class Pushes(Plugin):
        @hookimpl
        def register_tools(self, mcp):
            getattr(mcp, what).insert(0, object())
            setattr(mcp, what, [])

    host = object_host(Greets(), Pushes())
    server = build_server(host)
    assert what.lstrip("_") in host.record("pushes").error
    assert len(server.providers) == 1
    assert len(server.middleware) == 4


async def test_the_lifespan_of_the_server_is_the_hosts(object_host: Callable[..., PluginHost]) -> None:
    """A client of a server whose database cannot be had gets no session."""
    host = object_host(database_url="postgresql://127.0.0.1:1/none", db_deadline=1.0)
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        async with Client(build_server(host)):
            raise AssertionError
