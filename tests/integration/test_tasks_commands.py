"""`packhorse tasks` as people and programs see it."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from cyclopts import App
from loguru import logger

from packhorse import terminal
from packhorse.context import PluginContext
from packhorse.errors import ConflictError, InvalidInputError, NotFoundError
from packhorse_tasks import commands, editing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

Run = Callable[..., str]


@pytest.fixture
def run(packhorse_host, capsys, monkeypatch, tmp_path: Path) -> Run:
    """Run a command in this process and return what it printed on standard output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    terminal._console.cache_clear()
    app = App(result_action="return_value")
    commands.register(app, PluginContext("tasks", packhorse_host("tasks"), logger))

    def call(*arguments: str) -> str:
        app(["tasks", *arguments], exit_on_error=False)
        return capsys.readouterr().out

    return call


def added(run: Run, title: str, *more: str) -> dict[str, Any]:
    return json.loads(run("add", title, *more, "--json"))


def test_a_task_goes_from_added_over_started_to_done(run: Run, make_repository, monkeypatch) -> None:
    repository = make_repository("app").init()
    repository.write("a.txt", "a")
    repository.commit()
    monkeypatch.chdir(repository.root)
    task = added(run, "Refuse stale updates", "-p", "high", "-l", "x", "--file", "a.txt", "--file", "gone.txt")
    assert (task["priority"], task["labels"], task["repository"]) == ("high", ["x"], str(repository.root))
    assert run("start", "1") == "◐ #1 Refuse stale updates  in-progress\n"
    assert run("done", task["id"][:8]) == "● #1 Refuse stale updates  complete\n"
    shown = json.loads(run("show", "#1", "--json"))
    assert (shown["branches"], shown["commits"]) == (["main"], [repository.git("rev-parse", "HEAD")])
    assert shown["assignee"] == "ada"
    text = run("show", "1")
    assert "gone.txt (missing)" in text
    assert "high" in text
    log = run("log", "1")
    assert "ada status need to be done → in-progress" in log
    assert [entry["version"] for entry in json.loads(run("log", "1", "--json"))] == [1, 2, 3]


def test_a_repository_that_is_gone_is_a_warning_not_a_failure(run: Run, make_repository, capsys) -> None:
    repository = make_repository("app").init()
    added(run, "T", "--repo", str(repository))
    (repository.root / ".git" / "HEAD").write_text("garbage")
    json.loads(run("start", "1", "--json"))
    added(run, "U", "--repo", str(repository.root.parent))
    assert "complete" in run("done", "2", "--commit", "a" * 40)


def test_all_of_a_task_is_shown(run: Run) -> None:
    added(run, "parent")
    added(run, "blocker")
    added(run, "T", "-d", "line one\nline two", "--parent", "1", "--after", "2", "--due", "2020-01-01",
          "--criterion", "tests pass", "--criterion", "[x] typed", "--assignee", "bob")  # fmt: skip
    run("comment", "3", "looks\x1b[31m good")
    text = run("show", "3")
    for part in (
        "blocked",
        "part of",
        "parent",
        "waits for",
        "line two",
        "☐ tests pass",
        "☑ typed",
        "bob",
        "\\x1b[31m",
    ):
        assert part in text
    assert "\\n" not in text, "lines are broken, not told of"
    listed = run("list")
    assert "2020-01-01 late" in listed
    assert "T  blocked" in listed
    assert "Labels" not in listed, "a column that says nothing is left out"


def test_lists_are_narrowed_and_searched(run: Run, capsys) -> None:
    added(run, "Parse headers", "-l", "net")
    added(run, "Cache pages")
    assert [task["title"] for task in json.loads(run("list", "--label", "net", "--json"))["tasks"]] == ["Parse headers"]
    assert [task["title"] for task in json.loads(run("list", "header", "--json"))["tasks"]] == ["Parse headers"]
    assert "Parse headers" in run("list", "parse")
    assert json.loads(run("list", "--status", "todo", "--ready", "--limit", "1", "--json"))["total_count"] == 2
    assert "Cache pages" in run("list", "--limit", "1")
    assert run("list", "--status", "done") == ""
    with pytest.raises(InvalidInputError, match="status"):
        run("list", "--status", "odd")


def test_claims_name_their_holder_and_can_be_given_back(run: Run) -> None:
    added(run, "T")
    assert "claimed by ada until" in run("claim")
    with pytest.raises(ConflictError, match="claimed by ada"):
        run("claim", "1", "--as", "bob")
    assert "need to be done" in run("claim", "1", "--lease", "0")


def test_a_deleted_task_comes_back(run: Run) -> None:
    added(run, "T")
    assert "deleted" in run("delete", "1")
    assert run("list") == ""
    assert json.loads(run("list", "--deleted", "--json"))["total_count"] == 1
    assert "need to be done" in run("restore", "1")


def test_what_names_no_task_or_several_is_told(run: Run) -> None:
    with pytest.raises(NotFoundError, match="There is no task 7"):
        run("show", "7")
    ids = [added(run, f"T{i}")["id"] for i in range(40)]
    shared = next(a[0] for a in ids if sum(b[0] == a[0] for b in ids) > 1 and not a[0].isdecimal())
    with pytest.raises(ConflictError, match="Several tasks begin with"):
        run("show", shared)


