"""Glances at real folders: what `stat` alone tells of a change, and that nothing is taken for unchanged that is not."""

from __future__ import annotations

import os
import random
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from fix_index import Repository
from packhorse_indexing.glance import is_unchanged
from packhorse_indexing.plan import UNKNOWN, storable
from packhorse_indexing.scan import Limits, git, open_root, scan, take_footprint
from packhorse_indexing.store.listing import Signature, StoredFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from packhorse_indexing.scan import Footprint, Scan

pytestmark = pytest.mark.integration

TICK = 0.015  # of the clock that stamps files; a footprint's settled time is in the past for the same reason
LIMITS = Limits(max_bytes=1000)


class Glance:
    """A folder that was looked at, and may be glanced at."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.look()

    def look(self) -> Scan:
        time.sleep(TICK)
        self.found = scan(self.root, LIMITS)
        self.listed = {
            storable(skip.path): StoredFile(None, skip.reason, UNKNOWN, False) for skip in self.found.skipped
        }
        for entry in self.found.files:
            signature = Signature(entry.size, entry.mtime_ns, entry.ctime_ns, entry.inode)
            self.listed[entry.path] = StoredFile(1, None, signature, False)
        footprint = self.footprint(time.time_ns())
        assert footprint is not None
        self.taken = footprint
        time.sleep(TICK)
        return self.found

    def footprint(self, settled_ns: int) -> Footprint | None:
        root_fd = open_root(self.root)
        try:
            return take_footprint(root_fd, self.root, self.found, settled_ns)
        finally:
            os.close(root_fd)

    @property
    def says_unchanged(self) -> bool:
        return is_unchanged(self.taken, self.listed)

    @property
    def is_unchanged(self) -> bool:
        return seen(scan(self.root, LIMITS)) == seen(self.found)


def seen(found: Scan) -> tuple[Any, ...]:
    return sorted(found.files), found.skipped, found.head, found.family


@pytest.fixture
def excludes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's global excludes, which are a link, as they are when settings are kept in a repository."""
    target = tmp_path / "settings" / "ignore"
    target.parent.mkdir()
    target.write_text("*.swp\n")
    (tmp_path / "config" / "git").mkdir(parents=True)
    (tmp_path / "config" / "git" / "ignore").symlink_to(target)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "config"))
    git._excludes_file.cache_clear()
    yield target
    git._excludes_file.cache_clear()


@pytest.fixture(params=["git", "walk"])
def folder(request: pytest.FixtureRequest, make_repository: Callable[..., Repository], excludes: Path) -> Repository:
    """A folder with an example of each thing, under git and without it."""
    repository = make_repository()
    if request.param == "git":
        repository.init()
    repository.write(".gitignore", "build/\n*.log\n.cursorignore\n")
    repository.write(".cursorignore", "secret_plan.md\n")
    repository.write("src/a.py", "a = 1\n")
    repository.write("src/deep/er/b.py", "b = 1\n")
    repository.write("src/secret_plan.md", "plan\n")
    repository.write("logs/today.log", "ignored\n")
    repository.write("logs/older/yesterday.log", "ignored\n")
    repository.write("build/out/c.py", "ignored\n")
    repository.write("large.txt", "x" * 2000)
    repository.write(".npmrc", "//registry.example.org/:_authToken=abc\n")
    (repository.root / "empty/inner").mkdir(parents=True)
    (repository.root / "link").symlink_to("src/a.py")
    if request.param == "git":
        repository.commit()
    inner = Repository(repository.root / "vendor").init()
    inner.write("v.py", "v = 1\n")
    inner.write("node_modules/w.py", "ignored\n")
    inner.write(".gitignore", "node_modules\n")
    inner.commit()
    return repository


def same_size_and_time(root: Path) -> None:
    before = (root / "src/a.py").stat()
    (root / "src/a.py").write_text("a = 2\n")
    os.utime(root / "src/a.py", ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / "src/a.py").unlink()
        make(root / "src/a.py")

    return change


