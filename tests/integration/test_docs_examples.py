"""The examples in the documents work as they stand: plugins are loaded and called, tests are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from packhorse.testing import MakeClient

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


def python_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "tool", "arguments", "expected"),
    [
        ("docs/hooks.md", "shout", {"text": "hello"}, "HELLO"),
        ("core/README.md", "count_tables", {}, None),
    ],
)
async def test_the_first_plugin_of_a_page_works(
    packhorse_client: MakeClient, page: str, tool: str, arguments: dict[str, str], expected: str | None
) -> None:
    """A plugin that is copied from the page loads, and its tool answers."""
    plugin = ModuleType("example")
    exec(python_blocks(page)[0], plugin.__dict__)
    async with packhorse_client(("example", plugin)) as client:
        answer = await client.call_tool(tool, arguments)
    assert answer.data == expected if expected is not None else answer.data > 0


async def test_the_readme_lists_every_tool_of_ours(packhorse_client: MakeClient) -> None:
    """The table of tools is complete, and each of its tools exists."""
    table = re.search(r"^## The tools$(.*?)^## ", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert table is not None
    async with packhorse_client("indexing", "search", "tasks") as client:
        tools = {tool.name for tool in await client.list_tools()}
    assert set(re.findall(r"^\| `(\w+)` \|", table[1], re.MULTILINE)) == tools


def test_the_examples_of_the_page_pass(tmp_path: Path) -> None:
    """Each python block goes to a file of its own, in a project configured as the page says."""
    text = (ROOT / "docs/testing-plugins.md").read_text("utf-8")
    examples = python_blocks("docs/testing-plugins.md")
    for number, example in enumerate(examples):
        (tmp_path / f"test_example_{number}.py").write_text(example, "utf-8")
    (configuration,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(configuration, "utf-8")
    ours = ("PYTEST_", "COVERAGE")  # the outer run's workers and options are not this one's
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{sum(example.count('def test_') for example in examples)} passed" in done.stdout
