"""Installing the packs of `tests/packs` for one test: what pip would leave behind, without pip and the network."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from packhorse.discovery import Candidate, discover
from packhorse.plugins import PluginHost
from packhorse.settings import CoreSettings
from packhorse.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKS = Path(__file__).parent / "packs"


def lay_out(pack: Path, site: Path) -> None:
    """Install the distribution in the folder `pack` into `site`: its modules and a `.dist-info`."""
    project = tomllib.loads((pack / "pyproject.toml").read_text("utf-8"))["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    installed = []
    for item in pack.iterdir():
        if item.is_dir() and item.name.startswith("packhorse_"):
            shutil.copytree(item, site / item.name)
        elif item.suffix == ".py":
            shutil.copy(item, site)
        installed.append(item.name)
    write_metadata(
        site / f"{stem}.dist-info",
        name=project["name"],
        version=project["version"],
        requires=project.get("dependencies", ()),
        requires_python=project.get("requires-python", ""),
        entry_points=project["entry-points"]["packhorse"],
    )


def write_metadata(
    folder: Path,
    *,
    name: str,
    version: str = "1.0",
    requires: tuple[str, ...] = (),
    requires_python: str = "",
    entry_points: dict[str, str] | None = None,
) -> None:
    """Write a `.dist-info` as installers do."""
    folder.mkdir(parents=True)
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (folder / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")
    points = "".join(f"{key} = {value}\n" for key, value in (entry_points or {}).items())
    (folder / "entry_points.txt").write_text(f"[packhorse]\n{points}", "utf-8")
    (folder / "RECORD").touch()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder on sys.path, first; what is imported during the test is forgotten after it."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    forget_packs()
    yield folder
    forget_packs()


def forget_packs() -> None:
    """Make the packs' modules not imported, wherever a test laid them out."""
    names = {file.stem for file in PACKS.glob("*/*.py")}
    for name, module in list(sys.modules.items()):
        if name in names or Path(getattr(module, "__file__", None) or "/").parent.name == "site":
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Callable[..., Path]:
    """Install packs by their folder's name and return the folder to put on PYTHONPATH."""

    def install(*packs: str) -> Path:
        for pack in packs:
            lay_out(PACKS / pack, site)
        return site

    return install


@pytest.fixture
def pack_host(install: Callable[..., Path], tmp_path: Path) -> Callable[..., PluginHost]:
    """Install packs and return a loaded host that sees them and no other plugins; it has no database."""

    def make(*packs: str, settings: CoreSettings | None = None, **core: object) -> PluginHost:
        site = install(*packs)
        candidates = [candidate for candidate in discover() if candidate.location == str(site)]
        host = PluginHost(
            settings or CoreSettings(data_dir=tmp_path / "data", **core), candidates=candidates, variables={}
        )
        host.load()
        return host

    return make


@pytest.fixture
def object_host(tmp_path: Path) -> Callable[..., PluginHost]:
    """Make a loaded host of the given objects, named by their classes."""

    def make(*plugins: object, requires: tuple[str, ...] = (), variables: dict[str, str] | None = None, **core):
        given = [
            Candidate(name, f"packhorse-{name}", "1.0", "here", plugin=one, requires=requires if at else ())
            for at, one in enumerate(plugins)
            for name in [type(one).__name__.lower()]
        ]
        found = {name: Variable(name, value, "environment") for name, value in (variables or {}).items()}
        host = PluginHost(CoreSettings(data_dir=tmp_path, **core), candidates=given, variables=found)
        host.load()
        return host

    return make
