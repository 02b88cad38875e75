"""What users are told of indexing: how far it is, what it leaves out and why, and how it is stopped and removed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from packhorse.errors import InvalidInputError, NotFoundError
from packhorse_indexing import reports, requests
from packhorse_indexing.requests import StatusRequest
from packhorse_indexing.store.catalog import POOL_LOCK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_index import Repository, RunningIndex
    from packhorse.testing import MakeClient

pytestmark = pytest.mark.integration

SOURCE = "def one():\n    return 1\n"


@pytest.fixture
def varied(make_repository: Callable[..., Repository], tmp_path: Path) -> Repository:
    """A repository with a file for each reason that a file can be left out for."""
    made = make_repository().init()
    made.write("code.py", SOURCE)
    made.write("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    made.write("large.txt", "word " * 500_000)
    made.write("package-lock.json", "{}")
    made.write("bundle.js", "var a=1;" * 4000)
    made.write(".env", "TOKEN=abc")
    made.write("odd.py", b"\xff\xfe" + b"\x00\xd8" * 300)
    made.write("wide.py", SOURCE + "x = " + "1 + " * 2500 + "1\n" + SOURCE * 200)
    made.write(".mcpignore", "# ours\nprivate/\n")
    made.write("private/notes.md", "# Notes\n")
    (made.root / "link.py").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(made.root / "pipe")
    made.write(".gitignore", "*.log\n!keep.log\n/build/\n")
    made.commit()
    made.write("debug.log", "text\n")
    made.write("build/deep/out.txt", "text\n")
    return made


EXPECTED = {
    "picture.png": "binary", "large.txt": "too large", "package-lock.json": "generated", "bundle.js": "generated",
    ".env": "secret", "odd.py": "encoding", "wide.py": "cut by lines", "private/notes.md": "ignored",
    "link.py": "symlink",
}  # fmt: skip


async def test_every_file_that_is_left_out_is_listed_with_its_reason(
    indexing: RunningIndex, varied: Repository
) -> None:
    result = await indexing.index.index(str(varied))
    found = await requests.status(indexing.index, StatusRequest(str(varied), skipped="all"))
    assert {one.path: one.reason for one in found.files or ()} == EXPECTED
    assert dict(result.reasons) == found.skipped
    assert found.skipped["generated"] == 2
    assert sum(found.skipped.values()) == len(EXPECTED)
    assert [one.detail for one in found.files or () if one.path == "wide.py"] == [
        "a line is longer than 8,000 characters"
    ]
    assert found.files_skipped == len(EXPECTED) - 1, "what is cut by lines is indexed"


async def test_the_list_is_read_a_page_at_a_time_and_by_reason(indexing: RunningIndex, varied: Repository) -> None:
    await indexing.index.index(str(varied))
    cursor, seen = None, []
    for _ in range(20):
        page = await requests.status(indexing.index, StatusRequest(str(varied), skipped="all", limit=4, cursor=cursor))
        seen += [one.path for one in page.files or ()]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(EXPECTED)
    large = await requests.status(indexing.index, StatusRequest(str(varied), skipped="too-large"))
    assert [one.path for one in large.files or ()] == ["large.txt"]
    with pytest.raises(InvalidInputError, match=r"'heavy' is no reason.*too large"):
        await requests.status(indexing.index, StatusRequest(str(varied), skipped="heavy"))


EXPLAINED: list[tuple[str, str | None, str]] = [
    ("code.py", None, "indexed as python, 1 chunks"),
    ("wide.py", None, "cut by lines, because a line is longer"),
    ("picture.png", "binary", "not text"),
    ("large.txt", "too large", "PACKHORSE_INDEXING_MAX_FILE_BYTES"),
    (".env", "secret", "never read"),
    ("odd.py", "encoding", "no encoding"),
    ("link.py", "symlink", "not followed"),
    ("link.py/inside", "symlink", "not followed"),
    ("pipe", "special file", "a pipe"),
    ("debug.log", "ignored", "line 1 of .gitignore, '*.log'"),
    ("build/deep/out.txt", "ignored", "line 3 of .gitignore, '/build/', which matches build/"),
    ("build", "ignored", "line 3 of .gitignore"),
    ("private/notes.md", "ignored", "line 2 of .mcpignore, 'private/', which matches private/"),
    (".git/config", "internal", "git's own"),
    ("none/such.py", "missing", "There is no none"),
    ("new.py", "not indexed yet", "index again"),
    ("empty", "not indexed yet", "no file of it"),
    (".", None, "files are indexed"),
]


async def test_a_path_is_explained(indexing: RunningIndex, varied: Repository) -> None:
    await indexing.index.index(str(varied))
    varied.write("new.py", SOURCE)
    (varied.root / "empty").mkdir()
    repository = await indexing.index.find(str(varied))
    for path, reason, said in EXPLAINED:
        for form in (path, str(varied.root / path)):
            why = await indexing.index.reports.why(repository, form)
            assert (why.reason, why.indexed) == (reason, reason is None), path
            assert said in why.explanation, path


async def test_a_file_that_changed_kind_since_is_explained_by_what_it_is_now(
    indexing: RunningIndex, varied: Repository
) -> None:
    await indexing.index.index(str(varied))
    for name, content, reason in (
        ("late.key", "x", "secret"),
        ("late.min.js", "x", "generated"),
        ("late.bin", b"\x00\x01\x02" * 99, "binary"),
        (".npmrc", "//registry.example.org/:_authToken=abc", "secret"),
        ("late.txt", "x" * 3_000_000, "too large"),
    ):
        varied.write(name, content)
        assert (await indexing.index.reports.why(await indexing.index.find(str(varied)), name)).reason == reason


async def test_a_path_outside_the_repository_is_refused(indexing: RunningIndex, varied: Repository) -> None:
    repository = await indexing.index.find(str((await indexing.index.index(str(varied))).repository_id))
    for path in ("../other.py", "/etc/passwd", "", "a\x00b"):
        with pytest.raises(InvalidInputError):
            await indexing.index.reports.why(repository, path)


async def test_the_status_of_an_index_that_is_behind_says_so(
    indexing: RunningIndex, varied: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    await indexing.index.index(str(varied))
    fresh = await requests.status(indexing.index, StatusRequest())
    assert (fresh.status, fresh.percent, fresh.changes, fresh.freshness) == ("success", 100.0, 0, "It is up to date.")
    assert (fresh.chunks_waiting, fresh.phase, fresh.seconds_left) == (0, None, None)
    varied.write("code.py", SOURCE * 2)
    behind = await requests.status(indexing.index, StatusRequest())
    assert behind.changes == 1
    assert "1 file may differ" in behind.freshness
    with monkeypatch.context() as patched:
        patched.setattr(reports, "STALENESS_SECONDS", 0.0)
        slow = await requests.status(indexing.index, StatusRequest())
    assert (slow.changes, "takes a while" in slow.freshness) == (None, True)
    varied.root.rename(varied.root.with_name("moved"))
    gone = await requests.status(indexing.index, StatusRequest())
    assert gone.changes is None
    assert "cannot be read now" in gone.freshness


async def test_a_job_is_cancelled_and_told(
    indexing: RunningIndex, varied: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that waits for its worker, which another one holds the pool of."""
    monkeypatch.setattr(requests, "CANCEL_SECONDS", 0.3)
    with pytest.raises(NotFoundError, match="Nothing is being indexed"):
        await requests.cancel(indexing.index, None, None)
    first = await indexing.index.index(str(varied))
    with psycopg.connect(indexing.database.address.conninfo, autocommit=True) as other:
        pool = (await indexing.index.find(str(first.repository_id))).pool_id
        other.execute("SELECT pg_advisory_lock(%s, %s)", [POOL_LOCK, pool])
        varied.write("more.py", SOURCE)
        waiting = await indexing.index.index(str(varied), wait=0)
        seen = await requests.status(indexing.index, StatusRequest(job=str(waiting.job_id)))
        assert (seen.status, seen.freshness) == ("queued", "It is being brought up to date.")
        assert "waiting for its turn" in seen.summary
        stopping = await requests.cancel(indexing.index, None, None)
        assert (stopping.job_id, stopping.status) == (waiting.job_id, "cancelling")
    monkeypatch.setattr(requests, "CANCEL_SECONDS", 30.0)
    stopped = await requests.cancel(indexing.index, str(varied), None)
    assert stopped.status == "cancelled"
    over = await requests.cancel(indexing.index, None, str(waiting.job_id))
    assert "over already (cancelled)" in over.summary
    with pytest.raises(NotFoundError, match="is not being indexed"):
        await requests.cancel(indexing.index, str(varied), None)


