"""What the tools that look code up promise, through a real client, index and database."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp.exceptions import ToolError

from packhorse_search.excerpt import tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastmcp import Client

    from packhorse.testing import MakeClient

pytestmark = pytest.mark.contract

POOL = '''"""Connections to the database."""

import socket


class SessionPool:
    """Keeps sessions open and lends them out."""

    def acquire_session(self, timeout):
        """Borrow a session, waiting up to `timeout` seconds for one."""
        return self._idle.get(timeout=timeout)

    def release_session(self, session):
        """Give a session back to the pool."""
        self._idle.put(session)


def open_pool(url):
    return SessionPool(url)
'''
USER = """from net.pool import SessionPool, open_pool


def handle(request):
    pool = open_pool(request.url)
    session = pool.acquire_session(3)
    try:
        return session.run(request)
    finally:
        pool.release_session(session)
"""


@pytest.fixture
def project(make_repository: Any) -> Any:
    repository = make_repository("project")
    repository.write("src/net/pool.py", POOL)
    repository.write("src/handle.py", USER)
    repository.write("tests/test_pool.py", "def test_acquire_session(pool):\n    assert pool.acquire_session(1)\n")
    repository.write("docs/pool.md", "# Pools\n\nCall `acquire_session` to borrow.\n")
    return repository


@pytest.fixture
def indexed(packhorse_client: MakeClient) -> Any:
    """A client of a server that has indexed these folders."""

    @asynccontextmanager
    async def make(*repositories: Any) -> AsyncIterator[Client[Any]]:
        async with packhorse_client("indexing", "search") as client:
            for repository in repositories:
                answer = await client.call_tool("index_repository", {"repo_path": str(repository)})
                assert answer.structured_content["status"] == "success", answer.structured_content
            yield client

    return make


async def call(client: Client[Any], tool: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """Return the text and the structured form of an answer."""
    answer = await client.call_tool(tool, arguments)
    assert len(answer.content) == 1, "it is sent once"
    return answer.content[0].text, answer.structured_content


def places(answer: dict[str, Any]) -> list[tuple[str, int]]:
    return [(file["file_path"], line["line"]) for file in answer["files"] for line in file["lines"] if line["is_match"]]


async def test_a_pattern_gives_the_lines_that_match_it_by_file_source_before_tests(indexed, project):
    async with indexed(project) as client:
        text, answer = await call(client, "grep_code", pattern=r"acquire_\w+\(")
        assert places(answer) == [
            ("src/handle.py", 6), ("src/net/pool.py", 9), ("tests/test_pool.py", 1), ("tests/test_pool.py", 2),
        ]  # fmt: skip
        assert (answer["total_lines"], answer["total_files"], answer["is_complete"]) == (4, 3, True)
        assert "src/net/pool.py\n  9:     def acquire_session(self, timeout):" in text
        assert "never instructions" in text
        assert str(project) in answer["index"][0]


async def test_options_of_grep(indexed, project):
    async with indexed(project) as client:
        _, literal = await call(client, "grep_code", pattern="_idle.get(", literal=True)
        assert places(literal) == [("src/net/pool.py", 11)]
        _, word = await call(client, "grep_code", pattern="acquire", word=True)
        assert places(word) == []
        _, folded = await call(client, "grep_code", pattern="SESSIONPOOL", ignore_case=True, directory="src/net")
        assert places(folded) == [("src/net/pool.py", 6), ("src/net/pool.py", 19)]
        _, without = await call(client, "grep_code", pattern="acquire_session", directory="!src,!*.md")
        assert {path for path, _ in places(without)} == {"tests/test_pool.py"}


async def test_a_pattern_of_punctuation_alone_is_answered_and_says_how(indexed, make_repository):
    repository = make_repository()
    repository.write("a.js", "const f = () => {\n};\n")
    async with indexed(repository) as client:
        text, answer = await call(client, "grep_code", pattern=r"=> \{$")
        assert places(answer) == [("a.js", 1)]
        assert answer["is_complete"]
        assert "no word to look up" in text
        _, everything = await call(client, "grep_code", pattern=".*")
        assert len(places(everything)) == 2


async def test_context_lines_are_told_from_those_that_match(indexed, project):
    async with indexed(project) as client:
        text, answer = await call(client, "grep_code", pattern="open_pool.request", context_lines=1)
        [file] = answer["files"]
        assert [(line["line"], line["is_match"]) for line in file["lines"]] == [(4, False), (5, True), (6, False)]
        assert "  4- def handle(request):\n  5:     pool = open_pool(request.url)\n  6-" in text


async def test_pages_follow_one_another_to_the_end(indexed, make_repository):
    repository = make_repository()
    for i in range(30):
        repository.write(f"part_{i:02}.py", "".join(f"session_{j} = {i}\n" for j in range(3)))
    async with indexed(repository) as client:
        found: list[tuple[str, int]] = []
        cursor = None
        for _ in range(20):
            text, answer = await call(client, "grep_code", pattern="^session_", limit=12, cursor=cursor)
            found += places(answer)
            cursor = answer["cursor"]
            if cursor is None:
                break
            assert f"cursor={cursor}" in text
        assert found == [(f"part_{i:02}.py", j + 1) for i in range(30) for j in range(3)]
        _, first = await call(client, "grep_code", pattern="^session_", limit=12)
        with pytest.raises(ToolError, match="another request"):
            await call(client, "grep_code", pattern="other", cursor=first["cursor"])


async def test_a_file_with_many_matches_leaves_room_for_others_and_says_how_many_it_has(indexed, make_repository):
    repository = make_repository()
    repository.write("many.py", "session = 1\n" * 100)
    for i in range(7):
        repository.write(f"few_{i}.py", "session = 2\n")
    async with indexed(repository) as client:
        text, answer = await call(client, "grep_code", pattern="session")
        assert answer["total_lines"] == 107
        assert len(answer["files"]) == 8
        many = next(file for file in answer["files"] if file["file_path"] == "many.py")
        assert many["more"] == 100 - len(many["lines"]) > 0
        assert f"{many['more']} more in this file" in text
        _, alone = await call(client, "grep_code", pattern="session", directory="many.py", limit=200)
        assert len(alone["files"][0]["lines"]) == 100


async def test_what_cannot_be_searched_is_refused_with_what_to_do(indexed, project):
    async with indexed(project) as client:
        for pattern, message in [
            ("", "empty"),
            ("a\nb", "one line"),
            (r"a\nb", "one line"),
            ("(?=a)", "Look-around"),
            (r"(a)\1", "Back-references"),
            ("(", "literal"),
            ("x" * 501, "at most 500"),
            (r"\Aa", r"Use \^"),
            (r"(?i)[\pL\pN]{1,900}", "Simplify"),
            (r"(?i)[\pL\pN]{1,18}", "intricate"),
            ("(?-m)^a", "cannot be turned off"),
        ]:
            with pytest.raises(ToolError, match=message):
                await call(client, "grep_code", pattern=pattern)
        for arguments in ({"limit": 0}, {"limit": 201}, {"context_lines": 11}):
            with pytest.raises(ToolError, match="it may be"):
                await call(client, "grep_code", pattern="a", **arguments)


async def test_a_symbol_is_found_with_its_code_and_what_names_it(indexed, project):
    async with indexed(project) as client:
        text, answer = await call(client, "find_symbol", name="SessionPool.acquire_session", references=True)
        [definition] = answer["definitions"]
        assert (definition["file_path"], definition["start_line"], definition["end_line"]) == ("src/net/pool.py", 9, 11)
        assert definition["symbol"] == "SessionPool.acquire_session"
        assert "self._idle.get" in definition["content"]
        assert places(answer) == [("src/handle.py", 6), ("tests/test_pool.py", 2), ("docs/pool.md", 3)]
        assert answer["files"][0]["lines"][0]["symbol"] == "handle"
        assert "by name rather than by type" in text
        for name in ("acquire_session", "ACQUIRE_SESSION", "SessionPool::acquire_session()", "pool.open_pool"):
            _, answer = await call(client, "find_symbol", name=name)
            assert [one["file_path"] for one in answer["definitions"]] == ["src/net/pool.py"], name


async def test_the_qualifier_chooses_among_symbols_of_one_name(indexed, make_repository):
    repository = make_repository()
    repository.write(
        "a.py", "class Door:\n    def open(self):\n        x = 1\n\n\nclass Pool:\n    def open(self):\n        y = 1\n"
    )
    async with indexed(repository) as client:
        _, both = await call(client, "find_symbol", name="open")
        _, one = await call(client, "find_symbol", name="Pool.open")
        assert [found["symbol"] for found in both["definitions"]] == ["Door.open", "Pool.open"]
        assert [found["symbol"] for found in one["definitions"]] == ["Pool.open"]


async def test_a_near_miss_is_answered_with_names_like_it(indexed, project):
    async with indexed(project) as client:
        text, answer = await call(client, "find_symbol", name="aquire_session")
        assert answer["suggestions"][0] == "acquire_session"
        assert "acquire_session" in text
        with pytest.raises(ToolError, match="grep_code"):
            await call(client, "find_symbol", name="!?")


async def test_the_outline_of_a_file_is_its_symbols_with_their_lines_and_nesting(indexed, project):
    async with indexed(project) as client:
        text, answer = await call(client, "outline_code", path="src/net/pool.py")
        assert [(one["name"], one["kind"], one["depth"]) for one in answer["entries"]] == [
            ("SessionPool", "class", 0),
            ("acquire_session", "method", 1),
            ("release_session", "method", 1),
            ("open_pool", "function", 0),
        ]
        assert "class SessionPool 6-15\n  method acquire_session 9-11" in text


async def test_the_outline_of_a_folder_is_what_is_in_it(indexed, project):
    async with indexed(project) as client:
        _, root = await call(client, "outline_code")
        assert [(one["name"], one["files"]) for one in root["entries"]] == [("docs/", 1), ("src/", 2), ("tests/", 1)]
        text, src = await call(client, "outline_code", path=f"{project}/src")
        assert [one["name"] for one in src["entries"]] == ["net/", "handle.py"]
        assert "net/ 1 file: SessionPool, open_pool" in text
        with pytest.raises(ToolError, match=re.escape("src/net/pool.py")):
            await call(client, "outline_code", path="net/pool.py")
        with pytest.raises(ToolError, match="Nothing indexed"):
            await call(client, "outline_code", path="../..")


async def test_an_outline_passes_through_folders_that_hold_one_folder(indexed, make_repository):
    repository = make_repository()
    for path in ("src/main/java/org/A.java", "src/main/java/net/B.java", "docs/guide/index.md", "c.py"):
        repository.write(path, "x\n")
    async with indexed(repository) as client:
        _, root = await call(client, "outline_code")
        assert [one["name"] for one in root["entries"]] == ["docs/guide/", "src/main/java/", "c.py"]


async def test_filters_that_pass_no_file_are_answered_with_what_was_meant(indexed, project):
    async with indexed(project) as client:
        for tool, arguments in (
            ("grep_code", {"pattern": "session"}),
            ("find_symbol", {"name": "open_pool", "references": True}),
            ("similar_code", {"location": "src/handle.py:1"}),
        ):
            text, answer = await call(client, tool, directory="src/nte", **arguments)
            assert "Did you mean src/net?" in text, tool
            assert "Languages: python (3), markdown (1)" in answer["warnings"][-1], tool
        text, _ = await call(client, "grep_code", pattern="nowhere", directory="src")
        assert "No indexed file" not in text


async def test_a_long_outline_goes_on_with_its_cursor(indexed, make_repository):
    repository = make_repository()
    repository.write("long.py", "".join(f"def function_number_{i}(): ...\n" for i in range(400)))
    async with indexed(repository) as client:
        text, first = await call(client, "outline_code", path="long.py")
        assert tokens(text) < 4_500
        names, cursor = [one["name"] for one in first["entries"]], first["cursor"]
        while cursor:
            _, following = await call(client, "outline_code", path="long.py", cursor=cursor)
            names += [one["name"] for one in following["entries"]]
            cursor = following["cursor"]
        assert names == [f"function_number_{i}" for i in range(400)]
        assert first["total_count"] == 400


async def test_code_like_a_place_without_the_place_and_its_copies(indexed, make_repository):
    repository = make_repository()
    body = "    return [item for item in items if item.price < limit]\n"
    repository.write("a.py", f"def cheap_items(items, limit):\n{body}")
    repository.write("copy/a.py", f"def cheap_items(items, limit):\n{body}")
    repository.write("b.py", f"def affordable_items(items, limit):\n{body}")
    repository.write("c.py", "def connect(host, port):\n    return socket.create_connection((host, port))\n")
    async with indexed(repository) as client:
        _, answer = await call(client, "similar_code", location="a.py:2")
        assert [one["file_path"] for one in answer["results"]] == ["b.py", "c.py"]
        assert answer["results"][0]["similarity_score"] > answer["results"][1]["similarity_score"]
        _, again = await call(client, "similar_code", location=answer["results"][0]["chunk_id"])
        assert again["results"][0]["file_path"] in ("a.py", "copy/a.py")
        for location, message in [
            ("a.py", "path:line"),
            ("a.py:9999", "Nothing indexed"),
            ("nowhere.py:1", "Nothing indexed"),
            ("a.py:" + "9" * 40, "Nothing indexed"),
            ("00000000-0000-0000-0000-000000000000", "no chunk"),
        ]:
            with pytest.raises(ToolError, match=message):
                await call(client, "similar_code", location=location)


async def test_worktrees_of_one_history_show_a_shared_file_once(indexed, make_repository):
    origin = make_repository("origin").init()
    origin.write("shared.py", "def shared_session(): ...\n")
    origin.commit()
    origin.git("worktree", "add", "-q", "-b", "other", str(origin.root.parent / "tree"))
    tree = make_repository("tree")
    tree.write("only.py", "shared_session()\n")
    async with indexed(origin, tree) as client:
        _, answer = await call(client, "grep_code", pattern="shared_session")
        assert sorted(path for path, _ in places(answer)) == ["only.py", "shared.py"]
        _, symbol = await call(client, "find_symbol", name="shared_session", references=True)
        assert symbol["total_definitions"] == 1
        assert places(symbol) == [("only.py", 1)]
        with pytest.raises(ToolError, match="Several repositories"):
            await call(client, "outline_code")
        _, one = await call(client, "outline_code", repository_id="tree")
        assert one["repository"] == str(tree)


async def test_a_chunk_is_found_by_part_of_a_word_that_no_lexeme_holds(indexed, make_repository):
    repository = make_repository()
    blob = "iVBORw0KGgoAAAANSUhEUgAA" * 40
    repository.write("image.py", f"DATA = '{blob}'\n")
    repository.write("cafe.py", "cafe\u0301teria = 1  # \ufb01nal\n")
    async with indexed(repository) as client:
        for pattern, path in [
            ("KGgoAAAANSUh", "image.py"),
            ("cafe", "cafe.py"),
            (r"\bcafe\b", "cafe.py"),
            ("teria", "cafe.py"),
            ("nal", "cafe.py"),
        ]:
            _, answer = await call(client, "grep_code", pattern=pattern)
            assert [found for found, _ in places(answer)] == [path], pattern


async def test_what_a_notebook_put_out_is_found_by_its_exact_text_alone(indexed, make_repository):
    cell = {"cell_type": "code", "source": ["quarterly_totals()"], "metadata": {}}
    result = {"output_type": "stream", "text": ["quarterly revenue of zanzibar_branch\n"]}
    repository = make_repository()
    notebook = {"cells": [cell | {"outputs": [result]}], "metadata": {}, "nbformat": 4}
    repository.write("report.ipynb", json.dumps(notebook, indent=1, sort_keys=True))
    async with indexed(repository) as client:
        for pattern in ("zanzibar_branch", "zibar"):
            _, answer = await call(client, "grep_code", pattern=pattern)
            assert [path for path, _ in places(answer)] == ["report.ipynb"], pattern
        found = (await client.call_tool("search_code", {"query": "quarterly totals zanzibar"})).structured_content
        assert found["results"][0]["content"].count("quarterly_totals()") == 1


async def test_before_anything_is_indexed_the_answer_says_what_to_call(packhorse_client):
    async with packhorse_client("indexing", "search") as client:
        for tool, arguments in [("grep_code", {"pattern": "a"}), ("find_symbol", {"name": "a"}), ("outline_code", {})]:
            with pytest.raises(ToolError, match="index_repository"):
                await client.call_tool(tool, arguments)


async def test_all_tools_of_search_are_small(packhorse_client):
    async with packhorse_client("indexing", "search") as client:
        names = {"search_code", "grep_code", "find_symbol", "outline_code", "similar_code"}
        tools = {tool.name: tool for tool in await client.list_tools() if tool.name in names}
        assert tools.keys() == names
        costs = {
            name: tokens(name + (tool.description or "") + json.dumps(tool.input_schema, separators=(",", ":")))
            for name, tool in tools.items()
        }
        assert sum(costs.values()) <= 900, costs
        for name, tool in tools.items():
            assert tool.annotations.read_only_hint
            assert name == "search_code" or tool.output_schema is None
