"""Specification of what real clients see: the official Python and TypeScript SDKs over a real stdio pipe."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

if TYPE_CHECKING:
    from mcp_types import CallToolResult

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SIX_TOOLS = {"index_repository", "search_code", "create_task", "get_task", "list_tasks", "update_task"}
OURS = "packhorse-indexing,packhorse-search,packhorse-tasks"
NODE = Path(__file__).parent / "node"

CODE = '''"""Parsing of opening hours."""


def parse_opening_hours(text: str) -> list[tuple[int, int]]:
    """Turn `Mo-Fr 09:00-17:00` into spans of minutes of the week."""
    return []


class Kettle:
    """Boils water."""

    def boil(self, litres: float) -> float:
        return litres * 4186 * 80
'''


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "hours.py").write_text(CODE)
    (folder / "README.md").write_text("# Kettles\n\nOpening hours of shops that sell kettles.\n")
    return folder


def content(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


@pytest.mark.parametrize(
    "command", [[sys.executable, "-m", "packhorse"], [str(Path(sys.executable).with_name("packhorse"))]]
)
async def test_the_python_sdk_indexes_searches_and_keeps_a_task(
    packhorse_environment: dict[str, str], repository: Path, command: list[str]
) -> None:
    program, *arguments = command
    parameters = StdioServerParameters(
        command=program, args=[*arguments, "serve"], env={**packhorse_environment, "PACKHORSE_PLUGINS": OURS}
    )
    async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
        await session.initialize()
        assert {tool.name for tool in (await session.list_tools()).tools} >= SIX_TOOLS
        indexed = content(await session.call_tool("index_repository", {"repo_path": str(repository)}))
        assert indexed["status"] == "success"
        assert indexed["files_indexed"] == 2
        question = {"query": "where are opening hours parsed", "repository_id": indexed["repository_id"]}
        found = content(await session.call_tool("search_code", question))
        best = found["results"][0]
        assert best["file_path"] == "hours.py"
        assert "parse_opening_hours" in best["content"]
        task = content(await session.call_tool("create_task", {"title": "Parse lunch breaks"}))
        assert task["status"] == "need to be done"
        changed = content(await session.call_tool("update_task", {"task_id": task["id"], "status": "in-progress"}))
        assert changed["status_history"][-1]["to_status"] == "in-progress"
        listing = content(await session.call_tool("list_tasks", {}))
        assert listing["total_count"] == 1
        wrong = await session.call_tool("get_task", {"task_id": "no-id"})
        assert wrong.is_error


def test_the_typescript_sdk_does_the_same(
    packhorse_environment: dict[str, str], repository: Path, tmp_path: Path
) -> None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path / "node"
    shutil.copytree(NODE, folder)
    subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=300,
    )
    done = subprocess.run(
        ["node", "client.mjs", sys.executable, str(repository)],
        cwd=folder,
        env={**packhorse_environment, "PACKHORSE_PLUGINS": OURS},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer["tools"]) >= SIX_TOOLS
    assert answer["indexed"]["status"] == "success"
    assert answer["found"]["results"][0]["file_path"] == "hours.py"
    assert answer["task"]["status"] == "complete"
    assert answer["wrong"] is True
