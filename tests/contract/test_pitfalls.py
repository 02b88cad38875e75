"""The ten pitfalls of the guide that Packhorse grows out of, each of which stays fixed by a test of its name."""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError

from fix_process import MODULE
from packhorse import hookimpl
from packhorse.errors import ConfigurationError, NotFoundError
from packhorse.settings import load_settings
from packhorse.variables import Variable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from fastmcp import FastMCP

    from fix_process import RawServer
    from packhorse.context import PluginContext
    from packhorse.testing import MakeClient, MakeHost, MakeStdioClient

pytestmark = pytest.mark.contract

SIX_TOOLS = {"index_repository", "search_code", "create_task", "get_task", "list_tasks", "update_task"}
OURS = ("indexing", "search", "tasks")
ROOT = Path(__file__).parents[2]


async def listed(client: Client[Any]) -> dict[str, Any]:
    return {tool.name: tool.model_dump(mode="json") for tool in await client.list_tools()}


class Pitfalls:
    """A plugin with a tool for each pitfall that a tool can fall into."""

    def __init__(self) -> None:
        self.loops: list[asyncio.AbstractEventLoop] = []

    @hookimpl
    def plugin_lifespan(self, context: PluginContext) -> AbstractAsyncContextManager[None]:
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def life() -> AsyncIterator[None]:
            self.loops.append(asyncio.get_running_loop())
            async with context.database.connection() as connection:
                await connection.execute("SELECT 1")
            yield

        return life()

    @hookimpl
    def register_tools(self, mcp: FastMCP, context: PluginContext) -> None:
        @mcp.tool
        async def things() -> dict[str, Any]:
            """Return what json.dumps refuses."""
            return {"id": uuid.UUID(int=7), "at": datetime(2026, 1, 2, tzinfo=UTC), "path": Path("/a/b")}

        @mcp.tool
        async def loop() -> bool:
            """Tell whether the tool runs on the loop that the lifespan ran on, and can use its database."""
            async with context.database.connection() as connection:
                await connection.execute("SELECT 1")
            return asyncio.get_running_loop() is self.loops[0]

        @mcp.tool
        async def expected() -> None:
            """Fail as planned."""
            raise NotFoundError("There is no task 7.", remedy="List the tasks.")

        @mcp.tool
        async def defect() -> None:
            """Fail as not planned."""
            raise RuntimeError("postgresql://user:hunter22@host in /srv/secret.py")


async def test_pitfall_1_double_import(
    packhorse_client: MakeClient, packhorse_stdio: MakeStdioClient, packhorse_environment: dict[str, str]
) -> None:
    """`packhorse serve`, `python -m packhorse serve` and a server built in the process list the same six tools."""
    async with packhorse_stdio(*OURS) as client:
        module = await listed(client)
    script = str(Path(sys.executable).with_name("packhorse"))
    environment = {**packhorse_environment, "PACKHORSE_PLUGINS": ",".join(f"packhorse-{name}" for name in OURS)}
    async with Client(StdioTransport(script, ["serve"], env=environment, keep_alive=False)) as client:
        command = await listed(client)
    async with packhorse_client(*OURS) as client:
        built = await listed(client)
    assert set(module) >= SIX_TOOLS
    assert module == command == built


def test_pitfall_2_nothing_but_protocol_on_stdout(
    raw_server: Callable[..., RawServer], packhorse_environment: dict[str, str], site: Path
) -> None:
    """A print in a plugin's import, in a tool and in a child process: see also the tests of the wire."""
    from fix_packs import write_metadata

    (site / "packhorse_chatty.py").write_text(
        "import subprocess\nfrom packhorse import hookimpl\nprint('import')\nsubprocess.run(['echo', 'child'])\n"
        "@hookimpl\ndef register_tools(mcp):\n    @mcp.tool\n    def chat() -> int:\n"
        "        print('tool')\n        subprocess.run(['echo', 'child'])\n        return 1\n"
    )
    write_metadata(
        site / "packhorse_chatty-1.0.dist-info", name="packhorse-chatty", entry_points={"chatty": "packhorse_chatty"}
    )
    server = raw_server(
        environment={**packhorse_environment, "PYTHONPATH": str(site), "PACKHORSE_PLUGINS": "packhorse-chatty"}
    ).initialize()
    assert server.call("chat")["isError"] is False
    server.close_stdin()
    assert server.end() == 0
    assert [json.loads(line)["jsonrpc"] for line in server.lines] == ["2.0"] * len(server.lines)


