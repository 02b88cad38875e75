"""Tasks found by words and by meaning, and tasks and code found through each other."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from loguru import logger

from packhorse.errors import UnavailableError
from packhorse_tasks import links, meaning, store
from packhorse_tasks.drafts import draft
from packhorse_tasks.search import Filter, fused
from packhorse_tasks.tracker import Tracker

pytestmark = pytest.mark.integration


async def found(client: Any, query: str, **arguments: Any) -> list[str]:
    answer = await client.call_tool("list_tasks", {"query": query, **arguments})
    return [task["title"] for task in answer.structured_content["tasks"]]


async def create(client: Any, title: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool("create_task", {"title": title, **arguments})).structured_content


def test_rankings_are_fused_by_reciprocal_rank() -> None:
    a, b, c = 1, 2, 3
    assert fused([[a, b], [c, b]]) == [b, a, c]
    assert fused([[], []]) == []


async def test_without_the_indexing_plugin_tasks_are_found_by_words_and_that_is_said(packhorse_client) -> None:
    async with packhorse_client("tasks") as client:
        await create(client, "Retry failed uploads", description="The parseHTTPHeader function drops the connection.")
        await create(client, "Upload limits", labels=["net-io"], symbols=["SessionPool.acquire"])
        await create(client, "Something else", planning_references=["src/upload_queue.py"], notes="uploading")
        answer = (await client.call_tool("list_tasks", {"query": "upload"})).structured_content
        assert "words only" in answer["note"]
        assert answer["total_count"] == 3
        assert await found(client, "http header") == ["Retry failed uploads"]
        assert await found(client, "parseHTTPHeader") == ["Retry failed uploads"]
        assert await found(client, "session pool") == ["Upload limits"]
        assert (await found(client, "upload_queue.py"))[0] == "Something else"
        assert await found(client, "retrying an upload") == ["Retry failed uploads", "Upload limits", "Something else"]
        assert await found(client, "upload", label="net-io") == ["Upload limits"]
        assert await found(client, "xyzzy") == await found(client, "the of") == await found(client, "") == []
        for hostile in ("' | a & !b <-> c:*", "\\", "a\\'b", "%", "[", "(((", "'; DROP TABLE tasks.task; --"):
            await found(client, hostile)
        assert (
            len(
                (await client.call_tool("list_tasks", {"query": "upload", "limit": 1, "offset": 2})).structured_content[
                    "tasks"
                ]
            )
            == 1
        )
        refused = await client.call_tool("list_tasks", {"query": "x" * 501}, raise_on_error=False)
        assert "query has 501 characters" in refused.content[0].text


async def test_a_word_that_every_task_has_still_finds_within_a_filter(packhorse_client, packhorse_database) -> None:
    async with packhorse_client("tasks") as client:
        async with packhorse_database.connection() as connection:
            await connection.execute(
                "INSERT INTO tasks.task (title, labels)"
                " SELECT 'common ' || i, CASE i WHEN 3 THEN '{x}'::text[] ELSE '{}' END"
                " FROM generate_series(1, 900) AS i"
            )
        await create(client, "rare zebra")
        assert await found(client, "common zebra") == ["rare zebra"]
        assert await found(client, "common zebra", label="x") == ["common 3"]
        assert len(await found(client, "common", limit=100)) == 100


async def embedded(database: Any, count: int) -> None:
    for _ in range(200):
        async with database.connection() as connection:
            rows = await store.rows(connection, "SELECT count(*) AS n FROM tasks.embedding", {})
        if rows[0]["n"] == count:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the embedder does not keep up")


async def test_with_the_indexing_plugin_tasks_are_found_by_meaning(packhorse_client, packhorse_database) -> None:
    async with packhorse_client("indexing", "tasks") as client:
        await create(client, "Sign in with a password", description="Check user credentials at login.")
        await create(client, "Render the page footer", description="Copyright line and links in HTML.")
        await embedded(packhorse_database, 2)
        answer = (await client.call_tool("list_tasks", {"query": "authenticate users"})).structured_content
        assert answer["tasks"][0]["title"] == "Sign in with a password"
        assert "note" not in answer
        assert (await found(client, "authenticate users", status="need to be done"))[0] == "Sign in with a password"
        task = await create(client, "third")
        await embedded(packhorse_database, 3)
        await client.call_tool("update_task", {"task_id": task["id"], "deleted": True})
        await embedded(packhorse_database, 2)


async def test_vectors_of_another_embedder_are_made_anew(packhorse_client, packhorse_database) -> None:
    async with packhorse_client("indexing", "tasks") as client:
        await create(client, "T")
        await embedded(packhorse_database, 1)
        async with packhorse_database.connection() as connection:
            await connection.execute("UPDATE tasks.embedding SET embedder = 'another', vector = '[1,2,3]'")
        assert await found(client, "anything at all") == []
    async with packhorse_client("indexing", "tasks"):
        for _ in range(100):
            async with packhorse_database.connection() as connection:
                rows = await store.rows(connection, "SELECT embedder FROM tasks.embedding", {})
            if rows and rows[0]["embedder"] != "another":
                break
            await asyncio.sleep(0.1)
        assert rows
        assert rows[0]["embedder"] != "another"


async def test_only_one_process_embeds_at_a_time(packhorse_host, packhorse_database) -> None:
    host = packhorse_host("indexing", "tasks")

    class Context:
        database = packhorse_database

    class Fixed:
        name = "fixed"
        dimensions = 2

        async def embed_documents(self, texts: list[str]) -> Any:
            import numpy as np

            return np.ones((len(texts), 2), dtype=np.float32)

    async with host.running():
        await Tracker(packhorse_database).create(draft(title="T"), actor="x")
        async with packhorse_database.connection() as other:
            await store.rows(other, store.EMBEDDING_TURN, {})
            assert await meaning.embed_batch(Context(), Fixed()) == 0  # type: ignore[arg-type] # what it uses of them
        assert await meaning.embed_batch(Context(), Fixed()) == 1  # type: ignore[arg-type] # what it uses of them


async def test_open_tasks_that_touch_a_file_are_told(packhorse_client, packhorse_database) -> None:
    async with packhorse_client("tasks"):
        tracker = Tracker(packhorse_database)

        async def new(title: str, **fields: Any) -> Any:
            return await tracker.create(draft(title=title, **fields), actor="x")

        await new("folder", planning_references=["src"])
        await new("file", planning_references=["src/a.py"], status="in-progress")
        await new("elsewhere", planning_references=["src/a.py"], repository="/other")
        await new("here", planning_references=["src/b.py"], repository="/repo")
        await new("done", planning_references=["src/a.py"], status="complete")
        await new("branch", branches=["feature"])
        for i in range(7):
            await new(f"many {i}", planning_references=["many.py"])
        told = await links.touching(packhorse_database, "/repo", ["src/a.py", "src/b.py", "c.py", "many.py"], "feature")
        titles = {path: [task["title"] for task in tasks] for path, tasks in told.items()}
        assert titles["src/a.py"] == ["file", "folder", "branch"]
        assert titles["src/b.py"] == ["folder", "here", "branch"]
        assert titles["c.py"] == ["branch"]
        assert titles["many.py"] == [f"many {i}" for i in range(5)]
        assert set(told["c.py"][0]) == {"id", "title", "status"}
        assert "c.py" not in await links.touching(packhorse_database, "/repo", ["c.py"], None)
        assert await links.touching(packhorse_database, "/repo", [], None) == {}


@pytest.fixture
def project(make_repository: Any) -> Any:
    repository = make_repository("app").init()
    repository.write("net/pool.py", "class SessionPool:\n    def acquire(self):\n        return self.sessions.pop()\n")
    repository.write("web/footer.py", "def render_footer():\n    return '<footer>'\n")
    repository.commit()
    return repository


@pytest.mark.slow
async def test_code_shows_its_tasks_and_a_task_its_code(packhorse_client, project) -> None:
    async with packhorse_client("indexing", "search", "tasks") as client:
        await client.call_tool("index_repository", {"repo_path": str(project)})
        task = await create(
            client, "Wait when no session is free", repo_path=str(project), symbols=["SessionPool.acquire"],
            planning_references=["net/pool.py"],
        )  # fmt: skip
        answer = (await client.call_tool("search_code", {"query": "SessionPool"})).structured_content
        assert answer["results"][0]["tasks"] == [
            {"id": task["id"], "title": task["title"], "status": "need to be done"}
        ]
        shown = (await client.call_tool("get_task", {"task_id": task["id"], "code": True})).structured_content
        assert shown["code"][0]["path"] == "net/pool.py"
        assert shown["code"][0]["start_line"] == 1
        await client.call_tool("update_task", {"task_id": task["id"], "status": "complete"})
        answer = (await client.call_tool("search_code", {"query": "SessionPool"})).structured_content
        assert "tasks" not in answer["results"][0]


async def test_code_without_the_search_plugin_or_an_index_says_why(packhorse_client) -> None:
    async with packhorse_client("tasks") as client:
        task = await create(client, "T")
        shown = (await client.call_tool("get_task", {"task_id": task["id"], "code": True})).structured_content
        assert "search plugin" in shown["hint"]
        assert "code" not in shown
    async with packhorse_client("indexing", "search", "tasks") as client:
        shown = (await client.call_tool("get_task", {"task_id": task["id"], "code": True})).structured_content
        assert shown["hint"]


async def test_the_board_and_tasks_are_resources_and_prompts_carry_them(packhorse_client) -> None:
    async with packhorse_client("tasks") as client:
        assert "nothing" not in (await client.read_resource("packhorse://tasks"))[0].text
        assert "No task is ready" in (await client.get_prompt("plan_next_task")).messages[0].content.text
        assert "Nothing is in progress" in (await client.get_prompt("review_in_progress")).messages[0].content.text
        first = await create(client, "first", priority="high", assignee="ada")
        task = await create(
            client, "T", description="Do it.", depends_on=[first["id"]], acceptance_criteria=["[x] met", "open"],
            planning_references=["a.md"],
        )  # fmt: skip
        await client.call_tool("claim_task", {"task_id": first["id"], "assignee": "bob"})
        for i in range(30):
            await create(client, f"more {i}")
        board = (await client.read_resource("packhorse://tasks"))[0].text
        assert f"- first (high, bob, {first['id']})" in board
        assert f"- T (blocked, {task['id']})" in board
        assert "… 6 more" in board
        resource = json.loads((await client.read_resource(f"packhorse://tasks/{task['id']}"))[0].text)
        assert resource["title"] == "T"
        assert "more 0" in (await client.get_prompt("plan_next_task")).messages[0].content.text
        assert "claimed by bob" in (await client.get_prompt("review_in_progress")).messages[0].content.text
        close = (await client.get_prompt("close_task", {"task_id": task["id"]})).messages[0].content.text
        for part in (task["id"], "[x] met", "[ ] open", "Waits for: first", "Do it.", "not instructions"):
            assert part in close
        with pytest.raises(Exception, match="no task"):
            await client.read_resource("packhorse://tasks/6f3a1c9e-2b4d-4e8f-9a01-b2c3d4e5f607")


async def test_a_listing_of_20_and_the_schemas_cost_few_tokens(packhorse_client) -> None:
    """Estimated on the safe side of o200k, which counts 4.2 characters a token in the schemas, 2.8 in a listing."""

    async with packhorse_client("tasks") as client:
        for i in range(20):
            await create(client, f"Refuse stale updates in the session cache, part {i}", labels=["tracker"])
        listing = await client.call_tool("list_tasks", {})
        assert len(listing.structured_content["tasks"]) == 20
        assert len(listing.content[0].text) / 2.7 <= 1_200
        tools = await client.list_tools()
        assert len(tools) <= 7
        schemas = [tool.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta"}) for tool in tools]
        assert len(json.dumps(schemas, separators=(",", ":"))) / 4 <= 1_100


async def test_an_empty_filter_is_recognised() -> None:
    assert Filter() == Filter(status=None)


class Moody:
    """An embedder that fails as often as it is told to, then works."""

    name = "moody"
    dimensions = 2

    def __init__(self, failures: int, vector: tuple[float, float] = (1.0, 0.0)) -> None:
        self.failures = failures
        self.vector = vector
        self.batches: list[int] = []

    def _answer(self) -> Any:
        if self.failures:
            self.failures -= 1
            raise UnavailableError("The embedding server does not answer.")
        return np.array(self.vector, dtype=np.float32)

    async def embed_query(self, text: str) -> Any:
        return self._answer()

    async def embed_documents(self, texts: list[str]) -> Any:
        vector = self._answer()
        self.batches.append(len(texts))
        return np.stack([vector for _ in texts])


class Context:
    """As much of a plugin's context as the embedding of tasks uses."""

    logger = logger

    def __init__(self, database: Any, embedder: Any) -> None:
        self.database = database
        self.embedder = embedder

    def find_service(self, kind: type) -> Any:
        return None if self.embedder is None else SimpleNamespace(embedder=self.embedder)


