"""Specification of the files that hold the user's decisions, and of where a plugin came from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fix_packs import write_metadata
from packhorse.control import choices, files, lock
from packhorse.control.lock import Offer
from packhorse.control.origin import Origin, origin
from packhorse.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert files.read(tmp_path / "plugins.json") == {}


def test_a_file_that_cannot_be_one_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plugins.json"
    for content in (b"\xff", b"[1]", b"{"):
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"plugins\.json"):
            files.read(path)
    with path.open("wb") as file:
        file.truncate(files.LARGEST + 1)
    with pytest.raises(ConfigurationError, match="is larger than"):
        files.read(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        files.read(tmp_path)


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    """A server that starts for the hundredth time wears out no disk."""
    path = tmp_path / "plugins.json"
    path.write_text('{"a":1}', "utf-8")
    with files.changing(path) as content:
        content["a"] = 1
    assert path.read_text("utf-8") == '{"a":1}'


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "plugins.json"
    path.write_text("{}", "utf-8")
    with pytest.raises(RuntimeError), files.changing(path) as content:
        content["half"] = True
        raise RuntimeError
    assert path.read_text("utf-8") == "{}"


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plugins.json"
    path.write_text("{}", "utf-8")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UnavailableError, match="No space left"), files.changing(path) as content:
        content["new"] = True
    assert path.read_text("utf-8") == "{}"
    assert sorted(one.name for one in tmp_path.iterdir()) == [".plugins.json.lock", "plugins.json"]


def test_the_data_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    choices.switch(tmp_path / "data", "tasks", on=False)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_profile_of_the_users_may_take_the_name_of_ours(tmp_path: Path) -> None:
    (tmp_path / "plugins.json").write_text('{"profiles": {"lean": ["search_code"]}}', "utf-8")
    assert choices.read(tmp_path).profile("lean") == {"search_code"}


def test_a_tool_that_is_gone_stays_in_the_lock(tmp_path: Path) -> None:
    """It may come back, and must then be what it was."""
    lock.record(tmp_path, [Offer("notes", "packhorse-notes", "1", {"a": {"name": "a"}, "b": {"name": "b"}})])
    lock.record(tmp_path, [Offer("notes", "packhorse-notes", "2", {"a": {"name": "a"}})])
    back = Offer("notes", "packhorse-notes", "3", {"a": {"name": "a"}, "b": {"name": "b", "description": "new"}})
    (change,) = lock.changes(tmp_path, [back])
    assert (change.name, change.kind, change.approved_version) == ("b", "changed", "1")


def test_an_approval_of_one_tool_is_none_of_the_others(tmp_path: Path) -> None:
    lock.record(tmp_path, [Offer("notes", "packhorse-notes", "1", {"a": {"name": "a"}, "b": {"name": "b"}})])
    tools = {"a": {"name": "a", "description": "1"}, "b": {"name": "b", "description": "2"}}
    now = Offer("notes", "packhorse-notes", "2", tools)
    lock.record(tmp_path, [now], approved=[("notes", "a")])
    (change,) = lock.changes(tmp_path, [now])
    assert (change.name, change.approved_version) == ("b", "2")


def test_a_lock_file_of_another_form_knows_nothing(tmp_path: Path) -> None:
    """What is in it by mistake is passed over, and what is seen is recorded."""
    (tmp_path / lock.FILE).write_text('{"plugins": {"notes": 1}}', "utf-8")
    lock.record(tmp_path, [Offer("notes", "packhorse-notes", "1", {"a": {"name": "a"}})])
    assert "a" in json.loads((tmp_path / lock.FILE).read_text("utf-8"))["plugins"]["notes"]["tools"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, Origin("index")),
        ("{", Origin("index")),
        ("{}", Origin("index")),
        ({"url": "file:///a%20b", "dir_info": {"editable": True}}, Origin("editable", "/a b")),
        ({"url": "file:///src", "dir_info": {}}, Origin("folder", "/src")),
        ({"url": "file:///a.whl", "archive_info": {}}, Origin("file", "/a.whl")),
        (
            {"url": "https://ada:secret@example.org/a.whl?token=x", "archive_info": {}},
            Origin("url", "https://example.org/a.whl"),
        ),
        (
            {"url": "https://ada:secret@example.org/a.git", "vcs_info": {"vcs": "git"}},
            Origin("git", "https://example.org/a.git"),
        ),
    ],
)
def test_where_a_plugin_came_from_is_what_its_installer_recorded(site: Path, record, expected: Origin) -> None:
    """Without the user name and password that an address may have."""
    folder = site / "packhorse_origin-1.0.dist-info"
    write_metadata(folder, name="packhorse-origin", entry_points={"origin": "packhorse_origin"})
    if record is not None:
        text = record if isinstance(record, str) else json.dumps(record)
        (folder / "direct_url.json").write_text(text, "utf-8")
    assert origin("packhorse-origin") == expected


def test_what_is_not_installed_at_all_was_handed_over() -> None:
    assert origin("packhorse-nowhere") == Origin("object")
    assert origin("packhorse-nowhere").is_authors