async def test_pitfall_3_every_write_is_committed(packhorse_stdio: MakeStdioClient) -> None:
    """What one server acknowledged, another process reads."""
    async with packhorse_stdio("tasks") as one:
        created = (await one.call_tool("create_task", {"title": "survive"})).structured_content
        await one.call_tool("update_task", {"task_id": created["id"], "status": "in-progress"})
    async with packhorse_stdio("tasks") as other:
        found = (await other.call_tool("get_task", {"task_id": created["id"]})).structured_content
    assert (found["title"], found["status"]) == ("survive", "in-progress")


async def test_pitfall_4_ids_times_and_paths_serialise(packhorse_client: MakeClient) -> None:
    async with packhorse_client(("pitfalls", Pitfalls())) as client:
        found = (await client.call_tool("things", {})).structured_content
    assert found == {"id": str(uuid.UUID(int=7)), "at": "2026-01-02T00:00:00Z", "path": "/a/b"}


async def test_pitfall_5_no_tool_needs_a_client_context(packhorse_host: MakeHost) -> None:
    """Every tool takes its arguments from the caller alone: called on the server itself, without any client."""
    from packhorse.server import build_server

    mcp = build_server(packhorse_host("tasks"))
    async with mcp._lifespan_manager():
        created = await mcp.call_tool("create_task", {"title": "no client"})
        assert created.structured_content is not None
        found = await mcp.call_tool("get_task", {"task_id": created.structured_content["id"]})
        assert found.structured_content == created.structured_content


async def test_pitfall_6_errors_reach_the_client_and_internals_do_not(packhorse_client: MakeClient) -> None:
    async with packhorse_client(("pitfalls", Pitfalls())) as client:
        with pytest.raises(ToolError, match=re.escape("There is no task 7. List the tasks.")):
            await client.call_tool("expected", {})
        with pytest.raises(ToolError) as caught:
            await client.call_tool("defect", {})
    assert "hunter22" not in str(caught.value)
    assert "secret.py" not in str(caught.value)
    assert "RuntimeError" not in str(caught.value)


async def test_pitfall_7_the_order_of_loading_changes_nothing(packhorse_client: MakeClient) -> None:
    """Tools are registered by an explicit call, not by an import: whatever order the plugins are found in."""
    orders = [OURS, tuple(reversed(OURS)), tuple(random.Random(7).sample(OURS, 3))]
    found = []
    for order in orders:
        async with packhorse_client(*order) as client:
            found.append(await listed(client))
    assert set(found[0]) >= SIX_TOOLS
    assert found[0] == found[1] == found[2]


def test_pitfall_7_importing_a_plugin_registers_nothing() -> None:
    script = "import sys; import packhorse_tasks.plugin, packhorse_indexing.plugin, packhorse_search.plugin"
    script += "; print('fastmcp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_pitfall_8_everything_runs_on_the_servers_own_loop(packhorse_client: MakeClient) -> None:
    """The pool, the lifespans and the tools share the loop that the server runs on; none starts before it exists."""
    plugin = Pitfalls()
    for _ in range(2):
        async with packhorse_client(("pitfalls", plugin)) as client:
            assert (await client.call_tool("loop", {})).data is True
        plugin.loops.clear()


def test_pitfall_9_relative_and_home_paths_in_a_clients_configuration(
    raw_server: Callable[..., RawServer], packhorse_environment: dict[str, str], tmp_path: Path
) -> None:
    """`~` is expanded, a relative path is refused with its absolute form, and any working directory will do."""
    expanded = load_settings({"PACKHORSE_DATA_DIR": Variable("PACKHORSE_DATA_DIR", "~/x", "test")})
    assert expanded.data_dir == Path.home() / "x"
    with pytest.raises(ConfigurationError, match=re.escape(str(Path.cwd() / "x"))):
        load_settings({"PACKHORSE_DATA_DIR": Variable("PACKHORSE_DATA_DIR", "x", "test")})
    gone = tmp_path / "gone"
    gone.mkdir()
    environment = {**packhorse_environment, "PACKHORSE_PLUGINS": ""}
    for folder in ("/", str(gone)):
        server = raw_server(environment=environment, cwd=folder).initialize()
        server.close_stdin()
        assert server.end() == 0
    server = raw_server(
        "sh", "-c", f"cd {gone} && rmdir {gone} && exec {' '.join(MODULE)} serve", environment=environment
    ).initialize()
    server.close_stdin()
    assert server.end() == 0


@pytest.mark.slow
def test_pitfall_10_every_package_passes_the_strict_type_check(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="the type checker is in the group `types`, not in that of the tests")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "strict = true" in (ROOT / "pyproject.toml").read_text()