CHANGES: dict[str, Callable[[Path], object]] = {
    "a new file": lambda root: (root / "src/new.py").write_text("new"),
    "a new file in the root": lambda root: (root / "new.py").write_text("new"),
    "a new file in an empty folder": lambda root: (root / "empty/inner/new.py").write_text("new"),
    "a new file beside ignored ones": lambda root: (root / "logs/new.py").write_text("new"),
    "a new file in a folder below such a one": lambda root: (root / "logs/older/new.py").write_text("new"),
    "a new file in a repository inside": lambda root: (root / "vendor/new.py").write_text("new"),
    "a changed file": lambda root: (root / "src/deep/er/b.py").write_text("b = 22\n"),
    "the same size and time": same_size_and_time,
    "a removed file": lambda root: (root / "src/a.py").unlink(),
    "a renamed folder": lambda root: (root / "src/deep").rename(root / "src/deeper"),
    "a removed folder": lambda root: shutil.rmtree(root / "src/deep"),
    "a new ignore file": lambda root: (root / "src/.gitignore").write_text("a.py"),
    "a new ignore file of a tool": lambda root: (root / "src/.mcpignore").write_text("a.py"),
    "a changed ignore file": lambda root: (root / ".gitignore").write_text("src"),
    "a changed ignore file that is ignored": lambda root: (root / ".cursorignore").write_text("a.py"),
    "a changed ignore file inside": lambda root: (root / "vendor/.gitignore").write_text("# nothing"),
    "a new repository inside": lambda root: Repository(root / "src/deep").init(),
    "a repository inside that is none now": lambda root: shutil.rmtree(root / "vendor/.git"),
    "a folder instead of a file": replace_by(lambda path: path.mkdir()),
    "a link instead of a file": replace_by(lambda path: path.symlink_to("deep/er/b.py")),
    "a link instead of a folder": lambda root: (
        (root / "src").rename(root.parent / "elsewhere"),
        (root / "src").symlink_to("../elsewhere"),
    ),
    "another file of the same name": replace_by(lambda path: path.write_text("a = 1\n")),
    "a permission": lambda root: (root / "src/a.py").chmod(0o600),
    "a folder's permission": lambda root: (root / "src/deep").chmod(0o700),
    "a file that was too large": lambda root: os.truncate(root / "large.txt", 10),
    "a file that held a token": lambda root: (root / ".npmrc").write_text("fund=false\n"),
    "another folder in its place": lambda root: (root.rename(root.with_name("old")), root.mkdir()),
    "nothing in its place": shutil.rmtree,
    "a repository around": lambda root: Repository(root.parent).init(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(folder: Repository, change: str) -> None:
    glance = Glance(folder.root)
    assert glance.says_unchanged
    CHANGES[change](folder.root)
    if change == "a repository around" and glance.found.head is not None:
        assert glance.says_unchanged, "the folder's own repository is the one that counts"
    else:
        assert not glance.says_unchanged


GIT_CHANGES: dict[str, Callable[[Repository, Path], object]] = {
    "add": lambda folder, _: folder.git("add", "-f", "logs/today.log"),
    "commit": lambda folder, _: folder.git("commit", "-q", "--allow-empty", "-m", "more"),
    "checkout": lambda folder, _: folder.git("checkout", "-q", "-b", "other"),
    "detach": lambda folder, _: folder.git("checkout", "-q", "--detach"),
    "the user's excludes": lambda _, excludes: excludes.write_text("a.py\n"),
    "the repository's excludes": lambda folder, _: (folder.root / ".git/info/exclude").write_text("a.py\n"),
}


@pytest.mark.parametrize("folder", ["git"], indirect=True)
@pytest.mark.parametrize("change", GIT_CHANGES)
def test_what_git_goes_by_is_noticed(folder: Repository, excludes: Path, change: str) -> None:
    glance = Glance(folder.root)
    assert glance.says_unchanged
    GIT_CHANGES[change](folder, excludes)
    assert not glance.says_unchanged


QUIET: dict[str, Callable[[Path], object]] = {
    "reading": lambda root: [path.read_bytes() for path in root.rglob("*.py")],
    "listing": lambda root: list((root / "src").iterdir()),
    "in an ignored folder": lambda root: (root / "build/out/new.py").write_text("new"),
    "a folder in an ignored one": lambda root: (root / "build/more").mkdir(),
    "an ignored file": lambda root: (root / "logs/today.log").write_text("more"),
    "in what a repository inside ignores": lambda root: (root / "vendor/node_modules/new.py").write_text("new"),
}


@pytest.mark.parametrize("change", QUIET)
def test_what_changes_nothing_is_not_reported(folder: Repository, change: str) -> None:
    glance = Glance(folder.root)
    QUIET[change](folder.root)
    assert glance.says_unchanged
    assert glance.is_unchanged


@pytest.mark.parametrize("folder", ["git"], indirect=True)
def test_a_folder_within_a_repository_obeys_what_is_above_it(folder: Repository) -> None:
    """What the top folder ignores is not gone through, and its rules are watched."""
    folder.write("packages/app/main.py", "m = 1\n")
    folder.write("packages/app/build/deep/out.py", "ignored\n")
    glance = Glance(folder.root / "packages/app")
    assert set(glance.found.folders) == {""}
    (folder.root / "packages/app/build/deep/more.py").write_text("ignored")
    assert glance.says_unchanged
    (folder.root / "packages/.gitignore").write_text("main.py")
    assert not glance.says_unchanged
    glance.look()
    (folder.root / ".gitignore").write_text("nothing")
    assert not glance.says_unchanged


def test_what_was_changed_just_before_a_look_proves_nothing(folder: Repository) -> None:
    glance = Glance(folder.root)
    now = time.time_ns()
    assert glance.footprint(now - 2_000_000_000) is None
    for place in ("", "empty/inner"):
        assert glance.footprint((folder.root / place).stat().st_ctime_ns - 1) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_glance_never_overlooks_what_a_look_sees(folder: Repository, seed: int) -> None:
    """After each of many random changes, a glance that says that there is none is right."""
    chance = random.Random(seed)
    glance = Glance(folder.root)
    quiet = 0
    for _ in range(25):
        edit(folder, chance)
        if glance.says_unchanged:
            quiet += 1
            assert glance.is_unchanged
        else:
            glance.look()
            assert glance.says_unchanged
    assert quiet < 25


def edit(folder: Repository, chance: random.Random) -> None:
    everything = sorted(path for path in folder.root.rglob("*") if ".git" not in path.parts)
    folders = [folder.root, *(path for path in everything if path.is_dir() and not path.is_symlink())]
    files = [path for path in everything if path.is_file() and not path.is_symlink()]
    inside = chance.choice(folders)
    name = inside / chance.choice(("n.py", "o.log", "build", ".gitignore", ".mcpignore", "p.md", "more"))
    match chance.randrange(8):
        case 0 if files:
            chance.choice(files).write_text(chance.choice(("", "x\n", "y\n", "*.py\n", "x" * 1500)))
        case 1 if files:
            chance.choice(files).unlink()
        case 2 if not name.exists():
            name.mkdir()
        case 3 if not name.is_dir():
            name.write_text(chance.choice(("x\n", "*.md\n", "more/\n", "!*.log\n")))
        case 4 if files:
            chance.choice(files).rename(inside / "moved.py") if not (inside / "moved.py").is_dir() else None
        case 5 if inside != folder.root:
            shutil.rmtree(inside)
        case 6 if not name.exists() and not name.is_symlink():
            name.symlink_to(chance.choice(("src", "nowhere", "../..")))
        case 7 if (folder.root / ".git").exists():
            folder.git(*chance.choice((("add", "-A"), ("status",), ("stash", "list"), ("reset", "-q"))))
