"""docs/hooks.md has every hook with its exact signature and no other; each has a user and a test."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from loguru import logger

from packhorse import deprecations, hookimpl
from packhorse.deprecations import Deprecation

if TYPE_CHECKING:
    from collections.abc import Callable

    from packhorse.plugins import PluginHost

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/hooks.md"


def declared_hooks() -> dict[str, str]:
    """The signature of each function marked `hookspec` in the members' sources, by name."""
    signatures: dict[str, str] = {}
    for path in [*ROOT.glob("core/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and any(
                re.match(r"(\w+\.)?hookspec\b", ast.unparse(decorator)) for decorator in node.decorator_list
            ):
                returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
                signatures[node.name] = f"def {node.name}({ast.unparse(node.args)}){returns}"
    return signatures


def documented_hooks() -> dict[str, str]:
    """The text below each third-level heading of the page that is a hook's name in code style."""
    parts = re.split(r"^### `(\w+)`$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_core_declares_its_hooks() -> None:
    """The search for declarations below finds what it must find."""
    assert {"register_tools", "register_settings", "plugin_lifespan"} <= declared_hooks().keys()


@pytest.mark.parametrize("name", sorted(declared_hooks()))
def test_a_hook_has_a_heading_with_its_exact_signature(name: str) -> None:
    """Whoever writes a plugin copies the signature from the page."""
    assert name in documented_hooks(), f"docs/hooks.md has no heading ### `{name}`"
    assert f"```python\n{declared_hooks()[name]}" in documented_hooks()[name]


def test_no_heading_describes_a_hook_that_does_not_exist() -> None:
    """A hook that was renamed or removed leaves the page too."""
    assert documented_hooks().keys() <= declared_hooks().keys()


@pytest.mark.parametrize("name", sorted(declared_hooks()))
def test_a_hook_has_a_docstring(name: str) -> None:
    """The specification says what the hook is for, in one docstring."""
    for path in [*ROOT.glob("core/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == name and "hookspec" in ast.unparse(node):
                assert ast.get_docstring(node)


def implementations(*patterns: str) -> set[str]:
    """The names of functions below `hookimpl` in the files that match."""
    found = set()
    for pattern in patterns:
        for path in ROOT.glob(pattern):
            text = path.read_text("utf-8")
            found |= set(re.findall(r"@hookimpl[^\n]*\n(?:\s*@[^\n]*\n)*\s*(?:async )?def (\w+)", text))
    return found


@pytest.mark.parametrize("name", sorted(declared_hooks()))
def test_a_hook_has_a_user(name: str) -> None:
    """A hook that nobody needs is not in the contract."""
    assert name in implementations("plugins/*/src/**/*.py", "examples/*/src/**/*.py")


@pytest.mark.parametrize("name", sorted(declared_hooks()))
def test_a_hook_has_a_test(name: str) -> None:
    """Some test beside this file implements or calls it."""
    tests = [path for path in ROOT.glob("tests/**/test_*.py") if path != Path(__file__)]
    assert any(re.search(rf"\b{name}\b", path.read_text("utf-8")) for path in tests)


class Old:
    """A plugin with a hook that goes."""

    @hookimpl
    def register_instructions(self):
        return "Use me."


def test_a_deprecated_hook_works_and_is_told(
    object_host: Callable[..., PluginHost], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is gone its plugin is only asked to change."""
    going = Deprecation("register_instructions", "0.2", "0.4", "implement register_guidance.")
    argument = Deprecation("register_tools", "0.2", "0.4", "use context.", argument="mcp")
    monkeypatch.setattr(deprecations, "DEPRECATIONS", (going, argument))
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    try:
        host = object_host(Old())
    finally:
        logger.remove(sink)
    assert host.record("old").loaded
    assert [line for line in lines if "register_instructions is deprecated since 0.2" in line]
    assert str(argument).startswith("the argument mcp of register_tools is deprecated")


def test_the_page_lists_what_is_deprecated() -> None:
    """And says so when nothing is."""
    page = (ROOT / "docs/hooks.md").read_text("utf-8")
    for one in deprecations.DEPRECATIONS:
        assert f"`{one.hook}`" in page
        assert one.removed_in in page
    assert bool(deprecations.DEPRECATIONS) != ("Nothing is deprecated at present" in page)