async def test_a_job_that_is_not_there_is_an_error_that_says_what_to_do(
    indexing: RunningIndex, varied: Repository, make_repository: Callable[..., Repository]
) -> None:
    with pytest.raises(NotFoundError, match="index_repository"):
        await requests.status(indexing.index, StatusRequest())
    with pytest.raises(InvalidInputError, match="'seven' is no job's id"):
        await requests.cancel(indexing.index, None, "seven")
    with pytest.raises(NotFoundError, match="There is no job"):
        await requests.status(indexing.index, StatusRequest(job="00000000-0000-0000-0000-000000000000"))
    other = make_repository("other")
    other.write("a.py", SOURCE)
    await indexing.index.index(str(varied))
    job = (await indexing.index.index(str(other))).job_id
    with pytest.raises(InvalidInputError, match="is not of"):
        await requests.status(indexing.index, StatusRequest(str(varied), job=str(job)))


async def test_the_tools_list_tell_and_remove(
    packhorse_client: MakeClient, varied: Repository, make_repository: Callable[..., Repository]
) -> None:
    other = make_repository("other")
    other.write("a.py", SOURCE)
    async with packhorse_client("indexing") as client:

        async def call(name: str, **arguments: Any) -> dict[str, Any]:
            answer = await client.call_tool(name, arguments, raise_on_error=False)
            assert not answer.is_error, answer.content
            return dict(answer.structured_content)

        indexed = await call("index_repository", repo_path=str(varied))
        assert indexed["skipped"]["secret"] == 1
        assert "1 secret" in indexed["summary"]
        await call("index_repository", repo_path=str(other))
        first = await call("list_repositories", limit=1)
        assert first["total_count"] == 2
        second = await call("list_repositories", cursor=first["next_cursor"])
        assert [one["path"] for one in (*first["repositories"], *second["repositories"])] == sorted(
            [str(varied), str(other)]
        )
        told = await call("get_indexing_status", repository_id="project", path="debug.log", skipped="binary")
        assert told["why"]["reason"] == "ignored"
        assert [one["path"] for one in told["files"]] == ["picture.png"]
        nothing = await client.call_tool("cancel_indexing", {}, raise_on_error=False)
        assert nothing.is_error
        assert "Nothing is being indexed" in nothing.content[0].text
        removed = await call("remove_repository", repository_id=indexed["repository_id"])
        assert removed["path"] == str(varied)
        assert "untouched" in removed["summary"]
        assert (await call("list_repositories"))["total_count"] == 1


