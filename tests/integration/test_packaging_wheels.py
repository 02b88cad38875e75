"""Every wheel is built, read and installed into a fresh environment: core alone, core and each plugin, everything."""

from __future__ import annotations

import email
import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

# One worker builds and installs, whatever the others do.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.xdist_group("wheels")]

ROOT = Path(__file__).parents[2]
MEMBERS = {
    "packhorse-core": ROOT / "core",
    "packhorse-indexing": ROOT / "plugins/indexing",
    "packhorse-search": ROOT / "plugins/search",
    "packhorse-tasks": ROOT / "plugins/tasks",
}
TASK_TOOLS = {"create_task", "get_task", "list_tasks", "update_task"}
SEARCH_TOOLS = {"search_code", "grep_code", "find_symbol", "outline_code", "similar_code"}
INDEX_TOOLS = {"index_repository", "get_indexing_status", "cancel_indexing", "list_repositories", "remove_repository"}
ALL_TOOLS = TASK_TOOLS | INDEX_TOOLS | SEARCH_TOOLS
LARGEST_WHEEL = 12_000_000  # bytes; the static embedding's table is 7.7 MB of it

LIST_TOOLS = """
import asyncio, json, os, sys
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

async def main():
    server = StdioTransport(sys.executable, ["-m", "packhorse", "serve"], env=dict(os.environ))
    async with Client(server) as client:
        print(json.dumps(sorted(tool.name for tool in await client.list_tools())))

asyncio.run(main())
"""


@dataclass(frozen=True)
class Wheelhouse:
    """The built distributions and the copy of the working tree that they were built from."""

    folder: Path
    checkout: Path

    def wheel(self, name: str) -> Path:
        (found,) = self.folder.glob(f"{name.replace('-', '_')}-[0-9]*.whl")
        return found

    def sdist(self, name: str) -> Path:
        (found,) = self.folder.glob(f"{name.replace('-', '_')}-[0-9]*.tar.gz")
        return found


@dataclass(frozen=True)
class Environment:
    """A virtual environment with nothing in it but what is installed here."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self, wheelhouse: Wheelhouse, *requirements: str) -> None:
        """Install from the built wheels; other distributions come from wherever pip is configured to look."""
        run([
            self.python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check",
            "--find-links", wheelhouse.folder, *requirements,
        ])  # fmt: skip

    def copy(self, folder: Path) -> Environment:
        """Copy the environment by hard links, so that the shared part is installed once."""
        shutil.copytree(self.folder, folder, symlinks=True, copy_function=os.link)
        return Environment(folder)

    def run(self, data_dir: Path, *arguments: str) -> str:
        """Run this environment's Python, with a data folder of its own and none of the tester's settings."""
        ours = ("PACKHORSE_", "DATABASE_URL", "DB_", "LOG_", "PYTHON", "COVERAGE", "COV_")
        variables = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        variables |= {"PACKHORSE_DATA_DIR": str(data_dir), "PACKHORSE_EMBEDDED_GRACE": "0"}
        return run([self.python, *arguments], env=variables, cwd=self.folder)

    def plugins(self, data_dir: Path) -> dict[str, dict[str, Any]]:
        listed = json.loads(self.run(data_dir, "-m", "packhorse", "plugins", "--json"))
        return {record["name"]: record for record in listed["plugins"]}

    def tools(self, data_dir: Path) -> set[str]:
        """What a client over stdio is offered by this environment's server."""
        return set(json.loads(self.run(data_dir, "-c", LIST_TOOLS)))


def run(command: list[Any], **options: Any) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, **options)
    assert done.returncode == 0, f"{' '.join(words[:6])} …\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(source: Path, folder: Path, *options: str, **variables: str) -> None:
    """Build with the hatchling that is installed here, so that nothing is downloaded."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, *options, source]
    run(command, env={**os.environ, **variables})


def metadata(distribution: Path) -> Message:
    """The METADATA of a wheel or the PKG-INFO of a source distribution."""
    if distribution.suffix == ".whl":
        with zipfile.ZipFile(distribution) as wheel:
            (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            return email.message_from_bytes(wheel.read(name))
    with tarfile.open(distribution) as archive:
        (name,) = [name for name in archive.getnames() if name.count("/") == 1 and name.endswith("/PKG-INFO")]
        file = archive.extractfile(name)
        assert file is not None
        return email.message_from_bytes(file.read())


def contents(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    """Each distribution as a release builds it: wheel and source distribution."""
    checkout = tmp_path_factory.mktemp("checkout") / "packhorse"
    ignored = shutil.ignore_patterns(".git", ".venv", ".nox", "__pycache__", "tests", "node_modules", ".*_cache")
    shutil.copytree(ROOT, checkout, ignore=ignored)
    folder = tmp_path_factory.mktemp("wheelhouse")
    for source in [ROOT, *MEMBERS.values()]:
        build(checkout / source.relative_to(ROOT), folder, PACKHORSE_RELEASE="1")
    return Wheelhouse(folder, checkout)


@pytest.fixture(scope="module")
def core_alone(wheelhouse: Wheelhouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An environment with the core and its dependencies only, removed afterwards because it is large."""
    environment = Environment(tmp_path_factory.mktemp("environment") / "core")
    venv.create(environment.folder, with_pip=True, symlinks=True)
    environment.install(wheelhouse, "packhorse-core")
    yield environment
    shutil.rmtree(environment.folder)


