"""docs/hooks.md describes every hook, with its exact signature, and none that does not exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

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
