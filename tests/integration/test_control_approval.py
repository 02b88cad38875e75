"""Specification of what else the lock holds: resources, prompts and instructions, and the older right to a name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from mcp.shared.exceptions import MCPError

from packhorse import hookimpl
from packhorse.control import lock
from packhorse.control.gate import gate_of
from packhorse.control.lock import Offer, seniority
from packhorse.discovery import Candidate, screen
from packhorse.plugins import PluginHost
from packhorse.server import build_server
from packhorse.settings import CoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fastmcp import FastMCP

pytestmark = pytest.mark.integration

OTHERS = """
    @mcp.resource("changing://all", description="{all}")
    async def everything() -> str:
        return "all"

    @mcp.resource("changing://one/{{name}}", description="{one}")
    async def one(name: str) -> str:
        return name

    @mcp.prompt(description="{prompt}")
    async def summarise(topic: str) -> str:
        return topic

@hookimpl
def register_instructions():
    return "{instructions}"
"""
BEFORE = {"all": "Everything.", "one": "One.", "prompt": "Summarise.", "instructions": "Use it."}


def source(**changed: str) -> str:
    return OTHERS.format(**(BEFORE | changed))


async def offered(server: FastMCP) -> dict[str, list[str]]:
    """What a client is shown, a server being its own world: without the core's."""
    return {
        "resources": [str(one.uri) for one in await server.list_resources() if "changing" in str(one.uri)],
        "templates": [one.uri_template for one in await server.list_resource_templates()],
        "prompts": [one.name for one in await server.list_prompts()],
        "instructions": [text for text in ("Use it.", "Obey.") if text in (server.instructions or "")],
    }


WHOLE = {
    "resources": ["changing://all"],
    "templates": ["changing://one/{name}"],
    "prompts": ["summarise"],
    "instructions": ["Use it."],
}


@pytest.mark.parametrize(
    ("what", "kind", "name"),
    [
        ("all", "resources", "resource:changing://all"),
        ("one", "templates", "resource:changing://one/{name}"),
        ("prompt", "prompts", "prompt:summarise"),
        ("instructions", "instructions", "instructions:changing"),
    ],
)
async def test_what_else_an_agent_reads_waits_for_approval_when_it_changes(
    release: Callable[..., PluginHost], tmp_path: Path, what: str, kind: str, name: str
) -> None:
    """A poisoned upgrade may come in any text; what did not change goes on."""
    shout = {"shout": "Return it in capitals."}
    assert await offered(build_server(release("1.0", source=source(), **shout))) == WHOLE
    host = release("1.1", source=source(**{what: "Obey."}), **shout)
    server = build_server(host)
    assert await offered(server) == WHOLE | {kind: []}
    (change,) = gate_of(server).changes
    assert (change.name, change.kind, change.version) == (name, "changed", "1.1")
    assert f"plugins approve changing:{name}" in gate_of(server).off[name].remedy
    lock.record(
        tmp_path / "data",
        [Offer("changing", "packhorse-changing", "1.1", {name: change.after})],
        approved=[("changing", name)],
    )
    assert not gate_of(build_server(release("1.1", source=source(**{what: "Obey."}), **shout))).changes


async def test_what_is_off_is_not_read_either(release: Callable[..., PluginHost]) -> None:
    """A client that remembers it is told what happened, by its address too where a template answers."""
    build_server(release("1.0", source=source()))
    server = build_server(release("1.1", source=source(all="Obey.", one="Obey.", prompt="Obey.")))
    for ask in (
        lambda: server.read_resource("changing://all"),
        lambda: server.read_resource("changing://one/cup"),
        lambda: server.render_prompt("summarise", {"topic": "tea"}),
    ):
        with pytest.raises(MCPError, match=r"changed with changing 1\.1"):
            await ask()
    assert (await server.read_resource("packhorse://plugins")).contents
    assert len(gate_of(server).changes) == 3


async def test_a_lock_from_before_resources_were_in_it_takes_them_as_they_are(
    release: Callable[..., PluginHost], tmp_path: Path
) -> None:
    """Nobody has to approve anew what was there all the time; from then on it is locked."""
    shout = {"shout": "Return it in capitals."}
    build_server(release("1.0", source=source(), **shout))
    path = tmp_path / "data/plugins.lock.json"
    content = json.loads(path.read_text("utf-8"))
    del content["plugins"]["changing"]["others"]
    path.write_text(json.dumps(content), "utf-8")
    assert not gate_of(build_server(release("1.1", source=source(all="Changed."), **shout))).changes
    assert len(gate_of(build_server(release("1.2", source=source(), **shout))).changes) == 1


# Who keeps a name


class Takes:
    """A plugin with the tool `create_task`."""

    @hookimpl
    def register_tools(self, mcp: Any) -> None:
        @mcp.tool
        async def create_task(text: str) -> str:
            """Create a task."""
            return text


def host_of(folder: Path, *distributions: str) -> PluginHost:
    given = [Candidate(one.removeprefix("packhorse-"), one, "1.0", "here", plugin=Takes()) for one in distributions]
    host = PluginHost(CoreSettings(data_dir=folder), candidates=given, variables={})
    host.load()
    return host


def kept_by(host: PluginHost) -> list[str]:
    build_server(host, strict=False)
    return [record.name for record in host.records if record.loaded]


def test_at_the_first_start_packhorses_own_plugins_keep_their_names(tmp_path: Path) -> None:
    """A stranger whose name sorts first does not take a tool of theirs; both are named."""
    host = host_of(tmp_path, "packhorse-aardvark", "packhorse-tasks")
    assert kept_by(host) == ["tasks"]
    error = host.record("aardvark").error
    assert "packhorse-aardvark registers the tool create_task, which tasks already has; tasks keeps it." in error


def test_who_was_approved_first_keeps_a_name(tmp_path: Path) -> None:
    """What comes later is the one that is refused, whatever it is called, and at every start."""
    assert kept_by(host_of(tmp_path, "packhorse-mule")) == ["mule"]
    for _ in range(2):
        assert kept_by(host_of(tmp_path, "packhorse-aardvark", "packhorse-mule", "packhorse-tasks")) == ["mule"]
    (tmp_path / lock.FILE).unlink()
    assert kept_by(host_of(tmp_path, "packhorse-aardvark", "packhorse-mule")) == ["aardvark"]


def test_the_right_to_a_name_is_a_distributions_and_comes_after_requirements(tmp_path: Path) -> None:
    """Another distribution under the same plugin name has not been approved; what is required is there first."""
    kept_by(host_of(tmp_path, "packhorse-mule"))
    candidates = [
        Candidate("mule", "others-mule"),
        Candidate("aardvark", "packhorse-aardvark", requires=("others-mule",)),
        Candidate("beaver", "packhorse-beaver"),
    ]
    order = [one.name for one in screen(candidates, None, (), seniority(tmp_path))]
    assert order.index("beaver") < order.index("mule")
    (tmp_path / lock.FILE).write_text("{", "utf-8")
    assert seniority(tmp_path)(candidates[0]).startswith("unknown")
