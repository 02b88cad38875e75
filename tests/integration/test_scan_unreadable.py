"""Files and folders that the user may not read: reported, tried again at every look, never fatal."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from packhorse_indexing.lookout import _compare
from packhorse_indexing.plan import UNKNOWN
from packhorse_indexing.scan import Limits, Skip, UnreadableFileError, open_root, read_file, scan
from packhorse_indexing.store.listing import StoredFile

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

NOBODY = 65534


@contextmanager
def nobody() -> Iterator[None]:
    """Be somebody who may not read everything: root is nobody for as long as the block lasts."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that everybody reaches, with a file and a folder that nobody may read, both tracked and not."""
    folder = Path(tempfile.mkdtemp(prefix="ph-closed-"))
    monkeypatch.setenv("HOME", str(folder))  # git ends when it may not look for the user's settings
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    folder.chmod(0o755)
    for name in ("open.py", "locked.py", "closed/inner.py", "sub/deep.py", "sub/dark/new.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x = 1\n")
    yield folder
    for name in ("closed", "sub/dark"):
        (folder / name).chmod(0o755)
    shutil.rmtree(folder)


def close(folder: Path) -> None:
    for name in ("locked.py", "closed", "sub/dark"):
        (folder / name).chmod(0)


def track(folder: Path) -> None:
    for arguments in (("init", "-q"), ("add", "open.py", "locked.py", "closed", "sub/deep.py")):
        subprocess.run(["git", *arguments], cwd=folder, check=True)


def test_closed_folders_are_reported_without_git(folder: Path) -> None:
    close(folder)
    with nobody():
        found = scan(folder)
    assert {entry.path for entry in found.files} == {"open.py", "locked.py", "sub/deep.py"}
    assert set(found.skipped) == {Skip("closed/", "unreadable"), Skip("sub/dark/", "unreadable")}


def test_closed_folders_are_reported_with_git_and_their_tracked_files_too(folder: Path) -> None:
    track(folder)
    close(folder)
    with nobody():
        found = scan(folder)
        part = scan(folder / "sub")
    assert {entry.path for entry in found.files} == {"open.py", "locked.py", "sub/deep.py"}
    assert {skip.path for skip in found.skipped} == {"closed/", "closed/inner.py", "sub/dark/"}
    assert {skip.reason for skip in found.skipped} == {"unreadable"}
    assert part.skipped == [Skip("dark/", "unreadable")]


def test_a_file_that_is_still_unreadable_is_no_change_and_one_that_became_readable_is(folder: Path) -> None:
    close(folder)
    unreadable = StoredFile(None, "unreadable", UNKNOWN, rebuild=False, hash=None)
    listed = {"locked.py": unreadable, "closed/": unreadable, "sub/dark/": unreadable}
    with nobody():
        _, plan, closed, settled, _ = _compare(str(folder), Limits(), listed)
        assert {todo.path for todo in plan.todo} == {"open.py", "sub/deep.py"}
        assert set(closed) == {"closed/", "sub/dark/", "locked.py"}
        assert settled == []
    (folder / "locked.py").chmod(0o644)
    with nobody():
        _, plan, closed, _, _ = _compare(str(folder), Limits(), listed)
    assert {todo.path for todo in plan.todo} == {"open.py", "sub/deep.py", "locked.py"}
    assert set(closed) == {"closed/", "sub/dark/"}


def test_reading_a_locked_file_says_why_it_fails(folder: Path) -> None:
    close(folder)
    with nobody():
        root = open_root(folder)
        try:
            for path in ("locked.py", "closed/inner.py"):
                with pytest.raises(UnreadableFileError) as caught:
                    read_file(root, path)
                assert caught.value.reason == "unreadable"
        finally:
            os.close(root)