async def test_an_embedder_that_fails_or_knows_nothing_leaves_the_words() -> None:
    near, note = await meaning.near(Context(None, Moody(1)), "question")
    assert (near, note) == (None, "Found by words only: The embedding server does not answer.")
    assert await meaning.near(Context(None, Moody(0, (0.0, 0.0))), "question") == (None, None)
    near, note = await meaning.near(Context(None, None), "question")
    assert near is None
    assert "not running" in note
    near, note = await meaning.near(Context(None, Moody(0)), "question")
    assert (near.embedder, note) == ("moody", None)


async def test_tasks_wait_while_the_embedder_is_down(packhorse_client, packhorse_database, monkeypatch) -> None:
    monkeypatch.setattr(meaning, "PAUSE", 0.01)
    monkeypatch.setattr(meaning, "_AFTER_FAILURE", 0.01)
    async with packhorse_client("tasks") as client:
        await create(client, "T")
        moody = Moody(2)
        async with meaning.embedding(Context(packhorse_database, moody)):
            await embedded(packhorse_database, 1)
        assert moody.failures == 0


async def test_many_that_wait_are_embedded_few_at_a_time(packhorse_client, packhorse_database, monkeypatch) -> None:
    monkeypatch.setattr(meaning, "PAUSE", 0.01)
    async with packhorse_client("tasks") as client:
        for i in range(2 * meaning.BATCH + 1):
            await create(client, f"T {i}")
        moody = Moody(0)
        async with meaning.embedding(Context(packhorse_database, moody)):
            await embedded(packhorse_database, 2 * meaning.BATCH + 1)
    assert moody.batches == [meaning.BATCH, meaning.BATCH, 1]
