"""Broken plugins, each a real distribution: the host comes up with the rest, says why, and nothing of them remains."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cyclopts import App

from packhorse import __version__
from packhorse.control import overruns
from packhorse.errors import ConfigurationError
from packhorse.plugins import PluginHost
from packhorse.rollback import attributes
from packhorse.server import build_server
from packhorse.settings import CoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from packhorse.records import PluginRecord

pytestmark = pytest.mark.unit

BROKEN = [
    ("raises", "failed", "RuntimeError: no such luck", "PACKHORSE_BLOCK=packhorse-raises"),
    ("exits", "failed", "sys.exit('I have had enough')", "PACKHORSE_BLOCK=packhorse-exits"),
    ("interrupts", "failed", "KeyboardInterrupt", "PACKHORSE_BLOCK=packhorse-interrupts"),
    ("undeclared", "failed", "module_that_nobody_has", "pip install module_that_nobody_has"),
    ("twice", "failed", "registers the tool 'again' twice", "Report it to the author"),
    ("half", "failed", "halfway there", "Report it to the author"),
    ("unknown-hook", "failed", "register_tool is marked", "register_tools?"),
    ("wrong-argument", "failed", "contxt", "Report it to the author"),
    ("missing", "incompatible", "pluggy>=900 (1.", "pip install 'a-package-that-nobody-has>=2' 'pluggy>=900'"),
    ("future", "incompatible", f"packhorse-core>=9; this is packhorse-core {__version__}", "pip install --upgrade"),
    ("thief", "conflict", "the tool greet, which good already has", "PACKHORSE_BLOCK"),
    ("versioned", "failed", "version '9'", "Report it to the author"),
    ("homoglyph", "failed", r"gr\u0435et", "Report it to the author"),
    ("misnamed", "failed", "must be called misnamed", "[project.entry-points.packhorse]"),
    ("vandal", "failed", "tool greet of good", "Report it to the author"),
    ("painter", "failed", "tool greet of good", "Report it to the author"),
    ("tinkerer", "failed", "done tinkering", "Report it to the author"),
    ("bad-settings", "failed", "no settings today", "Report it to the author"),
    ("needy", "failed", "PACKHORSE_NEEDY_TOKEN is not set", "packhorse config"),
    ("knot", "failed", "cannot be sent as JSON: Circular reference", "Report it to the author"),
    ("epic", "failed", "of every conversation; at most 40,000 are accepted", "Report it to the author"),
    ("dependent", "incompatible", "packhorse-raises>=1 (not installed)", "pip install 'packhorse-raises>=1'"),
]


@pytest.mark.parametrize(("pack", "status", "reason", "remedy"), BROKEN, ids=[one[0] for one in BROKEN])
async def test_a_broken_plugin_is_recorded_with_its_reason_and_leaves_nothing(
    pack_host: Callable[..., PluginHost],
    pack: str,
    status: str,
    reason: str,
    remedy: str,
) -> None:
    """The good plugin beside it works, and the server object is what it is without the broken one."""
    host = pack_host("packhorse-good", f"packhorse-{pack}")
    server = build_server(host)
    app = App()
    host.register_commands(app)
    records = {record.distribution: record for record in host.records}
    broken = records[f"packhorse-{pack}"]
    assert broken.status == status
    assert reason in broken.error
    assert remedy in broken.remedy
    assert (broken.version, broken.core_version) == ("1.0", __version__)
    assert not (broken.tools)
    assert not (broken.resources)
    assert not (broken.prompts)

    assert records["packhorse-good"].tools == ["greet"]
    assert sorted(server.local_provider._components) == sorted(
        ["tool:greet@", "resource:good://greeting@", "prompt:polite@"]
        + [f"resource:packhorse://{name}@" for name in ("config", "health", "plugins", "metrics")]
    )
    assert [type(one).__name__ for one in server.middleware] == [
        "ErrorMiddleware",
        "ContainmentMiddleware",
        "DereferenceRefsMiddleware",
        "Gate",
    ]
    assert (server.providers, server._additional_http_routes, server._transforms) == ([server.local_provider], [], [])
    assert server._completion_handler is None
    assert "completion/complete" not in server._mcp_server._request_handlers
    assert "tinkerer" not in (server.instructions or "")
    assert host.services.find(str) is None
    assert [name for name in app._commands if not name.startswith("-")] == ["greet"]
    assert (await server.call_tool("greet", {"name": "Ada"})).structured_content == {"result": "Hello, Ada!"}
    (tool,) = await server.list_tools()
    assert tool.description == "Greet somebody."
    assert tool.parameters["properties"] == {"name": {"type": "string"}}


def test_all_broken_plugins_at_once_leave_the_good_one(pack_host: Callable[..., PluginHost]) -> None:
    """No combination of faults hides a plugin or stops the host."""
    host = pack_host("packhorse-good", *(f"packhorse-{one[0]}" for one in BROKEN))
    build_server(host)
    assert host.loaded == ["good"]
    assert len(host.records) == len(BROKEN) + 1
    assert {record.status for record in host.records} == {"loaded", "failed", "incompatible", "conflict"}
    dependent = host.record("dependent")
    assert "packhorse-raises" in dependent.error


def test_a_plugin_with_faulty_metadata_is_never_imported(pack_host: Callable[..., PluginHost]) -> None:
    """What is blocked, incompatible or misnamed is decided from metadata alone."""
    host = pack_host(
        "packhorse-missing", "packhorse-future", "packhorse-misnamed", "packhorse-exits", block=("packhorse-exits",)
    )
    assert {record.status for record in host.records} == {"incompatible", "failed", "blocked"}
    assert not {"packhorse_missing", "packhorse_future", "packhorse_misnamed", "packhorse_exits"} & sys.modules.keys()


def test_what_a_plugin_changes_for_the_whole_process_is_put_back(
    pack_host: Callable[..., PluginHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others and the host go on as before, and the record says what it was; its own variables it may set."""
    monkeypatch.setenv("MEDDLER_ITSELF", "")
    before = (json.dumps, sys.stderr, signal.getsignal(signal.SIGTERM), Path.cwd(), sys.getrecursionlimit())
    host = pack_host("packhorse-good", "packhorse-meddler")
    server = build_server(host)
    assert (json.dumps, sys.stderr, signal.getsignal(signal.SIGTERM), Path.cwd(), sys.getrecursionlimit()) == before
    mask = os.umask(0o077)
    os.umask(mask)
    assert mask != 0o777
    assert "DATABASE_URL" not in os.environ
    assert os.environ["MEDDLER_ITSELF"] == "its own"
    assert callable(type(server).list_tools)
    assert "Finder" not in {type(one).__name__ for one in sys.meta_path}
    imported, registered = host.record("meddler").notes
    changed = "sys.stderr, sys.meta_path, json.dumps, the handler of SIGTERM, the working directory, the umask"
    assert imported == f"It changed {changed} and 2 more for the whole process when it was imported; that was undone."
    assert registered.startswith("It changed FastMCP.list_tools for the whole process when it registered its tools")


