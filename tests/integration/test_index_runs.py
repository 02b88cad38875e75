"""Indexing end to end: what a repository's index says after a run, and that a small change costs little."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from fix_index import Repository, RunningIndex, contents
from packhorse_indexing import jobs
from packhorse_indexing.lexemes import counts

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integration

CODE = '''"""Parsing."""

import os


class Parser:
    """Reads things."""

    def parse(self, text: str) -> list[str]:
        """Split a text."""
        return text.split(os.linesep)


def main() -> None:
    print(Parser().parse("a"))
'''


def function(name: str) -> str:
    return f"def {name}(value):\n    '''Return the {name} of a value.'''\n    return value * len({name!r})\n"


@pytest.fixture
def project(make_repository: Callable[..., Repository]) -> Repository:
    repository = make_repository().init()
    repository.write("src/parser.py", CODE)
    repository.write("README.md", "# Project\n\nIt parses.\n\n## Use\n\nCall `main`.\n")
    repository.write("notes.txt", "plain words\n")
    repository.commit()
    return repository


async def chunks_created(indexing: RunningIndex, repository: Repository) -> int:
    result = await indexing.index.index(str(repository))
    assert result.status == "success", result.errors
    return result.chunks_created


async def equals_full_rebuild(indexing: RunningIndex, repository: Repository) -> dict[str, Any]:
    """Check that an index grown by changes says the same as one that is made anew."""
    found = await indexing.index.find(str(repository))
    incremental = await contents(indexing, found.id)
    result = await indexing.index.index(str(repository), force=True)
    assert result.status == "success", result.errors
    assert incremental == await contents(indexing, found.id)
    return incremental


async def test_a_repository_is_indexed_whole(indexing: RunningIndex, project: Repository) -> None:
    """Every file has its blob; the chunks tile it, each with its vector, its postings and its definitions."""
    result = await indexing.index.index(str(project))
    assert (result.status, result.files_indexed, result.errors) == ("success", 3, [])
    assert result.duration_seconds > 0
    listed = await contents(indexing, result.repository_id)
    assert set(listed) == {"src/parser.py", "README.md", "notes.txt"}
    extension, lexemes, skipped, _, language, lines, size, count, embedded, orphaned, chunks = listed["src/parser.py"]
    assert (extension, skipped, language, lines, size, orphaned) == ("py", None, "python", 15, len(CODE), None)
    assert {"src", "parser", "py"} <= set(lexemes)
    assert count == embedded == len(chunks)
    assert "".join(chunk[9] for chunk in chunks) == CODE
    for ordinal, start, end, *_, length, content, vector, postings, _ in chunks:
        assert vector is not None
        assert content == "".join(CODE.splitlines(keepends=True)[start - 1 : end])
        words = counts(content)
        assert length == sum(words.values())
        assert postings == {word: (frequency, length) for word, frequency in words.items()}
        assert ordinal < count
    assert {name for chunk in chunks for name, _, _ in chunk[-1]} >= {"Parser", "parse", "main"}


async def test_the_repository_remembers_its_branch_its_revision_and_its_embedder(
    indexing: RunningIndex, project: Repository
) -> None:
    await indexing.index.index(str(project))
    [found] = await indexing.index.repositories()
    assert (found.name, found.branch, found.revision) == ("project", "main", project.git("rev-parse", "HEAD"))
    assert (found.embedder, found.dimensions) == (indexing.index.embedder.name, 256)
    [coverage] = await indexing.index.coverage([found.id])
    assert coverage.complete
    assert coverage.files_indexed == 3
    assert coverage.embedded == coverage.chunks > 0
    assert coverage.fraction == 1.0
    assert coverage.age_seconds is not None


async def test_an_unchanged_repository_costs_nothing(indexing: RunningIndex, project: Repository) -> None:
    assert await chunks_created(indexing, project) > 0
    before = await indexing.query("SELECT last_blob, last_chunk, last_segment FROM indexing.pool")
    assert await chunks_created(indexing, project) == 0
    assert await indexing.query("SELECT last_blob, last_chunk, last_segment FROM indexing.pool") == before


async def test_a_file_whose_time_alone_changed_is_read_and_kept(indexing: RunningIndex, project: Repository) -> None:
    await chunks_created(indexing, project)
    os.utime(project.root / "notes.txt", (1_000_000_000, 1_000_000_000))
    assert await chunks_created(indexing, project) == 0


async def test_a_change_that_keeps_size_and_time_is_seen(indexing: RunningIndex, project: Repository) -> None:
    """Change detection by mtime alone misses it; the change time gives it away."""
    await chunks_created(indexing, project)
    file = project.root / "notes.txt"
    status = file.stat()
    file.write_text("other words\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert await chunks_created(indexing, project) == 1
    listed = await contents(indexing, (await indexing.index.find("project")).id)
    assert listed["notes.txt"][-1][0][9] == "other words\n"


async def test_edits_renames_additions_and_deletions_equal_a_full_rebuild(
    indexing: RunningIndex, project: Repository
) -> None:
    for name in ("alpha", "beta", "gamma"):
        project.write(f"pkg/{name}.py", function(name) + "\n\n" + function(f"{name}_again"))
    await chunks_created(indexing, project)
    project.write("pkg/alpha.py", function("alpha") + "\n\n" + function("changed"))
    (project.root / "pkg/beta.py").rename(project.root / "pkg/renamed.py")
    (project.root / "pkg/gamma.py").unlink()
    project.write("pkg/delta.py", function("delta"))
    await chunks_created(indexing, project)
    listed = await equals_full_rebuild(indexing, project)
    assert set(listed) == {
        "README.md", "notes.txt", "src/parser.py", "pkg/alpha.py", "pkg/renamed.py", "pkg/delta.py",
    }  # fmt: skip


async def test_a_rename_and_a_copy_make_no_chunks(indexing: RunningIndex, project: Repository) -> None:
    await chunks_created(indexing, project)
    (project.root / "src/parser.py").rename(project.root / "moved.py")
    project.write("copy.py", CODE)
    assert await chunks_created(indexing, project) == 0
    listed = await contents(indexing, (await indexing.index.find("project")).id)
    assert listed["moved.py"][3:] == listed["copy.py"][3:]


async def test_two_new_files_of_one_content_share_a_blob(indexing: RunningIndex, project: Repository) -> None:
    project.write("one.py", function("twin"))
    project.write("two.py", function("twin"))
    await chunks_created(indexing, project)
    [[blobs]] = await indexing.query(
        "SELECT count(DISTINCT blob_id) FROM indexing.file WHERE path IN ('one.py', 'two.py')"
    )
    assert blobs == 1


async def test_a_branch_switch_and_back_embeds_only_what_is_new(indexing: RunningIndex, project: Repository) -> None:
    await chunks_created(indexing, project)
    project.git("checkout", "-q", "-b", "feature")
    project.write("feature.py", function("feature"))
    project.write("src/parser.py", CODE.replace("split", "partition"))
    project.commit()
    assert await chunks_created(indexing, project) > 0
    project.git("checkout", "-q", "main")
    assert await chunks_created(indexing, project) == 0
    project.git("checkout", "-q", "feature")
    assert await chunks_created(indexing, project) == 0
    assert (await indexing.index.find("project")).branch == "feature"
    await equals_full_rebuild(indexing, project)


async def test_a_second_worktree_and_a_clone_share_the_pool_and_embed_nothing(
    indexing: RunningIndex, project: Repository, make_repository: Callable[..., Repository]
) -> None:
    await chunks_created(indexing, project)
    project.git("worktree", "add", "-q", "-b", "other", str(project.root.parent / "worktree"))
    worktree = make_repository("worktree")
    project.git("clone", "-q", str(project), str(project.root.parent / "clone"))
    clone = make_repository("clone")
    assert await chunks_created(indexing, worktree) == 0
    assert await chunks_created(indexing, clone) == 0
    found = {one.name: one for one in await indexing.index.repositories()}
    assert len({one.pool_id for one in found.values()}) == 1
    assert await contents(indexing, found["clone"].id) == await contents(indexing, found["project"].id)
    assert await indexing.query("SELECT count(*) FROM indexing.path") == [(3,)]
    worktree.write("only_here.py", function("only_here"))
    await chunks_created(indexing, worktree)
    assert "only_here.py" in await contents(indexing, found["worktree"].id)
    assert "only_here.py" not in await contents(indexing, found["project"].id)


async def test_folders_without_git_have_pools_of_their_own(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    for name in ("one", "two"):
        repository = make_repository(name)
        repository.write("a.py", function("same"))
        await chunks_created(indexing, repository)
    assert len({one.pool_id for one in await indexing.index.repositories()}) == 2


async def test_a_deleted_file_leaves_the_list_at_once_and_its_content_after_the_retention(
    indexing: RunningIndex, project: Repository, run_index: Any
) -> None:
    project.write("old.py", function("old"))
    await chunks_created(indexing, project)
    (project.root / "old.py").unlink()
    await chunks_created(indexing, project)
    [[orphans]] = await indexing.query("SELECT count(*) FROM indexing.blob WHERE orphaned_at IS NOT NULL")
    assert orphans == 1
    await indexing.query("UPDATE indexing.blob SET orphaned_at = now() - interval '91 days' WHERE orphaned_at < now()")
    project.write("new.py", function("new"))
    await chunks_created(indexing, project)
    for table in ("blob", "chunk", "embedding", "definition"):
        column = "id" if table == "blob" else "blob_id"
        query = f"SELECT count(*) FROM indexing.{table} WHERE {column} NOT IN (SELECT blob_id FROM indexing.file)"
        assert await until(indexing, query, 0)
    assert await until(indexing, "SELECT count(*) FROM indexing.path WHERE path = 'old.py'", 0)


async def test_a_server_collects_what_is_past_its_retention_though_nothing_changes(
    run_index: Any, project: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_index() as indexing:
        project.write("old.py", function("old"))
        await chunks_created(indexing, project)
        (project.root / "old.py").unlink()
        await chunks_created(indexing, project)
        await indexing.query(
            "UPDATE indexing.blob SET orphaned_at = now() - interval '91 days' WHERE orphaned_at < now()"
        )
    monkeypatch.setattr(jobs, "_GRACE", 0.0)
    monkeypatch.setattr(jobs, "RETRY_PENDING", 0.0)
    async with run_index() as indexing:
        assert await until(indexing, "SELECT count(*) FROM indexing.blob WHERE orphaned_at IS NOT NULL", 0)


async def until(indexing: RunningIndex, query: str, value: int) -> bool:
    """Wait for what the worker tidies up after it has answered."""
    for _ in range(100):
        if await indexing.query(query) == [(value,)]:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_content_that_comes_back_is_no_orphan(indexing: RunningIndex, project: Repository) -> None:
    project.write("old.py", function("old"))
    await chunks_created(indexing, project)
    (project.root / "old.py").unlink()
    await chunks_created(indexing, project)
    project.write("back.py", function("old"))
    assert await chunks_created(indexing, project) == 0
    assert await indexing.query("SELECT count(*) FROM indexing.blob WHERE orphaned_at IS NOT NULL") == [(0,)]


@pytest.mark.slow
async def test_many_small_runs_leave_few_segments(indexing: RunningIndex, project: Repository) -> None:
    """Segments are merged, and the chunks of dead content leave them."""
    await chunks_created(indexing, project)
    for number in range(22):
        project.write("busy.py", function(f"version_{number}"))
        await chunks_created(indexing, project)
    assert await until(indexing, "SELECT (count(*) <= 20)::int FROM indexing.segment", 1)
    await equals_full_rebuild(indexing, project)


@pytest.mark.slow
async def test_a_real_package_is_indexed_and_changed_and_equals_a_rebuild(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    """A subtree of the installed packages: several batches, thousands of chunks."""
    import shutil
    from pathlib import Path

    import fastmcp

    repository = make_repository("package")
    source = Path(fastmcp.__file__).parent
    shutil.copytree(source, repository.root / "fastmcp", ignore=shutil.ignore_patterns("__pycache__"))
    assert await chunks_created(indexing, repository) > 2000
    for number, file in enumerate(sorted(repository.root.rglob("*.py"))[::7]):
        if number % 3 == 0:
            file.unlink()
        elif number % 3 == 1:
            file.write_text(file.read_text() + f"\n\ndef added_{number}():\n    return {number}\n")
        else:
            file.rename(file.with_name(f"renamed_{file.name}"))
    await chunks_created(indexing, repository)
    await equals_full_rebuild(indexing, repository)


async def test_old_jobs_are_forgotten(indexing: RunningIndex, project: Repository) -> None:
    await chunks_created(indexing, project)
    await indexing.query(
        """
        INSERT INTO indexing.job (repository_id, pool_id, status, requested_at, finished_at)
        SELECT id, pool_id, 'success', now() - make_interval(days => day), now() - make_interval(days => day)
        FROM indexing.repository, generate_series(1, 100) AS day
        """
    )
    await chunks_created(indexing, project)
    assert await until(indexing, "SELECT count(*) FROM indexing.job", 50)
