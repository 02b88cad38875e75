"""Specification of the probe, run here instead of in its process: what it sees of a plugin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from packhorse.authoring.check import probe, start
from packhorse.authoring.check.facts import Facts
from packhorse.authoring.check.target import resolve
from packhorse.deprecations import Deprecation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fix_authoring import Folder

pytestmark = pytest.mark.integration


@pytest.fixture
def probed(plugin_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Facts]]:
    """Probe the plugin's folder in this process."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PACKHORSE_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()

    def run() -> Facts:
        out = tmp_path / "facts.json"
        probe.main(str(plugin_folder.path), "notes", str(out))
        return Facts.read(out.read_text("utf-8"))

    yield run
    for name in [name for name in sys.modules if name.startswith("packhorse_notes")]:
        del sys.modules[name]


def test_everything_that_it_registers_is_seen_with_its_place(
    probed: Callable[[], Facts], plugin_folder: Folder
) -> None:
    facts = probed()
    assert facts.fault == ""
    assert sorted(tool.name for tool in facts.tools) == ["notes_add", "notes_find"]
    assert set(facts.hooks) == {"register_settings", "register_migrations", "register_tools", "register_instructions"}
    assert [setting.name for setting in facts.settings] == ["longest"]
    assert facts.migrations == [str(plugin_folder.file("migrations"))]
    for place, name in ((facts.tools[0].place, "tools.py"), (facts.settings_place, "settings.py")):
        assert place.path == str(plugin_folder.file(name))
        assert place.line > 1
    assert {"search_code", "create_task"} <= facts.foreign_tools.keys()


def test_a_plugin_that_does_not_load_has_a_fault(probed: Callable[[], Facts], plugin_folder: Folder) -> None:
    plugin_folder.replace("plugin.py", "import hookimpl\n", "import hookimpl\n\nraise RuntimeError('no')\n")
    facts = probed()
    assert "RuntimeError: no" in facts.fault
    assert facts.remedy
    assert not facts.tools


def test_what_is_deprecated_and_what_is_missing_is_told(
    plugin_folder: Folder, probed: Callable[[], Facts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An implementation of a hook that goes is a warning, tools without instructions are worth a word."""
    going = Deprecation("register_settings", "0.2", "0.4", "use another.")
    monkeypatch.setattr("packhorse.deprecations.DEPRECATIONS", (going,))
    facts = probed()
    del facts.hooks["register_instructions"]
    (target,) = resolve(str(plugin_folder.path))
    assert {one.rule: one.severity for one in start.check(target, facts)} == {
        "deprecated": "warning",
        "instructions": "advice",
    }
