"""The tools on real repositories, hostile ones among them."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from packhorse_git_history import plugin

from packhorse.testing import MakeClient
from packhorse.testing_answers import structured, tool_error

PLUGIN = ("git_history", plugin)


class Repository:
    """A git repository of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--initial-branch=main", ".")

    def git(self, *arguments: str) -> str:
        """Run git as the repository's owner would."""
        identity = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
        }
        environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str, **files: str) -> str:
        """Write files, a dot in their names being `__`, commit them, and return the commit's hash."""
        for name, text in files.items():
            path = self.folder / name.replace("__", ".")
            path.write_text(text, "utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with three commits, one of which renames its file."""
    found = Repository(tmp_path / "kettle")
    found.commit("Begin", boil__py="def boil():\n    return 90\n")
    found.git("mv", "boil.py", "heat.py")
    found.commit("Call it heat\n\nBoiling is what heat does.", README__md="# Kettle\n")
    found.commit("Boil at 100", heat__py="def boil():\n    return 100\n")
    return found


async def test_history_goes_back_beyond_a_renaming(packhorse_client: MakeClient, repository: Repository) -> None:
    async with packhorse_client("indexing", PLUGIN) as client:
        await structured(client, "index_repository", repo_path=str(repository.folder))
        found = await structured(client, "file_history", repository="kettle", file_path="heat.py")
        assert [one["subject"] for one in found["commits"]] == ["Boil at 100", "Call it heat", "Begin"]
        assert found["commits"][1]["body"] == "Boiling is what heat does."
        assert not found["truncated"]
        found = await structured(client, "file_history", repository="kettle", file_path="heat.py", limit=1)
        assert [one["subject"] for one in found["commits"]] == ["Boil at 100"]
        assert found["truncated"]


async def test_a_commit_shows_its_changes(packhorse_client: MakeClient, repository: Repository) -> None:
    head = repository.git("rev-parse", "HEAD")
    async with packhorse_client("indexing", PLUGIN) as client:
        await structured(client, "index_repository", repo_path=str(repository.folder))
        found = await structured(client, "show_commit", repository=str(repository.folder), commit=head[:8])
        assert (found["commit"], found["author"], found["subject"]) == (head, "Ada", "Boil at 100")
        assert "-    return 90" in found["diff"]
        assert "+    return 100" in found["diff"]
        first = repository.git("rev-list", "--max-parents=0", "HEAD")
        found = await structured(client, "show_commit", repository="kettle", commit=first)
        assert "+def boil():" in found["diff"]
        found = await structured(client, "show_commit", repository="kettle", commit=head, file_path="README.md")
        assert found["diff"] == ""


async def test_a_large_commit_is_cut(packhorse_client: MakeClient, repository: Repository) -> None:
    large = repository.commit("Add much", large__txt="a line of text\n" * 600_000)
    settings = {"PACKHORSE_GIT_HISTORY_CHARACTERS": "1000"}
    async with packhorse_client("indexing", PLUGIN, settings=settings) as client:
        await structured(client, "index_repository", repo_path=str(repository.folder))
        found = await structured(client, "show_commit", repository="kettle", commit=large)
    assert len(found["diff"]) == 1000
    assert found["truncated"]


async def test_a_worktree_and_a_folder_inside_have_their_history(
    packhorse_client: MakeClient, repository: Repository, tmp_path: Path
) -> None:
    (repository.folder / "src").mkdir()
    repository.commit("Add a part", **{"src/part__py": "PART = 1\n"})
    repository.git("worktree", "add", "--quiet", str(tmp_path / "worktree"))
    repository.git("pack-refs", "--all")
    async with packhorse_client("indexing", PLUGIN) as client:
        for folder in (tmp_path / "worktree", repository.folder / "src"):
            await structured(client, "index_repository", repo_path=str(folder))
        found = await structured(client, "file_history", repository="worktree", file_path="src/part.py")
        assert [one["subject"] for one in found["commits"]] == ["Add a part"]
        found = await structured(client, "file_history", repository="src", file_path="part.py")
        assert [one["subject"] for one in found["commits"]] == ["Add a part"]


async def test_what_cannot_be_answered_is_said_in_a_sentence(
    packhorse_client: MakeClient, repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/a.py").write_text("A = 1\n", "utf-8")
    async with packhorse_client("indexing", PLUGIN) as client:
        await structured(client, "index_repository", repo_path=str(repository.folder))
        await structured(client, "index_repository", repo_path=str(tmp_path / "plain"))
        for arguments, code in (
            ({"repository": "elsewhere", "file_path": "a"}, "not_found"),
            ({"repository": "plain", "file_path": "a.py"}, "not_found"),
            ({"repository": "kettle", "file_path": "missing.py"}, "not_found"),
            ({"repository": "kettle", "file_path": "../secret"}, "invalid_input"),
            ({"repository": "kettle", "file_path": "/etc/passwd"}, "invalid_input"),
        ):
            assert (await tool_error(client, "file_history", **arguments)).code == code, arguments
        for commit, code in (("--output=x", "invalid_input"), ("HEAD", "invalid_input"), ("0" * 40, "not_found")):
            error = await tool_error(client, "show_commit", repository="kettle", commit=commit)
            assert error.code == code, commit


async def test_nothing_that_a_repository_configures_is_executed(
    packhorse_client: MakeClient, repository: Repository, tmp_path: Path
) -> None:
    """Drivers, hooks, a pager, fsmonitor, a promisor remote and replaced objects are as if they were not there."""
    head = repository.git("rev-parse", "HEAD")
    marker = tmp_path / "executed"
    run = f"sh -c 'touch {marker}; cat'"
    (repository.folder / ".gitattributes").write_text("* diff=evil filter=evil\n", "utf-8")
    (repository.folder / ".git/info/attributes").write_text("* diff=evil filter=evil\n", "utf-8")
    for name, value in (
        *(("diff.evil.textconv", run), ("diff.evil.command", run), ("diff.external", run), ("core.pager", run)),
        *(("filter.evil.clean", run), ("filter.evil.smudge", run), ("core.fsmonitor", run), ("core.sshCommand", run)),
        *(("gpg.program", run), ("log.showSignature", "true"), ("extensions.partialClone", "origin")),
        *(("remote.origin.url", f"ext::{run}"), ("remote.origin.promisor", "true"), ("protocol.ext.allow", "always")),
        *(("alias.log", f"!{run}"), ("core.alternateRefsCommand", run)),
    ):
        with (repository.folder / ".git/config").open("a", encoding="utf-8") as config:
            section, _, key = name.rpartition(".")
            first, _, rest = section.partition(".")
            heading = f'[{first} "{rest}"]' if rest else f"[{first}]"
            quoted = value.replace('"', '\\"')
            config.write(f'{heading}\n\t{key} = "{quoted}"\n')
    async with packhorse_client("indexing", PLUGIN) as client:
        await structured(client, "index_repository", repo_path=str(repository.folder))
        marker.unlink(missing_ok=True)
        await structured(client, "file_history", repository="kettle", file_path="heat.py")
        found = await structured(client, "show_commit", repository="kettle", commit=head)
        await tool_error(client, "show_commit", repository="kettle", commit="1" * 40)
    assert "+    return 100" in found["diff"]
    assert not marker.exists()


async def test_control_characters_of_authors_are_escaped(packhorse_client: MakeClient, repository: Repository) -> None:
    evil = repository.commit("Clear \x1b[2J the screen", heat__py="\x1b]0;title\x07\n")
    async with packhorse_client("indexing", PLUGIN) as client:
        await structured(client, "index_repository", repo_path=str(repository.folder))
        found = await structured(client, "show_commit", repository="kettle", commit=evil)
    assert "\x1b" not in found["subject"] + found["diff"]
    assert "\\x1b[2J" in found["subject"]


async def test_what_changed_lately_comes_first_among_equals(packhorse_client: MakeClient, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "teapot")
    for number, name in enumerate(("one", "six", "two")):
        (repository.folder / name).mkdir()
        repository.commit(f"Add {name}", **{f"{name}/pour__py": f"def pour_tea():\n    return {number}\n"})
    settings = {"PACKHORSE_GIT_HISTORY_RECENT": "1"}
    async with packhorse_client("indexing", "search", PLUGIN, settings=settings) as client:
        await structured(client, "index_repository", repo_path=str(repository.folder))
        places: list[str] = []
        for _ in range(100):  # the first searches do not wait for git
            found = await structured(client, "search_code", query="pour tea")
            places = [one["file_path"] for one in found["results"]]
            if places[0] == "two/pour.py":
                break
            await asyncio.sleep(0.1)
        assert places[0] == "two/pour.py"
        assert "git_history" in found["results"][0]["why"]
        assert "git_history" not in found["results"][1]["why"]
