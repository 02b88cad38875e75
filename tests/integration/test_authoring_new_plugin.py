"""Specification of `packhorse new-plugin`: what it writes is whole, and it writes nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from packhorse.authoring.check.review import review
from packhorse.authoring.scaffold import new_plugin
from packhorse.errors import ConflictError, InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.integration

LONGEST = "a" * 15 + "-" + "b" * 16


def run(folder: Path, *command: str) -> str:
    ours = ("PYTEST_", "COVERAGE", "COV_", "PACKHORSE_D")
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["notes", "x", LONGEST], ids=["usual", "shortest", "longest"])
def test_a_new_plugin_passes_style_types_and_review_at_once(tmp_path: Path, name: str) -> None:
    """Whatever the length of its name, and without being installed."""
    folder = new_plugin(name, tmp_path)
    run(folder, "ruff", "check", "--no-cache")
    run(folder, "ruff", "format", "--check", "--no-cache")
    run(folder, "mypy")
    (found,) = review(str(folder))
    assert found.findings == ()
    assert found.tools == 2


@pytest.mark.slow
def test_a_new_plugin_passes_its_own_tests_at_once(tmp_path: Path) -> None:
    """On a real database, with nothing installed but Packhorse and pytest."""
    folder = new_plugin("user", tmp_path)  # a word that PostgreSQL reserves
    assert "5 passed" in run(folder, "pytest", "-q", "-p", "no:cacheprovider")


def test_the_folder_has_everything_that_a_published_plugin_has(tmp_path: Path) -> None:
    folder = new_plugin("packhorse-git-history", tmp_path)
    assert folder == tmp_path / "packhorse-git-history"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        *(".github/workflows/ci.yml", ".gitignore", "LICENSE", "README.md", "pyproject.toml"),
        *("tests/test_plugin.py", "tests/test_tools.py"),
        *(
            f"src/packhorse_git_history/{name}"
            for name in (
                *("__init__.py", "plugin.py", "py.typed", "settings.py", "store.py", "tools.py"),
                "migrations/0001_entry.sql",
            )
        ),
    }
    for path in folder.rglob("*"):
        assert path.is_dir() or "«" not in path.read_text("utf-8"), path


@pytest.mark.parametrize(
    "name", ["", "Notes", "1st", "a b", "../up", "a--b", "a-", "class", "ünder", "a" * 33, "packhorse-", "a/b", "n\n"]
)
def test_a_name_that_no_plugin_can_have_is_refused(tmp_path: Path, name: str) -> None:
    if name == "n\n":
        name = "n\nn"
    with pytest.raises(InvalidInputError, match="is no plugin name"):
        new_plugin(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tasks", "core", "public", "pg_catalog", "packhorse-search"])
def test_a_name_that_is_taken_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="is taken"):
        new_plugin(name, tmp_path)


def test_an_existing_folder_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "packhorse-notes").mkdir()
    (tmp_path / "packhorse-notes/mine").write_text("mine", "utf-8")
    with pytest.raises(ConflictError, match="exists already"):
        new_plugin("notes", tmp_path)
    assert [path.name for path in (tmp_path / "packhorse-notes").iterdir()] == ["mine"]


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "packhorse-notes").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConflictError):
        new_plugin("notes", tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_parent_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="is not a folder"):
        new_plugin("notes", tmp_path / "missing")


def test_a_failure_in_between_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder appears whole or not at all; here the disk is full at the third file."""
    from pathlib import Path as AnyPath

    written = []
    real = AnyPath.write_text

    def full(self: AnyPath, *arguments: str) -> int:
        written.append(self)
        if len(written) > 2:
            raise OSError(28, "No space left on device")
        return real(self, *arguments)

    monkeypatch.setattr(AnyPath, "write_text", full)
    with pytest.raises(UnavailableError, match="No space left"):
        new_plugin("notes", tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_it_and_says_what_is_next(packhorse: Run, tmp_path: Path) -> None:
    done = packhorse("new-plugin", "notes", "--into", str(tmp_path))
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path}/packhorse-notes\n"
    assert "packhorse check ." in done.stderr
    assert (tmp_path / "packhorse-notes/pyproject.toml").is_file()
    again = packhorse("new-plugin", "notes", "--into", str(tmp_path))
    assert again.returncode == 1
    assert "exists already" in again.stderr
