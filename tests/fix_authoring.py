"""A plugin's source folder for tests of `packhorse check`, and an installed pack whose tools change."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fix_packs import write_metadata
from packhorse.authoring.check.review import review
from packhorse.authoring.scaffold import new_plugin
from packhorse.discovery import discover
from packhorse.plugins import PluginHost
from packhorse.settings import CoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from packhorse.authoring.check.review import Review


@pytest.fixture(scope="session")
def _pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_plugin("notes", tmp_path_factory.mktemp("pristine"))


class Folder:
    """The folder of a new plugin, to be spoilt."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: str) -> Path:
        """Return a file of the package by its path within it, or of the folder."""
        inside = self.path / "src/packhorse_notes" / name
        return inside if inside.exists() or not (self.path / name).exists() else self.path / name

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace text that must be there."""
        text = self.file(name).read_text("utf-8")
        assert old in text, f"{name} has no {old!r}"
        self.file(name).write_text(text.replace(old, new), "utf-8")

    def write(self, name: str, text: str) -> None:
        """Write a file of the package."""
        self.file(name).write_text(text, "utf-8")

    def review(self) -> Review:
        """Review the folder."""
        (found,) = review(str(self.path))
        return found


@pytest.fixture
def plugin_folder(_pristine: Path, tmp_path: Path) -> Folder:
    """A new plugin's folder, as `packhorse new-plugin notes` writes it."""
    return Folder(Path(shutil.copytree(_pristine, tmp_path / "packhorse-notes")))


TOOLS = """
from packhorse import hookimpl

@hookimpl
def register_tools(mcp):
{tools}
"""
TOOL = '''
    @mcp.tool
    async def {name}(text: str) -> str:
        """{description}"""
        return text
'''


@pytest.fixture
def release(site: Path, tmp_path: Path) -> Callable[..., PluginHost]:
    """Install a release of `packhorse-changing` with these tools and return a loaded host that sees it alone.

    What stands in `source` comes after them in its module.
    """

    def install(
        version: str, /, distribution: str = "packhorse-changing", source: str = "", **tools: str
    ) -> PluginHost:
        for old in site.glob("*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        sys.modules.pop("packhorse_changing", None)
        body = "".join(TOOL.format(name=name, description=text) for name, text in tools.items()) or "    pass"
        (site / "packhorse_changing.py").write_text(TOOLS.format(tools=body) + source, "utf-8")
        write_metadata(
            site / f"{distribution.replace('-', '_')}-{version}.dist-info",
            name=distribution,
            version=version,
            entry_points={"changing": "packhorse_changing"},
        )
        sys.path_importer_cache.clear()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        try:
            candidates = [one for one in discover() if one.location == str(site)]
            host = PluginHost(CoreSettings(data_dir=tmp_path / "data"), candidates=candidates, variables={})
            host.load()
        finally:
            sys.dont_write_bytecode = before
        return host

    return install
