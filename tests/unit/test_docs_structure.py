"""The tree is the architecture: who may import whom, how long a file may be, what every package ships."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
SOURCES = {
    "packhorse": ROOT / "core/src/packhorse",
    "packhorse_indexing": ROOT / "plugins/indexing/src/packhorse_indexing",
    "packhorse_search": ROOT / "plugins/search/src/packhorse_search",
    "packhorse_tasks": ROOT / "plugins/tasks/src/packhorse_tasks",
}
LONGEST_FILE = 400  # lines


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.split(".")[0]


def imports_anywhere(package: str) -> dict[str, list[str]]:
    """The packages that a package imports, wherever in its files, with the places."""
    found: dict[str, list[str]] = {}
    for path in python_files(SOURCES[package]):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for name in imported(node):
                found.setdefault(name, []).append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    return found


@pytest.mark.parametrize(
    ("package", "above"),
    [
        ("packhorse", {"packhorse_indexing", "packhorse_search", "packhorse_tasks"}),
        ("packhorse_indexing", {"packhorse_search", "packhorse_tasks"}),
        ("packhorse_search", {"packhorse_tasks"}),
    ],
)
def test_no_import_runs_upward(package: str, above: set[str]) -> None:
    """Core knows no plugin, and indexing knows neither search nor tasks."""
    upward = {name: places for name, places in imports_anywhere(package).items() if name in above}
    assert not upward


def test_tasks_stands_by_itself() -> None:
    """It uses indexing and search where they are installed, and imports them only there, inside functions."""
    for path in python_files(SOURCES["packhorse_tasks"]):
        tree = ast.parse(path.read_text("utf-8"))
        at_import = {name for node in tree.body for name in imported(node)}
        assert not {"packhorse_indexing", "packhorse_search"} & at_import, path.name


@pytest.mark.parametrize("package", SOURCES)
def test_imports_inside_a_package_are_absolute_and_reach_no_tests(package: str) -> None:
    """A reader sees where a name comes from, and nothing shipped depends on what is not."""
    for path in python_files(SOURCES[package]):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}:{node.lineno} is a relative import"
    assert not {"tests", "core", "plugins", "conftest"} & imports_anywhere(package).keys()


def test_no_file_is_longer_than_the_style_allows() -> None:
    """A file of more than 400 lines holds more than one concept."""
    folders = [*SOURCES.values(), ROOT / "tests", ROOT / "examples", ROOT / "benchmarks"]
    files = [path for folder in folders for path in python_files(folder)] + sorted(ROOT.glob("*.py"))
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in files}
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FILE}


@pytest.mark.parametrize("package", SOURCES)
def test_every_module_says_in_its_first_line_what_belongs_in_it(package: str) -> None:
    """The folder tree is the architecture, and the docstrings are its signs."""
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files(SOURCES[package])
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert not silent


@pytest.mark.parametrize("package", SOURCES)
def test_every_package_ships_its_types(package: str) -> None:
    """`py.typed` stands in each import package, so that type checkers read our annotations."""
    assert (SOURCES[package] / "py.typed").is_file()


@pytest.mark.parametrize("plugin", ["packhorse_indexing", "packhorse_search", "packhorse_tasks"])
def test_a_plugin_module_imports_only_cheap_things_at_module_level(plugin: str) -> None:
    """`packhorse --help` imports every plugin module; what is slow to import waits for the hook that needs it."""
    slow = {"fastmcp", "mcp", "numpy", "psycopg", "psycopg_pool", "pgvector", "tree_sitter", "httpx"}
    tree = ast.parse((SOURCES[plugin] / "plugin.py").read_text("utf-8"))
    assert not slow & {name for node in tree.body for name in imported(node)}
