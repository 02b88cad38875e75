"""`index_repository`, the resources and the commands, as clients and people use them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_index import Repository
    from packhorse.testing import MakeClient, MakeStdioClient

INDEX_TOOLS = {"index_repository", "get_indexing_status", "cancel_indexing", "list_repositories", "remove_repository"}

pytestmark = pytest.mark.integration


@pytest.fixture
def repository(make_repository: Callable[..., Repository]) -> Repository:
    made = make_repository().init()
    made.write("code.py", "def code():\n    return 1\n")
    made.commit()
    return made


async def test_the_tool_answers_with_the_contracts_fields(
    packhorse_stdio: MakeStdioClient, repository: Repository
) -> None:
    """Over a real pipe, with a real worker beside the server."""
    async with packhorse_stdio("indexing") as client:
        answer = await client.call_tool("index_repository", {"repo_path": str(repository)})
        data = answer.structured_content
        assert data is not None
        assert (data["status"], data["files_indexed"], data["chunks_created"], data["errors"]) == ("success", 1, 1, [])
        assert data["duration_seconds"] > 0
        listed = json.loads((await client.read_resource("packhorse://repositories"))[0].text)
        assert [one["repository_id"] for one in listed] == [data["repository_id"]]
        [one] = await client.read_resource(f"packhorse://repositories/{data['repository_id']}")
        assert json.loads(one.text)["files_indexed"] == 1


async def test_the_schema_names_the_contracts_parameters(packhorse_client: MakeClient) -> None:
    async with packhorse_client("indexing") as client:
        tools = {tool.name: tool for tool in await client.list_tools()}
        assert set(tools) == INDEX_TOOLS
        schema = tools["index_repository"].input_schema
        assert set(schema["properties"]) == {"repo_path", "force_reindex"}
        assert schema["required"] == ["repo_path"]


async def test_progress_is_told_while_the_client_waits(packhorse_client: MakeClient, repository: Repository) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async with packhorse_client("indexing") as client:
        await client.call_tool("index_repository", {"repo_path": str(repository)}, progress_handler=hear)
    assert told
    assert all(total == 100 for _, total, _ in told)


async def test_a_bad_path_is_a_tool_error_that_says_what_to_do(packhorse_client: MakeClient, tmp_path: Path) -> None:
    async with packhorse_client("indexing") as client:
        for path, expected in (
            ("relative/path", "not absolute"),
            (str(tmp_path / "none"), "no folder"),
            ("/etc", "system"),
        ):
            answer = await client.call_tool("index_repository", {"repo_path": path}, raise_on_error=False)
            assert answer.is_error
            assert expected in answer.content[0].text


async def test_a_wait_that_ends_first_answers_running(packhorse_client: MakeClient, repository: Repository) -> None:
    async with packhorse_client("indexing", settings={"PACKHORSE_INDEXING_WAIT_SECONDS": "0"}) as client:
        answer = await client.call_tool("index_repository", {"repo_path": str(repository)})
        assert answer.structured_content["status"] == "running"
        assert answer.structured_content["job_id"]
        for _ in range(200):
            answer = await client.call_tool("index_repository", {"repo_path": str(repository)})
            [listed] = json.loads((await client.read_resource("packhorse://repositories"))[0].text)
            if listed["status"] == "success":
                break
            await asyncio.sleep(0.05)
        assert listed["files_indexed"] == 1


def run(environment: dict[str, str], *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "packhorse", *arguments],
        env=environment | {"PACKHORSE_PLUGINS": "packhorse-indexing"},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        check=False,
    )


def test_the_commands_index_list_and_forget(packhorse_environment: dict[str, str], repository: Repository) -> None:
    done = run(packhorse_environment, "index", ".", "--json", cwd=repository.root)
    assert done.returncode == 0, done.stderr
    indexed = json.loads(done.stdout)
    assert (indexed["status"], indexed["files_indexed"]) == ("success", 1)
    listed = json.loads(run(packhorse_environment, "repositories", "--json").stdout)
    assert [one["path"] for one in listed["repositories"]] == [str(repository)]
    table = run(packhorse_environment, "repositories")
    assert str(repository) in table.stdout
    forgotten = run(packhorse_environment, "forget", ".", "--json", cwd=repository.root)
    assert json.loads(forgotten.stdout)["repository_id"] == indexed["repository_id"]
    assert json.loads(run(packhorse_environment, "repositories", "--json").stdout)["total_count"] == 0
    assert run(packhorse_environment, "forget", "project").returncode == 1


def test_an_index_that_fails_exits_with_1_and_its_reason(
    packhorse_environment: dict[str, str], make_repository: Callable[..., Repository]
) -> None:
    failed = run(packhorse_environment, "index", str(make_repository("empty")))
    assert failed.returncode == 1
    assert "no file to index" in failed.stdout


def test_people_are_told_in_words(packhorse_environment: dict[str, str], repository: Repository) -> None:
    done = run(packhorse_environment, "index", str(repository))
    assert "is indexed: 1 files indexed" in done.stdout
    assert "Nothing is indexed" not in run(packhorse_environment, "repositories").stderr


@pytest.mark.slow
def test_ctrl_c_stops_the_job_after_its_batch(
    packhorse_environment: dict[str, str], make_repository: Callable[..., Repository]
) -> None:
    import shutil
    import time

    import fastmcp

    large = make_repository("large")
    source = Path(fastmcp.__file__).parent
    for number in range(3):
        shutil.copytree(source, large.root / f"copy{number}", ignore=shutil.ignore_patterns("__pycache__"))
    for number, file in enumerate(large.root.rglob("*.py")):
        file.write_text(f"# {number}\n" + file.read_text())
    process = subprocess.Popen(
        [sys.executable, "-m", "packhorse", "index", str(large)],
        env=packhorse_environment | {"PACKHORSE_PLUGINS": "packhorse-indexing"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with psycopg.connect(packhorse_environment["DATABASE_URL"], autocommit=True) as connection:
        for _ in range(1200):
            try:
                if connection.execute("SELECT 1 FROM indexing.job WHERE worker IS NOT NULL").fetchone():
                    break
            except psycopg.errors.UndefinedTable:
                pass
            time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run it again to go on" in error


async def test_a_client_that_vanishes_does_not_stop_the_job(run_index: Any, repository: Repository) -> None:
    async with run_index() as indexing:
        request = asyncio.create_task(indexing.index.index(str(repository)))
        while not await indexing.query("SELECT FROM indexing.job"):
            await asyncio.sleep(0.01)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        for _ in range(400):
            [[status]] = await indexing.query("SELECT status FROM indexing.job")
            if status == "success":
                break
            await asyncio.sleep(0.05)
        assert status == "success"
