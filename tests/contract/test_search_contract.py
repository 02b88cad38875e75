"""The promises of `search_code`, through a real client, index and database."""

from __future__ import annotations

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
'''


@pytest.fixture
def project(make_repository: Any) -> Any:
    repository = make_repository("project")
    repository.write("src/net/pool.py", POOL)
    repository.write("src/net/__init__.py", "from .pool import SessionPool\n")
    repository.write("tests/test_pool.py", "def test_acquire_session(pool):\n    assert pool.acquire_session(1)\n")
    repository.write("web/cart.ts", "export class Cart {\n  addItem(item: Item) { this.items.push(item); }\n}\n")
    return repository


@pytest.fixture
def indexed(packhorse_client: MakeClient) -> Any:
    """A client of a server that has indexed these folders, with the ids of their repositories."""

    @asynccontextmanager
    async def make(*repositories: Any) -> AsyncIterator[tuple[Client[Any], list[str]]]:
        async with packhorse_client("indexing", "search") as client:
            ids = []
            for repository in repositories:
                answer = await client.call_tool("index_repository", {"repo_path": str(repository)})
                assert answer.structured_content["status"] == "success", answer.structured_content
                ids.append(str(answer.structured_content["repository_id"]))
            yield client, ids

    return make


async def search(client: Client[Any], query: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool("search_code", {"query": query, **arguments})).structured_content


def paths(answer: dict[str, Any]) -> list[str]:
    return [result["file_path"] for result in answer["results"]]


async def test_a_question_finds_the_place_with_every_field_of_the_contract(indexed, project):
    async with indexed(project) as (client, [repository_id]):
        answer = await search(client, "borrow a session from the pool", repository_id=repository_id)
        first = answer["results"][0]
        assert first["file_path"] == "src/net/pool.py"
        assert "acquire_session" in first["content"]
        assert first["repository"] == str(project)
        assert first["language"] == "python"
        assert first["context_before"] == first["context_after"] == ""
        assert "tasks" not in first
        assert first["why"]
        assert re.fullmatch(r"[0-9a-f-]{36}", first["chunk_id"])
        lines = POOL.splitlines()[first["start_line"] - 1 : first["end_line"]]
        assert first["content"].splitlines() == lines
        assert first["symbol"]
        assert answer["latency_ms"] > 0
        assert answer["total_count"] >= len(answer["results"])
        assert str(project.root) in answer["index"][0]
        # A busy machine may not compare so small a folder in the time that a search has for it.
        assert [warning for warning in answer["warnings"] if "still being compared" not in warning] == []


async def test_scores_are_between_0_and_1_and_fall(indexed, project):
    async with indexed(project) as (client, _):
        scores = [result["similarity_score"] for result in (await search(client, "session pool"))["results"]]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


async def test_a_bare_name_finds_its_definition_before_its_uses(indexed, project):
    async with indexed(project) as (client, _):
        assert paths(await search(client, "SessionPool"))[0] == "src/net/pool.py"


async def test_tests_rank_low_unless_they_are_asked_for(indexed, project):
    async with indexed(project) as (client, _):
        assert paths(await search(client, "acquire_session"))[0] == "src/net/pool.py"
        assert paths(await search(client, "test of acquire session"))[0] == "tests/test_pool.py"


async def test_the_total_counts_every_match_and_not_the_page(indexed, project):
    async with indexed(project) as (client, _):
        all_of_them = await search(client, "session pool", limit=50)
        page = await search(client, "session pool", limit=1)
        assert len(page["results"]) == 1
        assert page["total_count"] == all_of_them["total_count"] == len(all_of_them["results"]) > 1


async def test_ten_matches_in_a_folder_are_found_however_many_there_are_elsewhere(indexed, make_repository):
    repository = make_repository()
    for i in range(400):
        repository.write(f"app/session_{i}.py", f"def open_session_{i}():\n    return 'session pool session {i}'\n")
    for i in range(10):
        repository.write(f"rare/place/handler_{i}.py", f"def handle_{i}():\n    unrelated = {i}\n    return session\n")
        repository.write(f"odd/kind_{i}.rb", f"def handle_{i}\n  {i}\n  session\nend\n")
    async with indexed(repository) as (client, _):
        for filters in ({"directory": "rare"}, {"directory": "rare/pl*"}, {"file_type": "rb"}, {"file_type": ".rb"}):
            answer = await search(client, "session pool", limit=10, **filters)
            assert len(answer["results"]) == 10, filters
            assert answer["total_count"] == 10


@pytest.mark.parametrize("directory", ["100%", "a_b", "[x]", "back\\slash", "src/(a|b)+.c", "quo'te"])
async def test_the_characters_of_a_folder_are_never_taken_for_syntax(indexed, make_repository, directory):
    repository = make_repository()
    name = directory.replace("\\", "/")
    repository.write(f"{name}/f.py", "def session(): ...\n")
    repository.write("100x/f.py", "def session(): ...\n")
    repository.write("axb/f.py", "def session(): ...\n")
    repository.write("x/f.py", "def session(): ...\n")
    async with indexed(repository) as (client, _):
        # `[x]` is a glob by its form, and means the folder x as well; of two copies one is shown.
        expected = {f"{name}/f.py", "x/f.py"} if directory == "[x]" else {f"{name}/f.py"}
        [found] = paths(await search(client, "session", directory=directory, file_type="py"))
        assert found in expected


async def test_a_repository_sees_its_own_files_only_though_it_shares_a_pool(indexed, make_repository):
    origin = make_repository("origin").init()
    origin.write("shared.py", "def shared_session(): ...\n")
    origin.commit()
    origin.git("worktree", "add", "-q", "-b", "other", str(origin.root.parent / "tree"))
    tree = make_repository("tree")
    tree.write("only_tree.py", "def tree_session(): ...\n")
    origin.write("only_origin.py", "def origin_session(): ...\n")
    async with indexed(origin, tree) as (client, [first, second]):
        assert set(paths(await search(client, "session", repository_id=first))) == {"shared.py", "only_origin.py"}
        assert set(paths(await search(client, "session", repository_id=second))) == {"shared.py", "only_tree.py"}
        everywhere = paths(await search(client, "session"))
        assert sorted(everywhere) == ["only_origin.py", "only_tree.py", "shared.py"], "the shared file is shown once"


async def test_without_a_repository_every_one_is_searched(indexed, make_repository, project):
    other = make_repository("other")
    other.write("session.go", "package a\n\nfunc OpenSession() {}\n")
    async with indexed(project, other) as (client, _):
        found = {(result["repository"], result["file_path"]) for result in (await search(client, "session"))["results"]}
        assert {(str(project), "src/net/pool.py"), (str(other), "session.go")} <= found


async def test_context_is_what_was_indexed_though_the_files_are_out_of_reach_since(indexed, make_repository):
    repository = make_repository()
    body = "".join(f"def step_{i}():\n" + "    total = 1\n" * 40 + "\n\n" for i in range(6))
    repository.write("steps.py", body)
    lines = body.split("\n")
    async with indexed(repository) as (client, _):
        repository.root.rename(repository.root.with_name("elsewhere"))
        result = (await search(client, "step_3", context_lines=10, max_lines=20))["results"][0]
        start, end = result["start_line"], result["end_line"]
        assert result["content"].split("\n") == lines[start - 1 : end]
        assert result["context_before"].split("\n") == lines[start - 11 : start - 1]
        assert result["context_after"].split("\n") == lines[end : end + 10]


async def test_a_deleted_file_leaves_the_results_with_the_next_indexing(indexed, project):
    async with indexed(project) as (client, _):
        (project.root / "src/net/pool.py").unlink()
        await client.call_tool("index_repository", {"repo_path": str(project)})
        assert "src/net/pool.py" not in paths(await search(client, "SessionPool"))


async def test_fifty_results_stay_under_the_cap_and_a_cursor_leads_to_the_rest(indexed, make_repository):
    repository = make_repository()
    for i in range(60):
        body = "".join(f"    session_{j} = open_session({j}, '{'x' * 40}')\n" for j in range(24))
        repository.write(f"part_{i}.py", f"def open_{i}():\n{body}")
    async with indexed(repository) as (client, _):
        for options in ({}, {"context_lines": 10}, {"detail": "detailed"}, {"max_lines": 20, "context_lines": 10}):
            arguments: dict[str, Any] = {"query": "open session", "limit": 50, **options}
            answer = await client.call_tool("search_code", arguments)
            assert tokens(answer.content[0].text) + tokens(str(answer.structured_content)) < 20_000
            results = answer.structured_content["results"]
            assert (len(results) == 50) == (not options), (options, len(results))
            rest = await search(client, **arguments, cursor=answer.structured_content["next_cursor"])
            assert not {one["chunk_id"] for one in results} & {one["chunk_id"] for one in rest["results"]}


async def test_pages_of_an_answer_hold_every_match_once(indexed, make_repository):
    repository = make_repository()
    for i in range(12):
        repository.write(f"part_{i}.py", f"def open_session_{i}(): ...\n")
    async with indexed(repository) as (client, _):
        whole = await search(client, "open session", limit=50)
        assert "next_cursor" not in whole
        pages, cursor = [], None
        while cursor != "":
            page = await search(client, "open session", limit=5, cursor=cursor)
            pages += page["results"]
            cursor = page.get("next_cursor", "")
        assert [one["chunk_id"] for one in pages] == [one["chunk_id"] for one in whole["results"]]
        first = await search(client, "open session", limit=5)
        assert [place.split(":")[0] for place in first["more"]] == [one["file_path"] for one in pages[5:]]
        with pytest.raises(ToolError, match="another request"):
            await search(client, "close session", cursor=first["next_cursor"])
        repository.write("part_99.py", "def open_session_99(): ...\n")
        await client.call_tool("index_repository", {"repo_path": str(repository)})
        later = await search(client, "open session", limit=5, cursor=first["next_cursor"])
        assert "changed since" in later["warnings"][0]


async def test_the_first_result_is_whole_and_later_ones_are_a_line_unless_more_are_asked_for(indexed, make_repository):
    repository = make_repository()
    for i in range(6):
        lines = "".join(f"    total_{j} = {j}\n" for j in range(20))
        repository.write(f"part_{i}.py", f"def open_session_{i}():\n{lines}")
    async with indexed(repository) as (client, _):
        heights = {}
        for name, options in (("default", {}), ("four", {"max_lines": 4}), ("detailed", {"detail": "detailed"})):
            results = (await search(client, "open session", **options))["results"]
            heights[name] = [one["end_line"] - one["start_line"] + 1 for one in results]
            assert all("open_session" in one["content"].splitlines()[0] for one in results)
            assert all(one.get("chunk_lines", [1, 21]) == [1, 21] for one in results)
        assert heights == {"default": [21, 12, 12, 1, 1, 1], "four": [4] * 6, "detailed": [21] * 6}


async def test_a_definition_that_was_cut_in_parts_is_one_result(indexed, make_repository):
    repository = make_repository()
    body = "".join(f"    session_{i} = open_session({i}, 'in the pool')\n" for i in range(150))
    repository.write("long.py", f"def open_every_session():\n{body}\n\ndef close_session(): ...\n")
    async with indexed(repository) as (client, _):
        results = (await search(client, "open every session of the pool"))["results"]
        assert [one["symbol"] for one in results].count("open_every_session") == 1


async def test_filters_name_repositories_places_languages_and_kinds(indexed, project, make_repository):
    other = make_repository("other")
    other.write("session.go", "package a\n\ntype Session struct{}\n\nfunc OpenSession() {}\n")
    other.write("README.md", "# Session\n\nHow a session is opened.\n")
    async with indexed(project, other) as (client, ids):

        async def found(**filters: Any) -> set[str]:
            return set(paths(await search(client, "session", **filters)))

        assert await found(repository_id=",".join(ids)) == await found() > await found(repository_id=f"{other}")
        assert await found(directory="!tests,!*.md,!src,!web") == {"session.go"}
        assert await found(directory="src,tests,!**/__init__.py") == {"src/net/pool.py", "tests/test_pool.py"}
        assert await found(file_type="go,md") == {"session.go", "README.md"}
        assert await found(language="Golang") == {"session.go"}
        assert await found(kind="docs") == {"README.md"}
        assert await found(kind="tests") == {"tests/test_pool.py"}
        assert await found(kind="code", language="python") == {"src/net/pool.py", "src/net/__init__.py"}
        assert await found(kind="struct") == {"session.go"}
        assert await found(kind="class", directory="!web") == {"src/net/pool.py", "session.go"}
        assert await found(kind="method,tests") == {"tests/test_pool.py"}


async def test_only_what_changed_since_a_revision_is_searched_on_request(indexed, make_repository, project):
    repository = make_repository("history").init()
    repository.write("old.py", "def old_session(): ...\n")
    repository.commit()
    repository.write("new.py", "def new_session(): ...\n")
    async with indexed(repository, project) as (client, [repository_id, _]):
        answer = await search(client, "session", repository_id=repository_id, changed_since="HEAD")
        assert paths(answer) == ["new.py"]
        assert paths(await search(client, "session", changed_since="HEAD")) == ["new.py"], "one has no history"
        with pytest.raises(ToolError, match="has no revision 'nowhere'"):
            await search(client, "session", repository_id=repository_id, changed_since="nowhere")


async def test_the_text_says_the_same_as_the_structured_answer(indexed, project):
    async with indexed(project) as (client, _):
        answer = await client.call_tool("search_code", {"query": "session pool"})
        text = answer.content[0].text
        assert len(answer.content) == 1
        for result in answer.structured_content["results"]:
            assert f"{result['file_path']}:{result['start_line']}" in text
            assert result["content"].strip() in text
            assert result["why"] in text


@pytest.mark.parametrize("query", ["?!", "   ", "\0", "。"])
async def test_a_query_without_words_is_refused_in_a_sentence(indexed, project, query):
    async with indexed(project) as (client, _):
        with pytest.raises(ToolError, match="no word to search for"):
            await search(client, query)


async def test_odd_characters_in_a_query_do_no_harm(indexed, project):
    async with indexed(project) as (client, _):
        for query in ("session\0pool", "session % _ \\ ' \" ; -- $1", "セッション session", "a" * 500 + " x"[:0], "%s"):
            answer = await client.call_tool("search_code", {"query": query[:500]}, raise_on_error=False)
            assert not answer.is_error or "no word" in answer.content[0].text


async def test_an_unknown_repository_is_answered_with_those_that_exist(indexed, project):
    async with indexed(project) as (client, _):
        with pytest.raises(ToolError, match=re.escape(str(project))):
            await search(client, "session", repository_id="00000000-0000-0000-0000-000000000000")


async def test_a_repository_may_be_named_by_its_path(indexed, project):
    async with indexed(project) as (client, _):
        assert paths(await search(client, "SessionPool", repository_id=str(project)))


async def test_before_anything_is_indexed_the_answer_says_what_to_call(packhorse_client):
    async with packhorse_client("indexing", "search") as client:
        with pytest.raises(ToolError, match="index_repository"):
            await search(client, "session")


async def test_filters_that_pass_no_file_are_told_apart_from_no_match(indexed, project):
    async with indexed(project) as (client, _):
        nowhere = await search(client, "session", directory="nowhere")
        assert nowhere["results"] == []
        assert nowhere["total_count"] == 0
        assert "No indexed file passes the filters" in nowhere["warnings"][0]
        text = (await client.call_tool("search_code", {"query": "session", "directory": "nowhere"})).content[0].text
        assert text.startswith("No match.")


async def test_open_tasks_that_touch_a_file_are_named_with_it(packhorse_client, project):
    async with packhorse_client("indexing", "search", "tasks") as client:
        await client.call_tool("index_repository", {"repo_path": str(project)})
        task = {"title": "grow the pool", "planning_references": ["src/net/pool.py"]}
        await client.call_tool("create_task", task)
        results = (await search(client, "SessionPool"))["results"]
        assert [task["title"] for task in results[0]["tasks"]] == ["grow the pool"]
        assert all("tasks" not in result for result in results if result["file_path"] != "src/net/pool.py")


async def test_the_schema_of_the_tool_is_small(indexed, project):
    async with indexed(project) as (client, _):
        [tool] = [tool for tool in await client.list_tools() if tool.name == "search_code"]
        assert len(tool.model_dump_json(by_alias=True, exclude_none=True)) / 4 < 450
        assert {"results", "total_count", "latency_ms"} <= tool.output_schema["properties"].keys()
        assert tool.annotations.read_only_hint
        assert all(option.get("type") for option in tool.input_schema["properties"].values())
