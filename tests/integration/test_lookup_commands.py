"""`packhorse grep`, `symbol`, `outline` and `similar` as people and programs see them; the bounds of reading."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cyclopts import App
from rich.console import Console

from packhorse.errors import InvalidInputError, NotFoundError
from packhorse_search import scope
from packhorse_search.lookup import commands, grep, outline, present, render, similar, walk
from packhorse_search.lookup.answer import FileLines, Line, LinesAnswer
from packhorse_search.lookup.pattern import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.integration

POOL = "class SessionPool:\n    def acquire(self):\n        return 1\n\n\ndef use():\n"
BODY = "".join(f"    step_{i} = acquire({i})\n" for i in range(60))


@pytest.fixture
def project(make_repository: Any) -> Any:
    repository = make_repository("app").init()
    repository.write(
        "net/pool.py", f"class SessionPool:\n    def acquire(self):\n        return 1\n\n\ndef use():\n{BODY}"
    )
    repository.write("net/evil.py", "# SessionPool \x1b]0;owned\x07 [bold]markup[/bold]\nSessionPool = 1\n")
    return repository


@pytest.fixture
def run(packhorse_host: Any, project: Any, monkeypatch: Any, capsysbinary: Any) -> Callable[..., Any]:
    """Run a command in the project's folder; return its exit code and what it printed."""
    host = packhorse_host("indexing", "search")
    app = App(result_action="return_value")
    commands.register(app, host.context("search"))

    def command(*arguments: str, cwd: Path = project.root) -> tuple[int, str, str]:
        monkeypatch.chdir(cwd)
        code = app(list(arguments))
        printed = capsysbinary.readouterr()
        return code, printed.out.decode(), printed.err.decode()

    return command


def test_grep_prints_every_line_as_grep_does(run, project):
    code, out, err = run("grep", r"acquire\(\d", cwd=project.root / "net")
    assert code == 0
    assert out.splitlines() == [f"net/pool.py:{7 + i}:    step_{i} = acquire({i})" for i in range(60)]
    assert "60 lines in 1 file" in err
    code, out, _ = run("grep", "-F", "acquire", "-w", "--json", "--repo", str(project))
    assert code == 0
    answer = json.loads(out)
    assert answer["total_lines"] == 61
    assert answer["cursor"] is None
    code, out, _ = run("grep", "DEF ACQUIRE", "-i", "-C", "1")
    assert out.splitlines()[0] == "net/pool.py-1-class SessionPool:"
    code, out, _ = run("grep", "SessionPool", "--directory", "net/evil.py")
    assert "\x1b" not in out
    assert "\\x1b]0;owned" in out
    assert "[bold]markup[/bold]" in out


def test_the_exit_code_is_greps(run):
    assert run("grep", "no such text")[:2] == (1, "")
    code, out, err = run("grep", "(")
    assert (code, out) == (2, "")
    assert "not valid" in err
    assert run("symbol", "acquyre")[0] == 1
    assert run("outline", "nowhere")[0] == 2
    assert run("similar", "nowhere.py:1")[0] == 2


def test_symbols_outlines_and_places_alike(run, project):
    code, out, err = run("symbol", "SessionPool.acquire", "--references")
    assert code == 0
    assert out.startswith("net/pool.py:2  method SessionPool.acquire\n    def acquire(self):\n")
    assert "net/pool.py:66:" in out
    assert "1 definitions, referenced by name in 60 lines in 1 file" in err
    _, out, err = run("symbol", "aquire")
    assert "names like it: acquire" in err
    code, out, _ = run("outline", "pool.py", cwd=project.root / "net")
    assert code == 0
    assert out.splitlines() == ["class SessionPool 1-3", "  method acquire 2-3", "function use 6-66"]
    assert json.loads(run("outline", "--json")[1])["entries"][0]["name"] == "net/"
    code, out, _ = run("similar", "pool.py:1", "--limit", "1", cwd=project.root / "net")
    assert code == 0
    assert re.match(r"net/\w+\.py:\d+  ", out)


def test_an_answer_in_parts_is_printed_as_one(run, project, monkeypatch):
    for i in range(5):
        project.write(f"more/use_{i}.py", f"pool_{i} = SessionPool()\n")
    monkeypatch.setattr(walk, "MAX_CHUNKS", 1)
    monkeypatch.setattr(walk, "_BATCHES", (1,))
    monkeypatch.setattr(outline, "BUDGET", 1)
    code, out, err = run("grep", r"pool_\d = ", "--repo", str(project))
    assert code == 0
    assert out.splitlines() == [f"more/use_{i}.py:1:pool_{i} = SessionPool()" for i in range(5)]
    assert "5 lines in 5 files" in err
    assert len(run("outline", "more", "--repo", str(project))[1].splitlines()) == 5