async def test_the_tools_say_what_they_do_to_the_world(packhorse_client: MakeClient) -> None:
    async with packhorse_client("indexing") as client:
        hints = {tool.name: tool.annotations for tool in await client.list_tools()}
        assert hints["get_indexing_status"].read_only_hint
        assert hints["list_repositories"].read_only_hint
        assert hints["remove_repository"].destructive_hint
        assert not hints["cancel_indexing"].destructive_hint


def test_the_commands_tell_why_and_cancel(packhorse_environment: dict[str, str], varied: Repository) -> None:
    def run(*arguments: str, cwd: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "packhorse", *arguments], cwd=varied.root / cwd, capture_output=True, text=True,
            env=packhorse_environment | {"PACKHORSE_PLUGINS": "packhorse-indexing"}, timeout=120, check=False,
        )  # fmt: skip

    indexed = run("index")
    assert re.search(r"left out, \d+ new chunks \(2 generated, .*1 secret", indexed.stdout), indexed
    assert "which matches build/" in run("status", "--why", "deep/out.txt", cwd="build").stdout
    skipped = run("status", str(varied), "--skipped", "all", "--limit", "8", cwd="..")
    assert "package-lock.json: generated" in skipped.stdout
    assert len(skipped.stdout.splitlines()) == 8
    assert "--cursor 'private/notes.md'" in skipped.stderr
    status = json.loads(run("status", "--follow", "--json").stdout)
    assert (status["status"], status["skipped"]["binary"]) == ("success", 1)
    cancelled = run("cancel")
    assert cancelled.returncode == 1
    assert "is not being indexed" in cancelled.stderr
