"""A repository that is given by URL: cloned from a real https server, renewed, and removed with its index."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from packhorse.errors import InvalidInputError, NotFoundError, UnavailableError
from packhorse_indexing.clone import copying
from packhorse_indexing.clone.address import Address
from packhorse_indexing.clone.git import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_index import Repository
    from fix_remote import Remote

pytestmark = pytest.mark.integration

SOURCE = "def one():\n    return 1\n"
LIMITS = Limits(max_bytes=50_000_000, seconds=60)


@pytest.fixture
def origin(make_repository: Callable[..., Repository], remote: Remote) -> Repository:
    made = make_repository("origin").init()
    made.write("code.py", SOURCE)
    made.write("docs/guide.md", "# Guide\n")
    made.commit()
    remote.publish(made.root)
    return made


def address_of(remote: Remote, path: str = "owner/project") -> Address:
    return Address("localhost", remote.port, path)


def renew(remote: Remote, folder: Path, limits: Limits = LIMITS, beat: Any = lambda: None, **options: Any) -> None:
    copying.renew(address_of(remote), folder, limits, beat, **{"allow_private": True, **options})


async def test_a_url_is_cloned_indexed_renewed_and_removed(run_index: Any, origin: Repository, remote: Remote) -> None:
    async with run_index(**remote.settings) as indexing:
        first = await indexing.index.index(remote.url())
        assert (first.status, first.files_indexed) == ("success", 2), first.errors
        folder = Path(first.path)
        assert (folder / "code.py").read_text() == SOURCE
        assert folder.is_relative_to(indexing.host.core_settings.data_dir)
        repository = await indexing.index.find(remote.url() + ".git")
        assert (repository.id, repository.branch) == (first.repository_id, "main")
        assert repository.revision == origin.git("rev-parse", "HEAD")

        (origin.root / "docs/guide.md").unlink()
        origin.write("more.py", SOURCE)
        origin.commit()
        remote.publish(origin.root)
        again = await indexing.index.index(remote.url())
        assert (again.repository_id, again.status, again.chunks_created) == (first.repository_id, "success", 0)
        listed = {path for (path,) in await indexing.query("SELECT path FROM indexing.file WHERE blob_id IS NOT NULL")}
        assert listed == {"code.py", "more.py"}
        by_folder = await indexing.index.index(str(folder))
        assert by_folder.repository_id == first.repository_id

        asked = len(remote.requests)
        await indexing.index.refresh(await indexing.index.find(str(folder)), 5.0)
        assert len(remote.requests) == asked, "a search asks no other machine"

        await indexing.index.forget(remote.url())
        assert not folder.exists()
        assert list((indexing.host.core_settings.data_dir / "clones").iterdir()) == []


async def test_the_first_request_holds_nothing_of_the_user(
    origin: Repository, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a password that the user keeps for the host nor anything that their configuration adds."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("machine localhost login me password hunter2\n")
    (home / ".gitconfig").write_text(
        f'[http]\n\textraHeader = X-Secret: hunter2\n[url "file://{origin.root}"]\n\tinsteadOf = https://localhost\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    renew(remote, tmp_path / "clones" / "project")
    assert remote.requests
    for _, headers in remote.requests:
        assert "Authorization" not in headers
        assert "X-Secret" not in headers


def test_nothing_of_the_repository_is_run(
    make_repository: Callable[..., Repository], remote: Remote, tmp_path: Path
) -> None:
    """No hook, no filter, no submodule; a link becomes a file that says where it leads."""
    evil = make_repository("evil").init()
    evil.write("code.py", SOURCE)
    evil.write(".gitattributes", "* filter=lfs diff=lfs merge=lfs\n*.py filter=evil\n")
    evil.write(".gitmodules", f'[submodule "x"]\n\tpath = sub\n\turl = file://{tmp_path}\n')
    evil.write(".lfsconfig", "[lfs]\n\turl = http://169.254.169.254/\n")
    (evil.root / "link").symlink_to("/etc/passwd")
    evil.commit()
    evil.git("update-index", "--add", "--cacheinfo", f"160000,{evil.git('rev-parse', 'HEAD')},sub")
    evil.git("commit", "-q", "-m", "a submodule")
    remote.publish(evil.root)
    folder = tmp_path / "clones" / "project"
    renew(remote, folder)
    assert (folder / "code.py").read_text() == SOURCE
    assert not (folder / "link").is_symlink()
    assert (folder / "link").read_text() == "/etc/passwd"
    assert list((folder / "sub").iterdir()) == []
    hooks = folder / ".git" / "hooks"
    assert not hooks.exists() or not any(hooks.iterdir())
    assert not (folder / ".git" / "modules").exists()


def test_objects_that_are_made_to_deceive_are_refused(
    make_repository: Callable[..., Repository], remote: Remote, tmp_path: Path
) -> None:
    evil = make_repository("evil").init()
    evil.write(".gitmodules", '[submodule "x"]\n\tpath = sub\n\turl = https://localhost/x\n\tupdate = !touch ran\n')
    evil.commit()
    remote.publish(evil.root)
    with pytest.raises(InvalidInputError, match="malformed"):
        renew(remote, tmp_path / "clones" / "project")
    assert list((tmp_path / "clones").iterdir()) == []


def test_a_redirect_is_not_followed(origin: Repository, remote: Remote, tmp_path: Path) -> None:
    remote.redirect = "https://127.0.0.1:1"
    with pytest.raises(InvalidInputError, match="redirects to another address"):
        renew(remote, tmp_path / "clones" / "project")
    assert len(remote.requests) == 1
    assert list((tmp_path / "clones").iterdir()) == []


def test_a_host_of_this_machine_must_be_allowed(origin: Repository, remote: Remote, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="not on the internet"):
        renew(remote, tmp_path / "clones" / "project", allow_private=False)
    assert remote.requests == []


def test_what_is_not_there_or_not_trusted_is_said_and_leaves_nothing(
    origin: Repository, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clones = tmp_path / "clones"
    with pytest.raises(NotFoundError, match="There is no repository"):
        copying.renew(address_of(remote, "no/where"), clones / "a", LIMITS, lambda: None, allow_private=True)
    monkeypatch.delenv("GIT_SSL_CAINFO")
    with pytest.raises(UnavailableError, match="certificate of localhost"):
        renew(remote, clones / "a")
    with pytest.raises(UnavailableError, match="does not answer"):
        copying.renew(Address("localhost", 1, "a/b"), clones / "a", LIMITS, lambda: None, allow_private=True)
    assert list(clones.iterdir()) == []


def test_a_repository_without_a_commit_is_told(
    make_repository: Callable[..., Repository], remote: Remote, tmp_path: Path
) -> None:
    remote.publish(make_repository("empty").init().root)
    with pytest.raises(NotFoundError, match="has no commit yet"):
        renew(remote, tmp_path / "clones" / "project")


def test_a_detached_head_is_cloned_too(origin: Repository, remote: Remote, tmp_path: Path) -> None:
    bare = remote.root / "owner/project.git"
    (bare / "HEAD").write_text(origin.git("rev-parse", "HEAD") + "\n")
    renew(remote, tmp_path / "clones" / "project")
    assert (tmp_path / "clones" / "project" / "code.py").exists()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(max_bytes=400_000, seconds=60), "larger than|more than"),
        (Limits(max_bytes=50_000_000, seconds=60, max_files=10), "more than 10 files"),
    ],
    ids=["bytes", "files"],
)
def test_a_repository_that_is_too_large_leaves_nothing(
    origin: Repository, remote: Remote, tmp_path: Path, limits: Limits, said: str
) -> None:
    for number in range(12):
        origin.write(f"data/{number}.txt", os.urandom(40_000).hex())
    origin.commit()
    remote.publish(origin.root)
    with pytest.raises(UnavailableError, match=said):
        renew(remote, tmp_path / "clones" / "project", limits)
    assert list((tmp_path / "clones").iterdir()) == []


def test_files_that_are_far_larger_than_their_history_are_counted_before_they_are_written(
    origin: Repository, remote: Remote, tmp_path: Path
) -> None:
    """A tree may name one small object a million times."""
    origin.write("zeros.txt", "0" * 900_000)
    origin.commit()
    remote.publish(origin.root)
    with pytest.raises(UnavailableError, match="more than"):
        renew(remote, tmp_path / "clones" / "project", Limits(max_bytes=800_000, seconds=60))
    assert list((tmp_path / "clones").iterdir()) == []


def children() -> set[str]:
    return {child.name() for child in psutil.Process().children(recursive=True) if child.name().startswith("git")}


def test_a_server_that_never_ends_is_given_up_and_git_with_it(
    origin: Repository, remote: Remote, tmp_path: Path
) -> None:
    remote.trickle = 0.05
    with pytest.raises(UnavailableError, match="longer than 1 s"):
        renew(remote, tmp_path / "clones" / "project", Limits(max_bytes=1_000_000, seconds=1))
    assert children() == set()
    assert list((tmp_path / "clones").iterdir()) == []


def test_stopping_kills_git_and_removes_the_half_of_a_clone(origin: Repository, remote: Remote, tmp_path: Path) -> None:
    remote.trickle = 0.05
    seen: list[set[str]] = []

    def beat() -> None:
        seen.append(children())
        if seen[-1] or len(seen) > 100:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        renew(remote, tmp_path / "clones" / "project", beat=beat)
    assert seen[-1], "git was at work"
    assert children() == set()
    assert list((tmp_path / "clones").iterdir()) == []


def test_a_clone_that_cannot_be_renewed_stays_as_it_was(origin: Repository, remote: Remote, tmp_path: Path) -> None:
    folder = tmp_path / "clones" / "project"
    renew(remote, folder)
    (folder / ".git" / "shallow.lock").touch()
    (folder / ".git" / "index.lock").touch()
    (folder / "code.py").write_text("half written")
    remote.redirect = "https://127.0.0.1:1"
    with pytest.raises(InvalidInputError):
        renew(remote, folder)
    assert (folder / "docs/guide.md").exists()
    remote.redirect = None
    renew(remote, folder)
    assert (folder / "code.py").read_text() == SOURCE, "the same commit again, written whole"
    (folder / ".git" / "HEAD").write_text("broken")
    renew(remote, folder, anew=True)
    assert (folder / ".git" / "HEAD").read_text() == "ref: refs/heads/main\n"


def test_only_clones_are_removed(tmp_path: Path) -> None:
    for outside in (tmp_path / "other", tmp_path / "clones"):
        outside.mkdir()
        copying.remove(outside, tmp_path)
        assert outside.exists()
    one, other = (tmp_path / "clones" / "host" / "owner" / name for name in ("one", "other"))
    for folder in (one, other):
        folder.mkdir(parents=True)
    copying.remove(one, tmp_path)
    assert other.exists()
    copying.remove(other, tmp_path)
    assert list((tmp_path / "clones").iterdir()) == []


async def test_a_clone_is_cancelled_like_any_job(run_index: Any, origin: Repository, remote: Remote) -> None:
    remote.trickle = 0.05
    async with run_index(**remote.settings) as indexing:
        started = await indexing.index.index(remote.url(), wait=0)
        for _ in range(600):
            job = await indexing.index.reports.job(started.job_id)
            if job.phase == "fetch":
                break
            await asyncio.sleep(0.05)
        assert job.phase == "fetch"
        report = await indexing.index.reports.report(await indexing.index.find(remote.url()))
        assert report.progress is not None
        assert report.progress.message == "fetching the repository"
        assert await indexing.index.cancel(started.job_id)
        over = await indexing.index.follow(started.job_id, 20)
        assert over.status == "cancelled"
        folders = [path for path in (indexing.host.core_settings.data_dir / "clones").rglob("*") if path.is_file()]
        assert folders == []


async def test_a_url_that_fails_is_a_failed_job_with_the_reason(
    run_index: Any, origin: Repository, remote: Remote
) -> None:
    async with run_index(**remote.settings) as indexing:
        failed = await indexing.index.index(remote.url("no/where"))
        assert failed.status == "failed"
        assert "There is no repository at" in failed.errors[0]
        with pytest.raises(InvalidInputError, match="not among the hosts"):
            await indexing.index.index("https://evil.example/a/b")


def test_the_command_takes_a_url(packhorse_environment: dict[str, str], origin: Repository, remote: Remote) -> None:
    environment = packhorse_environment | {
        "PACKHORSE_PLUGINS": "packhorse-indexing",
        "GIT_SSL_CAINFO": str(remote.certificate),
        **{f"PACKHORSE_INDEXING_{name.upper()}": value for name, value in remote.settings.items()},
    }
    done = subprocess.run(
        [sys.executable, "-m", "packhorse", "index", remote.url(), "--json"],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files_indexed"] == 2