def test_the_installed_command_exits_as_grep_does(packhorse_environment, project):
    environment = {**packhorse_environment, "PACKHORSE_PLUGINS": "packhorse-indexing,packhorse-search"}
    for pattern, code in (("SessionPool", 0), ("no such text", 1), ("(", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "packhorse", "grep", pattern],
            cwd=project.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr


def test_a_terminal_gets_the_matches_highlighted():
    line = Line(line=3, text="a \x1b session, Session")
    files = [FileLines(repository="r", file_path="a\x1b.py", language="python", lines=[line])]
    answer = LinesAnswer(files=files, total_lines=1, total_files=1, is_complete=True, warnings=["half indexed"])
    output, messages = (Console(file=io.StringIO(), force_terminal=True, width=40) for _ in range(2))
    render.show_lines(answer, output, messages, parse("session", ignore_case=True, word=True))
    text = output.file.getvalue()
    assert text.count("\x1b[1;31m") == 2
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert plain == "a\\x1b.py:3:a \\x1b session, Session\n"
    assert "half indexed" in messages.file.getvalue()


@pytest.fixture
async def where(indexing: Any, make_repository: Any) -> Any:
    """The scope and database of a folder of forty files with one line each that matches."""
    repository = make_repository()
    for i in range(40):
        repository.write(f"part_{i:02}.py", f"# {'filler ' * 30}\nsession_{i} = {i}  # => x\n")
    await indexing.index.index(str(repository))
    return indexing.database, await scope.choose(indexing.index, None)


async def all_pages(where: Any, request: grep.Request) -> list[LinesAnswer]:
    database, place = where
    pages = [await grep.answer(database, place, grep.parse(request))]
    while (cursor := pages[-1].cursor) is not None:
        assert len(pages) < 100
        following = grep.Request(**{name: getattr(request, name) for name in request.__slots__} | {"cursor": cursor})
        pages.append(await grep.answer(database, place, grep.parse(following)))
    return pages


@pytest.mark.parametrize("pattern", ["session_", ".*=", "=> x"])
async def test_reading_stops_at_its_bounds_says_so_and_goes_on(where, monkeypatch, pattern):
    monkeypatch.setattr(walk, "MAX_CHUNKS", 10)
    monkeypatch.setattr(walk, "_BATCHES", (5, 5))
    pages = await all_pages(where, grep.Request(pattern))
    assert len(pages) > 2
    assert not pages[0].is_complete
    assert pages[0].searched.startswith("files 1 to ")
    lines = [
        file.file_path for page in pages for file in page.files if any("session" in one.text for one in file.lines)
    ]
    assert lines == [f"part_{i:02}.py" for i in range(40)]


async def test_a_file_that_takes_all_the_time_is_passed_over_and_named(where, monkeypatch):
    monkeypatch.setattr(walk, "SECONDS", -1.0)
    database, place = where
    asked = grep.parse(grep.Request("session_"))
    candidates, _ = await walk.candidates(database, place, asked.pattern)
    result = await walk.walk(database, candidates, 0, asked.pattern, 10)
    assert (result.read, result.passed_over, result.lines) == (1, 1, {})
    assert "not searched" in grep.problems(result, None)[0]


async def test_texts_too_long_for_an_intricate_pattern_are_named(where, monkeypatch):
    monkeypatch.setattr("packhorse_search.lookup.pattern.MAX_STEPS", 100)
    database, place = where
    answer = await grep.answer(database, place, grep.parse(grep.Request("session_")))
    assert answer.total_lines == 0
    assert "40 chunks were not searched" in answer.warnings[0]


def test_a_place_beyond_the_reach_of_a_cursor_is_named():
    assert "narrow it" in grep.problems(walk.Walk(), grep.LARGEST_CURSOR + 1)[0]


async def test_a_place_without_a_vector_yet_says_so(where, indexing):
    database, place = where
    answer = await similar.answer(database, place, similar.Request("part_01.py:1"))
    assert answer.results
    await indexing.query("DELETE FROM indexing.embedding")
    with pytest.raises(NotFoundError, match="no embedding yet"):
        await similar.answer(database, place, similar.Request("part_01.py:1"))
    with pytest.raises(InvalidInputError, match="limit is 51"):
        await similar.answer(database, place, similar.Request("part_01.py:1", limit=51))


async def test_what_an_older_version_indexed_is_outlined_without_ends(where, indexing, make_repository):
    repository = make_repository("older")
    repository.write("a.py", "class Pool:\n    def open(self):\n        x = 1\n")
    await indexing.index.index(str(repository))
    await indexing.query("UPDATE indexing.definition SET end_line = NULL, scope = NULL")
    place = await scope.choose(indexing.index, "older")
    answer = await outline.answer(indexing.database, place, outline.Request("a.py"))
    assert "class Pool 1\nmethod open 2" in present.outline_text(answer)
