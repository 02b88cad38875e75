"""What differs from a revision: read from git's objects, with nothing of the repository run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from packhorse.errors import InvalidInputError, UnavailableError
from packhorse_indexing.scan import git

if TYPE_CHECKING:
    from fix_index import RunningIndex

pytestmark = pytest.mark.integration


@pytest.fixture
def project(make_repository: Any) -> Any:
    repository = make_repository().init()
    repository.write("same.py", "x = 1\n")
    repository.write("touched.py", "x = 1\n")
    repository.write("sub/same.py", "y = 1\n")
    repository.write("größe.py", "z = 1\n")
    repository.commit()
    repository.git("tag", "v1")
    repository.write("touched.py", "x = 22\n")  # another size, for git looks at seconds only
    repository.write("sub/new.py", "n = 1\n")
    repository.commit()
    repository.write("größe.py", "z = 2\n")  # not committed
    return repository


async def changed(indexing: RunningIndex, folder: Any, revision: str) -> list[str]:
    await indexing.index.index(str(folder))
    return await indexing.index.changed_since(await indexing.index.find(str(folder)), revision)


async def test_commits_and_what_is_not_committed_yet_are_changes(indexing, project):
    assert await changed(indexing, project, "v1") == ["größe.py", "sub/new.py", "touched.py"]
    assert await changed(indexing, project, "HEAD~1") == ["größe.py", "sub/new.py", "touched.py"]
    assert await changed(indexing, project, "main") == ["größe.py"]


async def test_a_folder_within_a_repository_is_compared_with_that_folder(indexing, project):
    assert await changed(indexing, project.root / "sub", "v1") == ["new.py"]


async def test_what_the_index_holds_is_compared_though_the_folder_changed_since(indexing, project):
    await indexing.index.index(str(project))
    project.write("same.py", "x = 3\n")
    repository = await indexing.index.find(str(project))
    assert "same.py" not in await indexing.index.changed_since(repository, "v1")


@pytest.mark.parametrize(
    ("revision", "advice"),
    [("mian", "Did you mean main?"), ("qqq", "HEAD~3"), ("--output=x", "HEAD~3"), ("a b", "HEAD~3"), ("", "HEAD~3")],
)
async def test_a_revision_that_does_not_exist_is_answered_with_one_that_does(indexing, project, revision, advice):
    with pytest.raises(InvalidInputError, match="has no revision") as error:
        await changed(indexing, project, revision)
    assert advice in str(error.value)


async def test_a_folder_without_history_is_told(indexing, make_repository):
    plain = make_repository("plain")
    plain.write("a.py", "x = 1\n")
    with pytest.raises(InvalidInputError, match="no history"):
        await changed(indexing, plain, "HEAD")


async def test_a_git_that_fails_is_told(indexing, project, monkeypatch):
    await indexing.index.index(str(project))
    monkeypatch.setattr(git, "find_program", lambda: None)
    with pytest.raises(UnavailableError, match="git is not installed"):
        await indexing.index.changed_since(await indexing.index.find(str(project)), "v1")


async def test_no_filter_hook_or_program_of_the_repository_is_run(indexing, project, tmp_path):
    canary = tmp_path / "canary"
    program = f"touch {canary}; cat"
    for name in ("filter.x.clean", "filter.x.smudge", "diff.x.textconv", "diff.x.command", "core.fsmonitor"):
        project.git("config", name, program)
    project.write(".gitattributes", "* filter=x diff=x\n")
    canary.unlink(missing_ok=True)
    assert "touched.py" in await changed(indexing, project, "v1")
    assert not canary.exists()


async def test_contents_are_compared_in_batches(indexing, project, monkeypatch):
    monkeypatch.setattr("packhorse_indexing.scan.revisions._BATCH_BYTES", 1)
    assert await changed(indexing, project, "v1") == ["größe.py", "sub/new.py", "touched.py"]
