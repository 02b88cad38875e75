"""What is read of a repository, hostile ones included: nothing is run, nothing blocks, nothing leaks."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from packhorse.errors import InvalidInputError, NotFoundError
from packhorse_tasks.repositories import Head, missing_references, read_head, resolve_repository

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

HASH = "0123456789abcdef0123456789abcdef01234567"


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    options = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *options, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a.txt").write_text("a")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_branch_and_commit_are_read(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert read_head(repository) == Head("main", commit)
    git(repository, "switch", "-qc", "feature/ünder-1")
    assert read_head(repository) == Head("feature/ünder-1", commit)
    git(repository, "pack-refs", "--all")
    assert read_head(repository) == Head("feature/ünder-1", commit)
    git(repository, "checkout", "-q", "--detach")
    assert read_head(repository) == Head(None, commit)


def test_a_worktree_is_read_through_its_pointer(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    commit = git(repository, "rev-parse", "HEAD")
    assert read_head(tmp_path / "side") == Head("side", commit)
    git(repository, "pack-refs", "--all")
    assert read_head(tmp_path / "side") == Head("side", commit)


def test_before_the_first_commit_there_is_a_branch_only(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert read_head(tmp_path) == Head("main", None)


def test_a_folder_without_git_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"has no \.git"):
        read_head(tmp_path)


@pytest.mark.parametrize(
    "head", ["ref: refs/heads/../../../../etc/passwd", "ref: /etc/passwd", "garbage", "", "ref: refs/heads/a b"]
)
def test_a_head_that_is_no_head_is_refused(repository: Path, head: str) -> None:
    (repository / ".git" / "HEAD").write_text(head)
    with pytest.raises(NotFoundError, match="cannot be read"):
        read_head(repository)


def test_a_head_that_is_a_pipe_a_folder_or_endless_does_not_hold_us(repository: Path) -> None:
    head = repository / ".git" / "HEAD"
    head.unlink()
    os.mkfifo(head)
    with pytest.raises(NotFoundError, match="cannot be read"):
        read_head(repository)
    head.unlink()
    head.symlink_to("/dev/zero")
    with pytest.raises(NotFoundError, match="cannot be read"):
        read_head(repository)


def test_a_reference_that_holds_something_else_gives_no_commit(repository: Path) -> None:
    (repository / ".git" / "refs" / "heads" / "main").unlink()
    (repository / ".git" / "refs" / "heads" / "main").symlink_to("/etc/passwd")
    (repository / ".git" / "packed-refs").write_text(f"# pack-refs with: peeled\n{HASH} refs/heads/other\n^{HASH}\n")
    assert read_head(repository) == Head("main", None)
    (repository / ".git" / "packed-refs").write_text(f"{HASH} refs/heads/main\n")
    assert read_head(repository) == Head("main", HASH)


def test_nothing_of_the_repository_is_run(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    (repository / ".git" / "config").write_text(f"[core]\n\tfsmonitor = touch {trap}\n\tsshCommand = touch {trap}\n")
    assert read_head(repository).branch == "main"
    assert not trap.exists()


def test_a_repository_is_an_absolute_folder(tmp_path: Path) -> None:
    assert resolve_repository(str(tmp_path / ".")) == tmp_path.resolve()
    (tmp_path / "file").touch()
    for path, error, sentence in (
        ("relative", InvalidInputError, "is not absolute"),
        ("~/x", InvalidInputError, "is not absolute"),
        (str(tmp_path / "missing"), NotFoundError, "is no folder"),
        (str(tmp_path / "file"), NotFoundError, "is no folder"),
        ("/" + "x" * 5000, InvalidInputError, "characters"),
        ("/" + "x" * 4000, NotFoundError, "is no folder"),
        ("/a\0b", InvalidInputError, "NUL"),
    ):
        with pytest.raises(error, match=sentence):
            resolve_repository(path)


def test_references_that_do_not_exist_are_told(tmp_path: Path) -> None:
    (tmp_path / "there.md").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    assert missing_references(str(tmp_path), ["there.md", "dangling", "gone.md"]) == ["gone.md"]
    assert missing_references(str(tmp_path / "gone"), ["a"]) == []
    assert missing_references("", ["a"]) == []


async def test_the_tools_read_the_head_on_request_and_flag_missing_references(
    packhorse_client, repository: Path, tmp_path: Path
) -> None:
    async with packhorse_client("tasks") as client:
        created = await client.call_tool(
            "create_task", {"title": "T", "repo_path": str(repository), "planning_references": ["a.txt", "b.txt"]}
        )
        task = created.structured_content
        assert task["missing_references"] == ["b.txt"]
        assert (task["branches"], task["commits"]) == ([], [])
        updated = await client.call_tool("update_task", {"task_id": task["id"], "read_head": True})
        task = updated.structured_content
        assert (task["branches"], task["commits"]) == (["main"], [git(repository, "rev-parse", "HEAD")])
        other = (await client.call_tool("create_task", {"title": "T"})).structured_content
        for arguments, sentence in (
            ({"read_head": True}, "needs to know the repository"),
            ({"read_head": True, "repo_path": str(tmp_path)}, "has no .git"),
            ({"repo_path": "x"}, "is not absolute"),
        ):
            answer = await client.call_tool("update_task", {"task_id": other["id"], **arguments}, raise_on_error=False)
            assert answer.is_error
            assert sentence in answer.content[0].text
        cleared = await client.call_tool("update_task", {"task_id": task["id"], "repo_path": ""})
        assert cleared.structured_content["repository"] is None