@pytest.fixture
def environment(core_alone: Environment, tmp_path: Path) -> Iterator[Environment]:
    """A copy of the environment with the core, to install more into."""
    environment = core_alone.copy(tmp_path / "environment")
    yield environment
    shutil.rmtree(environment.folder)


@pytest.mark.parametrize("name", ["packhorse", *MEMBERS])
def test_nothing_uploadable_requires_a_file(wheelhouse: Wheelhouse, name: str) -> None:
    """An index refuses direct references, in a wheel and in a source distribution."""
    for distribution in [wheelhouse.wheel(name), wheelhouse.sdist(name)]:
        message = metadata(distribution)
        assert message["Name"] == name
        assert not [line for line in message.get_all("Requires-Dist", []) if "@" in line or "file:" in line]


def test_the_bundle_pins_its_members_to_its_own_version(wheelhouse: Wheelhouse) -> None:
    """Five distributions, one release."""
    message = metadata(wheelhouse.wheel("packhorse"))
    assert message.get_all("Requires-Dist") == [f"{name}=={message['Version']}" for name in MEMBERS]


def test_a_bundle_built_from_its_source_distribution_needs_no_variable(wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    """Whoever builds from the index's source distribution gets the same requirements."""
    with tarfile.open(wheelhouse.sdist("packhorse")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    build(source, tmp_path / "out", "--wheel", PACKHORSE_RELEASE="")
    (wheel,) = (tmp_path / "out").glob("*.whl")
    assert metadata(wheel).get_all("Requires-Dist") == metadata(wheelhouse.wheel("packhorse")).get_all("Requires-Dist")


def test_a_bundle_built_in_a_checkout_requires_the_members_beside_it(wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    """`pip install .` installs the code that the reader has before them."""
    build(wheelhouse.checkout, tmp_path, "--wheel", PACKHORSE_RELEASE="")
    (wheel,) = tmp_path.glob("*.whl")
    required = metadata(wheel).get_all("Requires-Dist", [])
    assert required == [
        f"{name} @ {(wheelhouse.checkout / source.relative_to(ROOT)).as_uri()}" for name, source in MEMBERS.items()
    ]


@pytest.mark.parametrize("name", MEMBERS)
def test_a_wheel_holds_its_package_whole_and_nothing_else(wheelhouse: Wheelhouse, name: str) -> None:
    """Types, migrations, data and the licence; no tests, no caches, no stray top-level package."""
    names = contents(wheelhouse.wheel(name))
    package = {"packhorse-core": "packhorse"}.get(name, name.replace("-", "_"))
    assert {path.split("/")[0].split("-")[0] for path in names} == {package, name.replace("-", "_")}
    assert f"{package}/py.typed" in names
    assert any(path.endswith(".dist-info/licenses/LICENSE") for path in names)
    assert not [path for path in names if "__pycache__" in path or "/tests/" in path or path.endswith(".pyc")]
    source = wheelhouse.checkout / MEMBERS[name].relative_to(ROOT) / "src"
    shipped = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert shipped <= set(names)
    assert wheelhouse.wheel(name).stat().st_size < LARGEST_WHEEL


def test_migrations_and_the_embedding_travel_in_the_wheels(wheelhouse: Wheelhouse) -> None:
    """What is not Python is packed too."""
    indexing = contents(wheelhouse.wheel("packhorse-indexing"))
    tasks = contents(wheelhouse.wheel("packhorse-tasks"))
    assert "packhorse_indexing/migrations/0001_index.sql" in indexing
    assert any(path.endswith("static_code_256.npz") for path in indexing)
    assert any(path.startswith("packhorse_tasks/migrations/0001") for path in tasks)


def test_core_alone_starts_and_offers_no_tools(core_alone: Environment, tmp_path: Path) -> None:
    """The host is a whole program without any plugin."""
    assert core_alone.plugins(tmp_path) == {}
    assert core_alone.tools(tmp_path) == set()
    assert "Usage" in core_alone.run(tmp_path, "-m", "packhorse", "--help")


@pytest.mark.parametrize(
    ("name", "plugins", "tools"),
    [
        ("packhorse-indexing", {"indexing"}, INDEX_TOOLS),
        ("packhorse-search", {"indexing", "search"}, INDEX_TOOLS | SEARCH_TOOLS),
        ("packhorse-tasks", {"tasks"}, TASK_TOOLS),
        ("packhorse", {"indexing", "search", "tasks"}, ALL_TOOLS),
    ],
)
def test_core_and_one_distribution_work_by_themselves(
    environment: Environment, wheelhouse: Wheelhouse, tmp_path: Path, name: str, plugins: set[str], tools: set[str]
) -> None:
    """Each brings what it requires, loads, and offers its tools to a client over stdio."""
    environment.install(wheelhouse, name)
    records = environment.plugins(tmp_path / "data")
    assert {plugin: record["status"] for plugin, record in records.items()} == dict.fromkeys(plugins, "loaded")
    assert environment.tools(tmp_path / "data") >= tools
    assert set().union(*(record["tools"] for record in records.values())) >= tools