def test_the_board_has_a_column_for_each_status(run: Run) -> None:
    for i in range(3):
        added(run, f"T{i}", "-l", "x")
    run("start", "2")
    assert run("board", "--limit", "1").splitlines() == [
        "To be done (2)", "    1 T0", "      #x", "  … and 1 more", "",
        "In progress (1)", "    2 T1", "      @ada #x", "",
        "Complete (0)", "  nothing", "",
    ]  # fmt: skip
    assert json.loads(run("board", "--json"))["in-progress"]["total_count"] == 1


def test_an_export_is_imported_elsewhere_and_again_changes_nothing(run: Run, tmp_path: Path) -> None:
    added(run, "parent")
    added(run, "child", "--parent", "1", "-d", "text")
    added(run, "after", "--after", "1")
    run("comment", "2", "note")
    run("export", "all.jsonl")
    assert json.loads(run("import", "all.jsonl", "--json")) == {"added": 0, "known": 3}
    lines = (tmp_path / "all.jsonl").read_text().replace("-4", "-5")
    (tmp_path / "other.jsonl").write_text(lines)
    assert json.loads(run("import", "other.jsonl", "--json")) == {"added": 3, "known": 0}
    assert json.loads(run("import", "other.jsonl", "--json")) == {"added": 0, "known": 3}
    copy = json.loads(run("show", "5", "--json"))
    assert (copy["title"], copy["parent"]["title"], copy["description"]) == ("child", "parent", "text")
    assert [comment["body"] for comment in copy["comments"]] == ["note"]
    assert json.loads(run("show", "6", "--json"))["depends_on"][0]["title"] == "parent"
    assert run("export", "--format", "markdown").startswith("- [ ] parent\n  - [ ] child\n    text\n- [ ] after\n")
    with pytest.raises(InvalidInputError, match="cannot be written"):
        run("export", str(tmp_path))


def test_checklists_and_other_trackers_files_are_imported_once(run: Run, tmp_path: Path, capsys) -> None:
    (tmp_path / "todo.md").write_text("- [ ] A\n  - [x] B\n")
    assert run("import", "todo.md") == "2 tasks added, 0 were there already.\n"
    (tmp_path / "todo.md").write_text("- [ ] new\n- [ ] A\n  - [x] B\n")
    assert run("import", "todo.md", "--repo", ".") == "1 tasks added, 2 were there already.\n"
    cyclic = {"tasks": [{"id": 1, "title": "X", "dependencies": [2]}, {"id": 2, "title": "Y", "dependencies": [1]}]}
    (tmp_path / "tasks.json").write_text(json.dumps(cyclic))
    run("import", "tasks.json")
    assert json.loads(run("list", "--json"))["total_count"] == 5


@pytest.mark.parametrize("line", ['{"title": ""}', '{"title": "T", "labels": [3]}', '{"title": "T", "status": "odd"}'])
def test_an_import_with_a_bad_task_adds_nothing(run: Run, tmp_path: Path, line: str) -> None:
    (tmp_path / "bad.jsonl").write_text('{"title": "good"}\n' + line)
    with pytest.raises(InvalidInputError):
        run("import", "bad.jsonl")
    assert json.loads(run("list", "--json"))["total_count"] == 0


def test_a_user_without_a_name_is_unknown(monkeypatch) -> None:
    def nameless() -> str:
        raise OSError("no such user")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert editing.person() == "unknown"


@pytest.mark.parametrize(("columns", "together"), [(120, True), (60, False)])
def test_on_a_terminal_the_board_is_coloured_and_fits_its_width(
    run: Run, packhorse_environment: dict[str, str], columns: int, together: bool
) -> None:
    added(run, "Refuse [bold]stale[/bold] updates", "-p", "critical", "--due", "2020-01-01")
    text = on_terminal(packhorse_environment, columns, "tasks", "board")
    assert "\x1b[" in text
    assert "[bold]" in text
    first = next(line for line in text.splitlines() if "To be done" in line)
    assert ("In progress" in first) == together
    assert "late" in text


def on_terminal(environment: dict[str, str], columns: int, *arguments: str) -> str:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "packhorse", *arguments],
        env={**environment, "PACKHORSE_PLUGINS": "packhorse-tasks", "COLUMNS": str(columns), "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL, stdout=follower, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(follower)
    text = b""
    while select.select([leader], [], [], 60)[0]:
        try:
            part = os.read(leader, 65536)
        except OSError:  # Linux answers so when the other end is closed
            break
        if not part:
            break
        text += part
    os.close(leader)
    assert process.wait(60) == 0
    return text.decode()


def test_an_import_keeps_the_parent_of_a_sub_task_that_waits_for_it(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "backlog" / "tasks"
    folder.mkdir(parents=True)
    for name, rest in (("1", ""), ("2", ""), ("1.1", "parent_task_id: T-1\ndependencies: [T-2, T-1]\n")):
        (folder / f"{name}.md").write_text(f"---\nid: T-{name}\ntitle: task {name}\n{rest}---\n")
    assert json.loads(run("import", str(tmp_path / "backlog"), "--json")) == {"added": 3, "known": 0}
    [sub] = [one for one in json.loads(run("list", "--json"))["tasks"] if one["title"] == "task 1.1"]
    shown = json.loads(run("show", sub["id"], "--json"))
    assert (shown["parent"]["title"], [one["title"] for one in shown["depends_on"]]) == ("task 1", ["task 2"])
