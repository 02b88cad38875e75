"""`packhorse search` as people and programs see it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cyclopts import App
from rich.console import Console

from packhorse_search import commands, render
from packhorse_search.answer import SearchAnswer, SearchResult, TaskLink
from packhorse_search.commands import root_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

BODY = "".join(f"        step_{i} = {i}\n" for i in range(30))


@pytest.fixture
def project(make_repository: Any) -> Any:
    repository = make_repository("app").init()
    repository.write("net/pool.py", f"class SessionPool:\n    def acquire(self):\n{BODY}")
    repository.write("net/evil.py", "# SessionPool \x1b]0;owned\x07 [bold]markup[/bold]\nSessionPool = 1\n")
    return repository


@pytest.fixture
def command(packhorse_environment: dict[str, str]) -> Any:
    """Run `packhorse search` with its output in pipes."""

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "packhorse", "search", *arguments],
            cwd=cwd,
            env={**packhorse_environment, "PACKHORSE_PLUGINS": "packhorse-indexing,packhorse-search"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_the_folder_is_indexed_first_and_then_answers(command, project):
    done = command("SessionPool", cwd=project.root / "net")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("net/pool.py:1  SessionPool")
    assert "\x1b" not in done.stdout
    assert "step_29" in done.stdout, "a pipe gets every line"
    assert "[bold]markup[/bold]" in done.stdout
    assert re.search(r"\d+ of \d+ matches in \d+ ms", done.stderr)


def test_json_has_the_fields_of_the_tool(command, project):
    done = command("SessionPool", "--repo", str(project), "--limit", "1", "--json", cwd=project.root.parent)
    answer = json.loads(done.stdout)
    assert {"results", "total_count", "latency_ms", "index", "next_cursor"} <= answer.keys()
    [result] = answer["results"]
    assert result["file_path"] == "net/pool.py"
    assert "explain" not in result
    assert {"chunk_id", "content", "start_line", "end_line", "similarity_score"} <= result.keys()


def test_explain_shows_what_a_score_was_summed_from(command, project):
    done = command("SessionPool", "--explain", "--context", "2", cwd=project.root)
    assert re.search(r"^ +\d\.\d{3}  definition$", done.stdout, re.MULTILINE)
    told = json.loads(command("SessionPool", "--explain", "--json", cwd=project.root).stdout)
    assert told["results"][0]["explain"]["definition"] > 0


def test_no_match_says_what_to_try(command, project):
    done = command("SessionPool", "--file-type", "rs", cwd=project.root)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "No indexed file passes the filters" in done.stderr
    assert "No match" in done.stderr


def test_a_folder_that_does_not_exist_is_an_error_and_no_trace(command, project):
    done = command("x", "--repo", "nowhere", cwd=project.root)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert str(project.root / "nowhere") in done.stderr


def test_filters_are_options_that_may_be_repeated(command, project):
    project.write("web/pool.ts", "export class SessionPool {}\n")
    options = ["-t", "py", "-t", "ts", "-d", "net", "-d", "web", "-x", "net/evil.py,*.js", "-k", "class", "-n", "3"]
    done = command("SessionPool", *options, "--json", cwd=project.root)
    found = [result["file_path"] for result in json.loads(done.stdout)["results"]]
    assert sorted(found) == ["net/pool.py", "web/pool.ts"]
    done = command("SessionPool", "--kind", "clas", cwd=project.root)
    assert done.returncode == 2
    assert "Did you mean class?" in done.stderr


def test_a_terminal_gets_colour_line_numbers_and_no_escapes_of_the_files(packhorse_environment, project):
    environment = {
        **packhorse_environment,
        "PACKHORSE_PLUGINS": "packhorse-indexing,packhorse-search",
        "TERM": "xterm-256color",
        "COLUMNS": "100",
    }
    environment.pop("NO_COLOR", None)
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "packhorse", "search", "SessionPool"],
        cwd=project.root,
        env=environment,
        stdin=follower,
        stdout=follower,
        stderr=follower,
    ) as process:
        os.close(follower)
        output = b""
        while select.select([leader], [], [], 60)[0]:
            try:
                part = os.read(leader, 65536)
            except OSError:  # Linux reports the end of a terminal so
                break
            if not part:
                break
            output += part
        assert process.wait(60) == 0
    os.close(leader)
    text = output.decode()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert plain != text
    assert "\x1b]0;" not in text
    assert "\\x1b]0;owned" in plain
    assert "more lines" in plain
    assert re.search(r"^ +1  class SessionPool", plain, re.MULTILINE)
    assert "\x1b]8;id=" in text, "the place is a link"
    assert f"{project.root}/net/pool.py\x1b\\" in text


def test_the_command_prints_what_the_service_answers(packhorse_host, project, capsysbinary):
    host = packhorse_host("indexing", "search")
    app = App(result_action="return_value")
    commands.register(app, host.context("search"))
    assert app(["search", "SessionPool", "--repo", str(project), "--json", "--limit", "2"]) == 0
    assert len(json.loads(capsysbinary.readouterr().out)["results"]) == 2
    app(["search", "SessionPool", "--repo", str(project), "--limit", "1", "--explain"])
    assert capsysbinary.readouterr().out.startswith(b"net/pool.py:1  SessionPool")
    assert app(["search", "SessionPool", "--repo", str(project), "--exclude", "net"]) == 1
    assert app(["search", "SessionPool", "--repo", str(project), "--limit", "0"]) == 2


@pytest.mark.parametrize("terminal", [True, False])
def test_tasks_and_context_are_shown_with_the_code(terminal):
    result = SearchResult(
        chunk_id="1",
        repository="/app",
        file_path="a.py",
        start_line=3,
        end_line=3,
        symbol=None,
        language="python",
        similarity_score=0.5,
        why="words",
        content="x = 1",
        context_before="# before",
        context_after="# after",
        tasks=[TaskLink(id="1", title="fix \x1b it", status="in-progress"), TaskLink(id="2")],
    )
    other = result.model_copy(
        update={"repository": "/b", "content": "a\nb", "chunk_lines": [1, 9], "context_after": ""}
    )
    answer = SearchAnswer(
        results=[result, other],
        total_count=9,
        latency_ms=1,
        index=[],
        warnings=["half indexed"],
        more=["c.py:1 open"],
        next_cursor="AAAA",
    )
    output, messages = (Console(file=io.StringIO(), force_terminal=terminal, width=100) for _ in range(2))
    render.show(answer, output, messages)
    text = re.sub(r"\x1b(?:\[[0-9;]*m|\]8;[^\x1b]*\x1b\\)", "", output.file.getvalue())
    assert "task: fix \\x1b it (in-progress)" in text
    assert re.search(r"2 +# before *\n *3 +x = 1 *\n *4 +# after", text)
    assert re.search(r"task: 2$", text, re.MULTILINE)
    assert "/b/a.py:3" in text, "the folder is named where there are several"
    assert ("… 7 more lines" in text) is terminal
    told = messages.file.getvalue()
    assert all(part in told for part in ("half indexed", "c.py:1 open", "--cursor AAAA"))


def test_the_root_is_the_nearest_git_repository_or_the_folder_itself(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert root_of(inner) == inner
    (tmp_path / "a" / ".git").mkdir()
    assert root_of(inner) == tmp_path / "a"
