"""Which folders may be indexed, and what is said about the others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from packhorse.errors import InvalidInputError, NotFoundError
from packhorse_indexing.roots import resolve_root

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


def test_a_folder_is_resolved_to_where_it_really_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert resolve_root(f"{tmp_path}/link/../real/.", ()) == str((tmp_path / "real").resolve())


@pytest.mark.parametrize("text", ["src", "./src", "../x"])
def test_a_relative_path_is_refused_with_an_absolute_one_as_example(text: str) -> None:
    with pytest.raises(InvalidInputError, match="not absolute") as caught:
        resolve_root(text, ())
    assert "/home/you" in caught.value.remedy


def test_a_tilde_is_refused_with_the_path_that_it_means(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InvalidInputError) as caught:
        resolve_root("~/src", ())
    assert f"{tmp_path}/src" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "  ", "/a\x00b", "/\ud800"])
def test_what_can_be_no_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        resolve_root(text, ())


def test_a_url_and_an_endless_path_are_refused_in_a_few_words() -> None:
    with pytest.raises(InvalidInputError, match=r"^file:///tmp/x is a URL\. Give the absolute path"):
        resolve_root("file:///tmp/x", [])
    with pytest.raises(InvalidInputError) as caught:
        resolve_root("/" + "x" * 5000, [])
    assert str(caught.value) == "The path is longer than 2000 bytes."


def test_a_missing_folder_and_a_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        resolve_root(str(tmp_path / "none"), ())
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match="is a file"):
        resolve_root(str(tmp_path / "file"), ())


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InvalidInputError, match="cannot be opened"):
        resolve_root(str(tmp_path / "loop"), ())


@pytest.mark.parametrize("folder", ["/", "/etc", "/proc/self", "/sys", "/dev", "/var/log", "/tmp", "/usr"])
def test_system_folders_are_refused(folder: str) -> None:
    with pytest.raises(InvalidInputError):
        resolve_root(folder, ())


def test_the_home_folder_and_its_credentials_are_refused_but_not_its_projects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (".ssh", ".config/tool", "src/project"):
        (tmp_path / "home" / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for refused in (tmp_path, tmp_path / "home", tmp_path / "home/.ssh", tmp_path / "home/.config/tool"):
        with pytest.raises(InvalidInputError, match="is not indexed"):
            resolve_root(str(refused), ())
    assert resolve_root(str(tmp_path / "home/src/project"), ())


def test_a_link_into_a_system_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "innocent").symlink_to("/etc")
    with pytest.raises(InvalidInputError, match="belongs to the system"):
        resolve_root(str(tmp_path / "innocent"), ())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user to act as")
def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InvalidInputError, match="another user"):
        resolve_root(str(tmp_path / "theirs"), ())


def test_configured_roots_replace_the_defaults(tmp_path: Path) -> None:
    for name in ("allowed/a", "other", "allowed-not"):
        (tmp_path / name).mkdir(parents=True)
    allowed = (tmp_path / "allowed",)
    assert resolve_root(str(tmp_path / "allowed"), allowed)
    assert resolve_root(str(tmp_path / "allowed/a"), allowed)
    for name in ("other", "allowed-not"):
        with pytest.raises(InvalidInputError, match="outside the folders"):
            resolve_root(str(tmp_path / name), allowed)
