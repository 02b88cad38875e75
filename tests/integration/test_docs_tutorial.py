"""The tutorial works as it stands: its files, its commands, and the examples that it ends with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from packhorse.authoring.check.review import review

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/writing-plugins.md").read_text("utf-8")
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
FILES = re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(command: str, folder: Path, data: Path) -> None:
    """Run a line of the page as a shell would, in the environment of these tests."""
    ours = ("PYTEST_", "COVERAGE", "COV_", "PACKHORSE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PACKHORSE_DATA_DIR"] = str(data)
    done = subprocess.run(
        ["sh", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_files_of_the_page_are_a_plugin(tmp_path: Path) -> None:
    """Whoever copies them can run the commands below them."""
    assert {name for name, _ in FILES} == {"pyproject.toml", "src/packhorse_hello/__init__.py", "tests/test_hello.py"}
    folder = tmp_path / "packhorse-hello"
    for name, text in [*FILES, ("README.md", "")]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    assert COMMANDS[0].splitlines() == ["pytest", "packhorse check ."]
    run(COMMANDS[0], folder, tmp_path / "data")


def test_the_example_is_what_the_page_ends_with() -> None:
    for name, text in FILES:
        assert (ROOT / "examples/packhorse-hello" / name).read_text("utf-8") == text


def test_the_commands_of_the_page_make_a_whole_package(tmp_path: Path) -> None:
    (whole,) = [block for block in COMMANDS if "new-plugin" in block]
    run(whole, tmp_path, tmp_path / "data")


@pytest.mark.parametrize("folder", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_an_example_passes_its_tests_and_the_review(folder: Path, tmp_path: Path) -> None:
    run("pytest -q -p no:cacheprovider", folder, tmp_path / "data")
    (found,) = review(str(folder))
    assert found.findings == ()


@pytest.mark.parametrize("folder", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_an_example_is_typed(folder: Path, tmp_path: Path) -> None:
    run(f"MYPYPATH=src mypy --strict --explicit-package-bases --cache-dir={tmp_path}/mypy src", folder, tmp_path)


def test_the_examples_work_from_their_wheels(tmp_path: Path) -> None:
    """Built, and laid out by pip in a folder of their own; the server is a process that finds them by discovery."""
    site = tmp_path / "site"
    for folder in EXAMPLES:
        wheels = tmp_path / "wheels"
        run(f"python -m build --wheel --no-isolation --outdir {wheels} {folder}", tmp_path, tmp_path / "data")
    run(
        f"python -m pip install --quiet --no-deps --no-index --target {site} {tmp_path}/wheels/*.whl",
        tmp_path,
        tmp_path,
    )
    script = (
        "import asyncio, os, sys\n"
        "from fastmcp import Client\n"
        "from fastmcp.client.transports import StdioTransport\n"
        "async def main():\n"
        "    server = StdioTransport(sys.executable, ['-m', 'packhorse', 'serve'], env=dict(os.environ))\n"
        "    async with Client(server) as client:\n"
        "        names = {tool.name for tool in await client.list_tools()}\n"
        "        assert {'greet', 'file_history', 'show_commit'} <= names, names\n"
        "        print(await client.call_tool('greet', {'name': 'Ada'}))\n"
        "asyncio.run(main())\n"
    )
    (tmp_path / "client.py").write_text(script, "utf-8")
    run(f"PYTHONPATH={site} python client.py", tmp_path, tmp_path / "data")
    assert not list(site.glob("tests")), "an example installs its tests"
