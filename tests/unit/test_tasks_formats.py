"""Files of tasks: what each format carries, and what broken ones are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.errors import InvalidInputError
from packhorse_tasks.formats import MOST_BYTES, backlog, jsonl, markdown, one_line, read_text, taskmaster
from packhorse_tasks.models import Task
from packhorse_tasks.transfer import guess

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

A, B = "6f3a1c9e-2b4d-4e8f-9a01-b2c3d4e5f607", "7f3a1c9e-2b4d-4e8f-9a01-b2c3d4e5f607"


def task(**given_fields: Any) -> Task:
    fields: dict[str, Any] = {
        "id": A, "title": "T", "description": None, "notes": None, "status": "need to be done",
        "created_at": "2026-11-22T10:00:00+00:00", "updated_at": "2026-11-22T10:00:00+00:00",
        "planning_references": [], "branches": [], "commits": [], "status_history": [], "number": 1, "version": 1,
        "priority": "medium", "labels": [], "parent": None, "subtasks": [], "depends_on": [], "blocked": False,
        "assignee": None, "due_date": None, "acceptance_criteria": [], "symbols": [], "comments": [],
        "comment_count": 0, "repository": None, "claimed_by": None, "claimed_until": None, "deleted_at": None,
    }  # fmt: skip
    return Task.model_validate({**fields, **given_fields})


def link(task_id: str) -> dict[str, str]:
    return {"id": task_id, "title": "T", "status": "complete"}


def test_json_lines_keep_everything() -> None:
    comments = [{"author": "a", "body": "b", "created_at": "2026-11-22T10:00:00Z"}]
    line = "".join(
        jsonl.write([task(title="ü\u2028", labels=["x"], parent=link(B), depends_on=[link(B)], comments=comments)])
    )
    assert line.count("\n") == 1
    (read,) = jsonl.read(line)
    assert (read.key, read.parent, read.depends_on, read.comments) == (A, B, [B], ["b"])
    assert read.fields["labels"] == ["x"]
    assert "created_at" not in read.fields


@pytest.mark.parametrize("text", ["{", "[]", '{"title": 3}', '{"id": 1}', "[" * 100_000])
def test_a_broken_line_is_named(text: str) -> None:
    with pytest.raises(InvalidInputError, match="Line 2"):
        jsonl.read('{"title": "T"}\n' + text)


def test_a_checklist_carries_status_tags_nesting_and_text() -> None:
    first, sub, second = markdown.read(
        "# Plan\n\n- [ ] Claim tasks !critical #tracker @ada due:2026-12-01\n  Text of it.\n\n  More.\n"
        "\t- [x] Race test\n\nNo item.\n* [/] Show #12 open tasks\n"
    )
    assert first.fields == {
        "title": "Claim tasks", "status": "need to be done", "priority": "critical", "labels": ["tracker"],
        "assignee": "ada", "due_date": "2026-12-01", "description": "Text of it.\n\nMore.",
    }  # fmt: skip
    assert (sub.parent, sub.fields) == (first.key, {"title": "Race test", "status": "complete"})
    assert (second.parent, second.fields) == (None, {"title": "Show #12 open tasks", "status": "in-progress"})


def test_an_item_keeps_its_key_when_lines_are_added_above_it() -> None:
    before = markdown.read("- [ ] A\n- [ ] B\n- [ ] B\n")
    after = markdown.read("- [ ] new\n- [ ] A\n- [ ] B\n- [x] B\n")
    assert [item.key for item in after[1:]] == [item.key for item in before]
    assert len({item.key for item in before}) == 3


titles = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=60).map(one_line)


@given(titles)
def test_a_title_survives_the_checklist(title: str) -> None:
    (read,) = markdown.read("".join(markdown.write([task(title=title, labels=["l"], assignee="ada")])))
    assert read.fields["title"] == title
    assert (read.fields["labels"], read.fields["assignee"]) == (["l"], "ada")


def test_descriptions_that_look_like_items_stay_descriptions() -> None:
    (read,) = markdown.read("".join(markdown.write([task(description="before\n- [ ] not a task\n")])))
    assert read.fields["description"] == "before\n- [ ] not a task"


def test_sub_tasks_are_written_below_their_parent() -> None:
    lines = "".join(markdown.write([task(id=A, title="P"), task(id=B, title="K", parent=link(A), priority="low")]))
    assert lines == "- [ ] P\n  - [ ] K !low\n"
    assert "".join(markdown.write([task(parent=link(B))])) == "- [ ] T\n"


def test_task_masters_file_carries_sub_tasks_tags_and_unknown_states() -> None:
    tasks = [
        {"id": 1, "title": "Set up", "status": "done", "priority": "high", "testStrategy": "runs\n\nquickly"},
        {"id": 2, "title": "Build\x1b[31m\nit", "status": "deferred", "dependencies": [1], "details": "how",
         "subtasks": [{"id": 1, "title": "a"}, {"id": 2, "title": "b", "dependencies": [1, "2.1", "1"]}, "junk"]},
        "junk",
    ]  # fmt: skip
    one, two, a, b = taskmaster.read(json.dumps({"master": {"tasks": tasks, "metadata": {}}}))
    assert one.fields == {
        "title": "Set up", "status": "complete", "priority": "high", "acceptance_criteria": ["runs", "quickly"]
    }  # fmt: skip
    assert two.fields["title"] == "Build [31m it"
    assert (two.fields["labels"], two.fields["notes"], two.depends_on) == (["deferred"], "how", [one.key])
    assert (a.parent, b.depends_on) == (two.key, [a.key, a.key, one.key])
    (old,) = taskmaster.read(json.dumps({"tasks": [{"id": 1}]}))
    assert (old.key, old.fields["title"]) == (one.key, "untitled")
    (tagged,) = taskmaster.read(json.dumps({"feature": {"tasks": [{"id": 1, "title": {"x": 1}}]}}))
    assert (tagged.fields["labels"], tagged.fields["title"]) == (["feature"], '{"x": 1}')


def test_what_task_master_itself_writes_at_times_is_taken() -> None:
    subtasks = [
        {"id": 1, "title": "a", "acceptanceCriteria": "- fast\n- small", "testStrategy": "1. measure"},
        {"id": 1, "title": "b", "acceptanceCriteria": ["c", "d"], "testStrategy": "so\n" * 30, "details": "how"},
    ]
    _, a, b = taskmaster.read(json.dumps({"master": {"tasks": [{"id": 1, "title": "T", "subtasks": subtasks}]}}))
    assert a.fields["acceptance_criteria"] == ["fast", "small", "measure"]
    assert a.key != b.key, "two sub-tasks of one number are two tasks"
    assert b.fields["acceptance_criteria"] == ["c", "d"]
    assert b.fields["notes"].startswith("how\n\nTest strategy\nso\nso"), "prose is no list of criteria"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"tasks": 3}', '{"a": {"b": []}}'])
def test_another_file_is_no_tasks_json(text: str) -> None:
    with pytest.raises(InvalidInputError, match="The file is no"):
        taskmaster.read(text)


def test_a_folder_of_backlog_md_carries_front_matter_sections_and_criteria(tmp_path: Path) -> None:
    folder = tmp_path / "backlog" / "tasks"
    folder.mkdir(parents=True)
    (folder / "task-1 - one.md").write_text(
        "---\nid: task-1\ntitle: 'It''s one'\nstatus: In Progress\nassignee:\n  - '@ada'\nlabels: [a, \"b\"]\n"
        "dependencies: []\npriority: high\n---\n\n## Description\n\nText.\n\n## Acceptance Criteria\n"
        "<!-- AC:BEGIN -->\n- [x] #1 met\n- [ ] #2 open\n<!-- AC:END -->\n\n## Implementation Notes\n\nDone so.\n"
    )
    (folder / "task-2 - two.md").write_text(
        "---\nid: TASK-2\ntitle: >-\n  folded\n  title\nstatus: Blocked\nassignee: @bob\ndependencies:\n  - task-1\n"
        "parent_task_id: task-1\npriority: odd\n---\nbare text\n"
    )
    (folder / "readme.md").write_text("no front matter, no task")
    (tmp_path / "backlog" / "completed").mkdir()
    (tmp_path / "backlog" / "completed" / "back-3 - old.md").write_text(
        "---\nid: BACK-3\ntitle: old\nstatus: To Do\nmodified_files:\n  - src/a.py\n  - ../out\nreferences:\n"
        "  - https://example.org/x\n  - docs/b.md\ndependencies: [BACK-2, task-9]\nparent_task_id: BACK-1\n---\n"
        "## Approach\n\nOwn words.\n\n## Acceptance Criteria\n" + f"- [ ] {'long ' * 300}\n"
    )
    old, one, two = sorted(backlog.read(tmp_path), key=lambda task: task.key)
    assert one.fields == {
        "title": "It's one", "status": "in-progress", "priority": "high", "labels": ["a", "b"], "assignee": "ada",
        "description": "Text.", "notes": "Implementation notes\nDone so.",
        "acceptance_criteria": ["[x] met", "open"],
    }  # fmt: skip
    assert (two.key, two.parent, two.depends_on) == ("task-2", "task-1", ["task-1"])
    assert two.fields == {
        "title": "folded title", "status": "need to be done", "priority": "medium", "labels": ["blocked"],
        "assignee": "bob", "description": "bare text",
    }  # fmt: skip
    # A project may have changed its prefix: what older references mean is told by the number.
    assert (old.key, old.fields["status"]) == ("back-3", "complete")
    assert (old.parent, old.depends_on) == ("task-1", ["task-2", "task-9"])
    assert old.fields["planning_references"] == ["src/a.py", "docs/b.md"]
    assert old.fields["notes"].startswith("Approach\nOwn words.\n\nAcceptance criteria\n- [ ] long long")
    assert backlog.read(tmp_path / "backlog")[0].key == "task-1"
    with pytest.raises(InvalidInputError, match=r"no folder of Backlog\.md"):
        backlog.read(folder)


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        read_text(tmp_path / "missing")
    (tmp_path / "latin").write_bytes(b"\xe4")
    with pytest.raises(InvalidInputError, match="is not UTF-8"):
        read_text(tmp_path / "latin")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(InvalidInputError, match="larger than 50 MB"):
        read_text(tmp_path / "large")
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbf{}")
    assert read_text(tmp_path / "marked") == "{}"


def test_the_format_is_told_by_the_name(tmp_path: Path) -> None:
    names = {"a.jsonl": "jsonl", "a.NDJSON": "jsonl", "a.md": "markdown", "tasks.json": "taskmaster"}
    assert {name: guess(tmp_path / name) for name in names} == names
    assert guess(tmp_path) == "backlog"
    with pytest.raises(InvalidInputError, match="--format"):
        guess(tmp_path / "a.txt")
