"""Scanning folders without git, and reading files beneath a folder without being led out of it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from packhorse_indexing.scan import (
    Limits,
    Skip,
    UnreadableFileError,
    beneath,
    open_root,
    read_file,
    read_file_and_stat,
    scan,
)
from packhorse_indexing.scan.folders import Folders
from packhorse_indexing.scan.names import is_generated, is_secret
from packhorse_indexing.scan.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration


def put(folder: Path, name: str, text: str = "x = 1\n") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_every_level_of_gitignore_is_obeyed_as_git_does(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", "*.tmp\r\n/build/\nnode_modules\n!keep.tmp\n[broken\n\n# comment\nsrc/only.py\n")
    put(tmp_path, "src/.gitignore", "!deep.tmp\n/local.py\n")
    names = (
        "a.tmp", "keep.tmp", "src/deep.tmp", "src/b.tmp", "src/local.py", "src/x/local.py", "build/x.py",
        "src/build/y.py", "node_modules/z.js", "src/node_modules/z.js", "src/only.py", "other/src/only.py", "main.py",
    )  # fmt: skip
    for name in names:
        put(tmp_path, name)
    found = scan(tmp_path)
    assert sorted(entry.path for entry in found.files) == [
        ".gitignore", "keep.tmp", "main.py", "other/src/only.py", "src/.gitignore", "src/build/y.py", "src/deep.tmp",
        "src/x/local.py",
    ]  # fmt: skip
    assert found.head is None
    assert found.family == f"folder:{tmp_path.resolve()}"
    assert found.skipped == [
        Skip(path, "ignored")
        for path in (
            "a.tmp",
            "build/",
            "node_modules/",
            "src/b.tmp",
            "src/local.py",
            "src/node_modules/",
            "src/only.py",
        )
    ]


def test_an_ignore_file_that_is_a_link_or_a_pipe_says_nothing(tmp_path: Path) -> None:
    put(tmp_path, "rules", "*.py\n")
    (tmp_path / ".gitignore").symlink_to("rules")
    os.mkfifo(tmp_path / ".mcpignore")
    put(tmp_path, "a.py")
    found = scan(tmp_path)
    assert [entry.path for entry in found.files] == ["a.py", "rules"]
    assert found.skipped == [Skip(".gitignore", "symlink"), Skip(".mcpignore", "special file")]


def test_a_repository_inside_has_rules_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", "*.md\n")
    put(tmp_path, "inner/.git/HEAD", "ref: refs/heads/main\n")
    put(tmp_path, "inner/notes.md")
    put(tmp_path, "inner/.gitignore", "*.out\n")
    put(tmp_path, "inner/x.out")
    put(tmp_path, "inner/y.py")
    put(tmp_path, "outer.md")
    found = scan(tmp_path)
    assert [entry.path for entry in sorted(found.files, key=lambda e: e.path)] == [
        ".gitignore", "inner/.gitignore", "inner/notes.md", "inner/y.py",
    ]  # fmt: skip


def test_links_out_and_loops_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root, "a.py")
    put(tmp_path, "secret.py")
    (root / "loop").symlink_to(".")
    (root / "out").symlink_to(tmp_path)
    (root / "file.py").symlink_to("../secret.py")
    found = scan(root)
    assert [entry.path for entry in found.files] == ["a.py"]
    assert {skip.reason for skip in found.skipped} == {"symlink"}


def test_a_folder_that_may_not_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "closed/a.py")
    put(tmp_path, "open.py")
    real = beneath.open_beneath

    def refuse(root_fd: int, path: str) -> int:
        # Root may read every folder, so the refusal is made here.
        if path == "closed":
            raise PermissionError(13, "no")
        return real(root_fd, path)

    monkeypatch.setattr("packhorse_indexing.scan.folders.open_beneath", refuse)
    found = scan(tmp_path)
    assert [entry.path for entry in found.files] == ["open.py"]
    assert found.skipped == [Skip("closed/", "unreadable")]


def test_a_very_deep_folder_ends_with_a_reason(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(210):
        deep = deep / "d"
    deep.mkdir(parents=True)
    put(deep, "bottom.py")
    assert [skip.reason for skip in scan(tmp_path).skipped] == ["unreadable"]


def test_a_root_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "nowhere")


def test_a_root_that_is_a_link_is_the_folder_it_leads_to(tmp_path: Path) -> None:
    put(tmp_path, "real/a.py")
    (tmp_path / "link").symlink_to("real")
    assert scan(tmp_path / "link").family == f"folder:{(tmp_path / 'real').resolve()}"
    assert len(scan(tmp_path / "link").files) == 1


@pytest.fixture(params=["openat2", "components"])
def root_fd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    if request.param == "components":
        monkeypatch.setattr(beneath, "_has_openat2", False)
    elif not beneath._has_openat2:
        pytest.skip("the kernel has no openat2")
    descriptor = open_root(tmp_path)
    yield descriptor
    os.close(descriptor)


def reason(root_fd: int, path: str, limit: int = 1000) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        read_file(root_fd, path, limit)
    return caught.value.reason


def test_a_file_is_read_with_its_signature(root_fd: int, tmp_path: Path) -> None:
    path = put(tmp_path, "a/b/c.py", "text\n")
    data, status = read_file_and_stat(root_fd, "a/b/c.py")
    assert data == b"text\n"
    assert status.st_ino == path.stat().st_ino
    assert read_file(root_fd, "a/b/c.py", 5) == b"text\n"


def test_what_cannot_be_read_has_a_reason(root_fd: int, tmp_path: Path) -> None:
    put(tmp_path, "folder/a.py", "x" * 2000)
    put(tmp_path, "b.py")
    (tmp_path / "link").symlink_to("b.py")
    (tmp_path / "linked").symlink_to("folder")
    (tmp_path / "up").symlink_to("..")
    os.mkfifo(tmp_path / "pipe")
    assert reason(root_fd, "gone.py") == "vanished"
    assert reason(root_fd, "b.py/x") == "vanished"
    assert reason(root_fd, "link") == "symlink"
    assert reason(root_fd, "linked/a.py") in {"symlink", "vanished"}
    assert reason(root_fd, "up/x") in {"symlink", "vanished"}
    assert reason(root_fd, "../x") == "symlink"
    assert reason(root_fd, "/etc/passwd") == "symlink"
    assert reason(root_fd, "pipe") == "special file"
    assert reason(root_fd, "folder") == "special file"
    assert reason(root_fd, "folder/a.py") == "too large"
    assert reason(root_fd, "nul\0byte") == "unreadable"


def test_a_file_that_grows_while_it_is_read_is_too_large(
    root_fd: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.py", "x" * 10)
    real = os.read
    monkeypatch.setattr(beneath.os, "read", lambda descriptor, size: real(descriptor, size) * 500)
    assert reason(root_fd, "a.py") == "too large"


def test_no_swap_of_a_folder_for_a_link_leads_out(root_fd: int, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    put(outside, "a.py", "SECRET")
    put(tmp_path, "folder/a.py", "public")
    folder, aside, link = tmp_path / "folder", tmp_path / "aside", tmp_path / "link"
    link.symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            folder.rename(aside)
            link.rename(folder)
            folder.rename(link)
            aside.rename(folder)

    thread = threading.Thread(target=swap)
    thread.start()
    seen: set[bytes] = set()
    try:
        for _ in range(3000):
            try:
                seen.add(read_file(root_fd, "folder/a.py"))
            except UnreadableFileError as error:
                seen.add(error.reason.encode())
    finally:
        stop.set()
        thread.join()
    assert b"SECRET" not in seen
    assert read_file(root_fd, "folder/a.py") == b"public"


def test_a_walk_may_begin_below_its_root(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", "*.py\n")
    put(tmp_path, "below/.gitignore", "/x.md\n")
    for name in ("below/a.py", "below/x.md", "below/in/x.md"):
        put(tmp_path, name)
    descriptor = open_root(tmp_path)
    try:
        files, skipped = walk(Folders(descriptor), "below")
    finally:
        os.close(descriptor)
    assert sorted(files) == ["below/.gitignore", "below/a.py", "below/in/x.md"]
    assert skipped == [Skip("below/x.md", "ignored")]


def test_a_file_that_vanishes_during_the_scan_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.py")
    monkeypatch.setattr("packhorse_indexing.scan.scanner.walk", lambda *_: (["a.py", "gone.py", "a.py/x"], []))
    assert [entry.path for entry in scan(tmp_path, Limits()).files] == ["a.py"]


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (".env", True), ("app/.env.production", True), (".envrc", True), ("prod.env", True), (".env.example", False),
        (".env.sample", False), ("env.py", False), ("server.PEM", True), ("id_ed25519", True),
        ("id_ed25519.pub", False),
        (".aws/credentials", True), (".ssh/known_hosts", True), (".ssh/id.pub", False), (".kube/config", True),
        ("credentials.json", True), ("my-service-account.json", True), ("project-0123456789ab.json", True),
        ("state/5a3fd9b3-e852-8956-8c0a-255d47eda645.json", False), ("secrets.yaml", True), ("secrets.py", False),
        ("terraform.tfstate", True), ("keys.py", False), ("monkey.py", False), (".netrc", True), (".pypirc", True),
    ],
)  # fmt: skip
def test_secret_files_are_known_by_their_names(path: str, secret: bool) -> None:
    assert is_secret(path) is secret


@pytest.mark.parametrize(
    ("path", "generated"),
    [("Cargo.lock", True), ("web/yarn.lock", True), ("go.sum", True), ("a.min.js", True), ("a.js.map", True),
     ("go.mod", False), ("lock.py", False), ("map.js", False)],
)  # fmt: skip
def test_generated_files_are_known_by_their_names(path: str, generated: bool) -> None:
    assert is_generated(path) is generated
