"""What the pyproject files promise: one version, declared imports, one list of tools, the licence in each member."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import packhorse

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
# Who answers for a module, where the distribution that holds its files is another's part.
OWNERS = {
    "fastmcp": ["fastmcp"],
    "packhorse": ["packhorse-core"],
    "psycopg_pool": ["psycopg"],
    "pydantic_core": ["pydantic"],
}
MEMBERS = ["core", "plugins/indexing", "plugins/search", "plugins/tasks"]


def pyproject(folder: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))


def group(name: str) -> set[str]:
    """The requirements of a dependency group, with those of the groups that it includes."""
    found: set[str] = set()
    for item in pyproject(".")["dependency-groups"][name]:
        found |= {item} if isinstance(item, str) else group(item["include-group"])
    return found


def bundle_requirements(folder: Path) -> list[str]:
    """What hatch_build.py makes of a checkout in `folder`."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    metadata: dict[str, Any] = {"version": "1.2.3"}
    module.BundleRequirements(str(folder), {}).update(metadata)
    requirements = metadata["dependencies"]
    assert isinstance(requirements, list)
    return requirements


def test_everything_carries_one_version() -> None:
    """The bundle pins its members to its own version, so they are released together."""
    versions = {folder: pyproject(folder)["project"]["version"] for folder in [".", *MEMBERS]}
    assert set(versions.values()) == {packhorse.__version__}, versions


def test_a_checkout_installs_the_members_that_lie_beside_the_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install .` must install what the reader sees, not what an index holds."""
    monkeypatch.delenv("PACKHORSE_RELEASE", raising=False)
    assert bundle_requirements(ROOT)[0] == "packhorse-core @ {root:uri}/core"
    assert all("@ {root:uri}/" in requirement for requirement in bundle_requirements(ROOT))


def test_a_release_names_the_members_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index refuses `file://` requirements."""
    monkeypatch.setenv("PACKHORSE_RELEASE", "1")
    assert "packhorse-core==1.2.3" in bundle_requirements(ROOT)


def test_a_source_distribution_names_the_members_by_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds no members, and whoever builds from it has no reason to set a variable."""
    monkeypatch.delenv("PACKHORSE_RELEASE", raising=False)
    assert all("==1.2.3" in requirement for requirement in bundle_requirements(tmp_path))


def test_the_bundle_names_every_member(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that is forgotten in hatch_build.py would not be installed."""
    monkeypatch.setenv("PACKHORSE_RELEASE", "1")
    named = {Requirement(requirement).name for requirement in bundle_requirements(ROOT)}
    assert named == {pyproject(folder)["project"]["name"] for folder in MEMBERS}
    assert named == set(pyproject(".")["tool"]["uv"]["sources"])


def test_requirements_dev_is_the_dependency_group_for_plain_pip() -> None:
    """Two lists for two installers, and one truth."""
    lines = (ROOT / "requirements-dev.txt").read_text("utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert {line for line in wanted if not line.startswith("-e")} == group("dev")
    assert [line for line in wanted if line.startswith("-e")] == [f"-e ./{folder}" for folder in MEMBERS]


@pytest.mark.parametrize("folder", MEMBERS)
def test_a_member_carries_the_licence_and_names_who_and_what_it_is(folder: str) -> None:
    """Each distribution is a whole one, for whoever installs it without the others."""
    project = pyproject(folder)["project"]
    assert (ROOT / folder / "LICENSE").read_text("utf-8") == (ROOT / "LICENSE").read_text("utf-8")
    assert project["license"] == "MIT"
    assert project["license-files"] == ["LICENSE"]
    assert project["requires-python"] == ">=3.11"
    assert len((ROOT / folder / "README.md").read_text("utf-8")) > 200


def requirement_names(folder: str) -> set[str]:
    """The distributions that a member requires, always or with one of its extras, and what those of ours require."""
    project = pyproject(folder)["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project.get("optional-dependencies", {}).values() for line in extra),
    ]
    names = {canonicalize_name(Requirement(line).name) for line in lines}
    ours = {pyproject(member)["project"]["name"]: member for member in MEMBERS}
    return names.union(*(requirement_names(ours[name]) & ours.keys() for name in names & ours.keys()))


def imported_packages(folder: str) -> dict[str, set[str]]:
    """The top-level packages outside the standard library that a member imports, with the files that do."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / folder / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for name in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names):
                found.setdefault(name, set()).add(path.name)
    return found


@pytest.mark.parametrize("folder", MEMBERS)
def test_a_member_declares_what_it_imports(folder: str) -> None:
    """It works by itself, not by the luck of what its dependencies bring today.

    A plugin may use what the core requires, for the core's interface is made of it: FastMCP, cyclopts, pydantic,
    psycopg. pytest is imported by packhorse.testing alone, which pytest itself loads.
    """
    declared = requirement_names(folder) | requirement_names("core") | {"pytest"}
    distributions = packages_distributions()
    undeclared = {
        name: files
        for name, files in imported_packages(folder).items()
        if not declared & {canonicalize_name(owner) for owner in OWNERS.get(name, distributions.get(name, [name]))}
        and (ROOT / folder / "src" / name) not in (ROOT / folder / "src").iterdir()
    }
    assert not undeclared


def test_dependencies_are_pinned_where_a_newer_one_has_hurt_and_bounded_below_everywhere() -> None:
    """fastmcp to the minor that is tested, psycopg and tree-sitter from where they neither hang nor crash."""
    requirements = {Requirement(line).name: Requirement(line) for line in pyproject("core")["project"]["dependencies"]}
    assert str(requirements["fastmcp"].specifier) in {"<4.2,>=4.1.2", ">=4.1.2,<4.2"}
    assert not requirements["fastmcp"].specifier.contains("4.2.0")
    assert not requirements["psycopg"].specifier.contains("3.3.5")
    assert requirements["psycopg"].extras == {"binary", "pool"}
    assert not requirements["pluggy"].specifier.contains("1.6.0")
    indexing = {
        Requirement(line).name: Requirement(line) for line in pyproject("plugins/indexing")["project"]["dependencies"]
    }
    assert not indexing["tree-sitter"].specifier.contains("0.26.0")
    for folder in MEMBERS:
        for line in pyproject(folder)["project"]["dependencies"]:
            assert re.search(r">=|==|~=", line), f"{folder}: {line} has no lower bound"