def test_a_plugin_that_hangs_before_the_server_runs_is_interrupted(
    pack_host: Callable[..., PluginHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal ends what sleeps or waits within a second, and the next plugin has its turn."""
    monkeypatch.setenv("SLEEPER_SECONDS", "60")
    host = pack_host("packhorse-good", "packhorse-sleeper", "packhorse-waits")
    build_server(host)
    assert host.loaded == ["good"]
    for name, doing in (("sleeper", "registered its tools"), ("waits", "was imported")):
        record = host.record(name)
        assert f"It failed when it {doing}: it did nothing but wait for 0.9 seconds" in record.error
        assert "PACKHORSE_IMPORT_PATIENCE" in record.remedy
        assert record.seconds < 1.5  # 0.9, on a machine that others use too
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_plugin_that_is_busy_for_too_long_costs_its_time_once(
    pack_host: Callable[..., PluginHost], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Later starts give that version as long as one that waits, until it is done by then or enabled."""
    allowance = {"data_dir": tmp_path / "data", "import_deadline": 1.5, "import_patience": 0.3}
    monkeypatch.setenv("SLEEPER_BUSY", "60")
    host = pack_host("packhorse-sleeper", settings=CoreSettings(**allowance))

    def again() -> PluginRecord:
        later = PluginHost(host.core_settings, candidates=[found], variables={})
        later.load()
        build_server(later)
        return later.record("sleeper")

    (found,) = host.candidates
    build_server(host)
    first = host.record("sleeper")
    assert "it took longer than 1.5 seconds" in first.error
    assert "PACKHORSE_IMPORT_DEADLINE" in first.remedy
    second = again()
    assert "it took longer than 0.3 seconds. It has no more, because at an earlier start" in second.error
    assert "packhorse plugins enable sleeper" in second.remedy
    assert second.seconds < 1.2
    assert not overruns.overran(host.core_settings.data_dir, replace(second, version="1.1"), "registered its tools")

    monkeypatch.setenv("SLEEPER_BUSY", "0")
    assert again().loaded
    assert not overruns.forget(host.core_settings.data_dir, "packhorse-sleeper")
    assert not overruns.overran(host.core_settings.data_dir, second, "registered its tools")

    (tmp_path / "data/overruns.json").write_text("{", "utf-8")  # knows nothing, and keeps nobody from starting
    overruns.note(host.core_settings.data_dir, second, "registered its tools")
    assert again().loaded


def test_strict_names_every_plugin_that_is_not_there(pack_host: Callable[..., PluginHost]) -> None:
    """PACKHORSE_STRICT makes the start fail, for CI; a blocked plugin is meant to be out."""
    host = pack_host(
        "packhorse-raises", "packhorse-future", "packhorse-exits", strict=True, block=("exits",), plugins=None
    )
    with pytest.raises(ConfigurationError) as caught:
        build_server(host)
    assert "no such luck" in str(caught.value)
    assert "packhorse-core>=9" in str(caught.value)
    assert "exits" not in str(caught.value)
    assert build_server(host, strict=False) is not None


def test_the_private_attributes_that_the_host_relies_on_exist(pack_host: Callable[..., PluginHost]) -> None:
    """A FastMCP or cyclopts that drops one of them fails here, not in a user's roll-back."""
    server = build_server(pack_host("packhorse-good"))
    known = attributes(server)
    assert {"_transforms", "_additional_http_routes", "_completion_handler", "middleware", "providers"} <= known.keys()
    assert {"_components", "_transforms"} <= attributes(server.local_provider).keys()
    assert {"_request_handlers", "instructions"} <= attributes(server._mcp_server).keys()
    assert set(server.local_provider._components) >= {"tool:greet@", "prompt:polite@", "resource:good://greeting@"}
    assert {"fn", "parameters", "description", "output_schema", "annotations"} <= vars(
        server.local_provider._components["tool:greet@"]
    ).keys()
    assert "_commands" in attributes(App())
