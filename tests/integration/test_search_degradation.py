"""Search when something is missing: the embedder, its vectors, the rest of the index, or a hook's good manners."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from packhorse import hookimpl
from packhorse.errors import InvalidInputError
from packhorse_indexing.service import Index
from packhorse_search import present
from packhorse_search.assemble import Form
from packhorse_search.service import Request, Search

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from packhorse.plugins import PluginHost
    from packhorse.testing import MakeHost
    from packhorse_search.answer import SearchAnswer

pytestmark = pytest.mark.integration


@pytest.fixture
def project(make_repository: Any) -> Any:
    repository = make_repository()
    repository.write("pool.py", "class SessionPool:\n    def acquire(self): ...\n")
    repository.write("other.py", "def unrelated(): ...\n")
    return repository


@pytest.fixture
def run(packhorse_host: MakeHost) -> Any:
    """Run a host with indexing, search and further plugins given as objects."""

    @asynccontextmanager
    async def start(*plugins: tuple[str, object], **settings: str) -> AsyncIterator[tuple[PluginHost, Index, Search]]:
        host = packhorse_host("indexing", "search", *plugins, settings=settings)
        async with host.running():
            index, search = host.services.find(Index), host.services.find(Search)
            assert index is not None
            assert search is not None, [str(record) for record in host.records]
            yield host, index, search

    return start


def tasks_plugin(answer: Any) -> tuple[str, object]:
    """A plugin that implements `task_links` with this function."""
    module = ModuleType("links")
    vars(module)["task_links"] = hookimpl(answer)
    return ("links", module)


def lasting(answer: SearchAnswer) -> list[str]:
    """The warnings but one: a busy machine may not compare so small a folder in the time that a search has for it."""
    return [warning for warning in answer.warnings if "still being compared" not in warning]


async def test_another_embedder_than_the_index_was_made_with_leaves_the_words(run, project):
    async with run() as (_, index, search):
        await index.index(str(project))
        index.embedder = SimpleNamespace(name="other:model", dimensions=256)  # type: ignore[assignment]  # as if configured anew
        answer = await search.search(Request("session pool"))
        assert answer.results[0].file_path == "pool.py"
        assert "words only" in answer.warnings[0]
        assert "force_reindex" in answer.warnings[0]


async def test_an_embedder_that_cannot_be_reached_leaves_the_words(run, project):
    async with run() as (host, index, search):
        await index.index(str(project))
        async with host.database.connection() as connection:
            await connection.execute("UPDATE indexing.pool SET embedder = 'ollama:x', dimensions = 256")

        async def refuse(_text: str) -> Any:
            from packhorse.errors import UnavailableError

            raise UnavailableError("The embedding service does not answer.", remedy="Start it.")

        index.embedder = SimpleNamespace(name="ollama:x", dimensions=256, embed_query=refuse)  # type: ignore[assignment]
        answer = await search.search(Request("session pool"))
        assert answer.results[0].file_path == "pool.py"
        assert "The embedding service does not answer." in answer.warnings[0]


async def test_a_query_without_meaning_to_the_embedder_is_searched_by_words(run, make_repository):
    repository = make_repository()
    repository.write("a.txt", "検索する関数\n")
    async with run() as (_, index, search):
        await index.index(str(repository))
        assert (await search.search(Request("検索"))).results[0].file_path == "a.txt"


async def test_a_repository_without_a_complete_run_warns_that_it_is_partial(run, project):
    async with run() as (host, index, search):
        await index.index(str(project))
        async with host.database.connection() as connection:
            await connection.execute("UPDATE indexing.repository SET indexed_at = NULL")
        answer = await search.search(Request("session"))
        assert "never indexed to its end" in answer.warnings[0]
        assert "not completely indexed" in answer.index[0]
        async with host.database.connection() as connection:
            await connection.execute("UPDATE indexing.job SET status = 'running', finished_at = NULL")
        assert "is being indexed" in (await search.search(Request("session"))).warnings[0]


async def test_a_folder_without_anything_to_index_is_named_only_when_it_is_asked_for(run, project, tmp_path):
    barren = tmp_path / "barren"
    barren.mkdir()
    async with run() as (_, index, search):
        await index.index(str(project))
        assert (await index.index(str(barren))).status == "failed"
        assert lasting(await search.search(Request("session pool"))) == []
        alone = await search.search(Request("session pool", repository=str(barren)))
        assert lasting(alone) == [f"{barren} holds nothing that can be indexed."]


async def test_chunks_that_wait_for_their_embedding_are_told_and_found_by_words(run, project):
    async with run() as (host, index, search):
        await index.index(str(project))
        async with host.database.connection() as connection:
            await connection.execute("DELETE FROM indexing.embedding")
            await connection.execute("UPDATE indexing.repository SET pending = chunks")
        answer = await search.search(Request("session"))
        assert answer.results[0].file_path == "pool.py"
        assert "no embedding yet" in answer.warnings[0]


async def test_tasks_that_touch_a_file_are_named_in_its_result(run, project):
    asked = {}

    def task_links(repository_path: str, paths: Any, branch: str | None) -> Any:
        asked.update(repository_path=repository_path, paths=list(paths), branch=branch)
        return {"pool.py": [{"id": str(i), "title": f"grow\x1b{'!' * 90}", "status": "in-progress"} for i in range(9)]}

    async with run(tasks_plugin(task_links)) as (_, index, search):
        await index.index(str(project))
        first = (await search.search(Request("SessionPool"))).results[0]
        assert [task.id for task in first.tasks] == ["0", "1", "2"], "so many, whoever claims more"
        assert {task.title for task in first.tasks} == {f"grow\\x1b{'!' * 72}…"}
        assert asked["repository_path"] == str(project)
        assert "pool.py" in asked["paths"]
        assert asked["branch"] is None


async def test_a_task_of_the_branch_is_told_once_and_then_by_its_id(run, project):
    def task_links(paths: Any) -> Any:
        return {path: [{"id": "7", "title": "grow the pool", "status": "in-progress"}] for path in paths}

    async with run(tasks_plugin(task_links)) as (_, index, search):
        await index.index(str(project))
        answer = await search.search(Request("SessionPool unrelated"))
        assert [task.title for result in answer.results for task in result.tasks] == ["grow the pool", None]


async def test_a_coroutine_may_answer_for_the_tasks(run, project):
    async def task_links(paths: Any) -> Any:  # a hook may leave out arguments
        return {path: [{"id": "1", "title": "t", "status": "s"}] for path in paths}

    async with run(tasks_plugin(task_links)) as (_, index, search):
        await index.index(str(project))
        assert (await search.search(Request("SessionPool"))).results[0].tasks


@pytest.mark.parametrize("fault", ["raises", "raises later", "hangs", "nonsense"])
async def test_a_hook_that_misbehaves_costs_neither_the_answer_nor_its_time(run, project, fault):
    async def later() -> Any:
        if fault == "hangs":
            await asyncio.sleep(60)
        raise RuntimeError("broken")

    def task_links() -> Any:
        if fault == "raises":
            raise RuntimeError("broken")
        return {"pool.py": ["no task"]} if fault == "nonsense" else later()

    async with run(tasks_plugin(task_links)) as (_, index, search):
        await index.index(str(project))
        began = time.perf_counter()
        answer = await search.search(Request("SessionPool"))
        assert answer.results[0].file_path == "pool.py"
        assert answer.results[0].tasks == []
        assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "request_",
    [
        Request("a b", limit=0),
        Request("a b", limit=51),
        Request("a b", form=Form(context_lines=11)),
        Request("a b", form=Form(max_lines=0)),
    ],
)
async def test_limits_are_checked_for_every_caller(run, request_):
    async with run() as (_, _, search):
        with pytest.raises(InvalidInputError):
            await search.search(request_)


async def test_many_repositories_are_summed_up(run, make_repository):
    async with run() as (_, index, search):
        for i in range(6):
            repository = make_repository(f"r{i}/app")
            repository.write(f"f{i}.py", f"def session_{i}(): ...\n")
            await index.index(str(repository))
        answer = await search.search(Request("session"))
        assert answer.index == ["Searched 6 repositories, 6 files."]
        assert len({result.repository for result in answer.results}) == 6, "folders of one name are told apart"
        only = await search.search(Request("session_3", limit=1))
        assert f"matches, all in {only.results[0].repository}. " in present.text(only)


async def test_explanations_come_on_request_only(run, project):
    async with run() as (_, index, search):
        await index.index(str(project))
        plain = (await search.search(Request("SessionPool"))).results[0]
        told = (await search.search(Request("SessionPool", form=Form(explain=True)))).results[0]
        assert plain.explain == {}
        assert told.explain["definition"] > 0
        detailed = await search.search(Request("SessionPool", form=Form(detailed=True)))
        assert "definition 0." in present.text(detailed)


async def test_names_are_read_from_the_text_where_no_parser_knows_the_language(run, make_repository):
    repository = make_repository()
    repository.write("use.zz", "call SessionPool now\nand SessionPool again SessionPool\n")
    repository.write("made.zz", "struct SessionPool {\n  int size;\n}\n" + "other text here\n" * 20)
    async with run() as (_, index, search):
        await index.index(str(repository))
        assert (await search.search(Request("SessionPool"))).results[0].file_path == "made.zz"


async def test_filters_that_pass_files_without_a_match_say_so(run, project):
    async with run() as (_, index, search):
        await index.index(str(project))
        answer = await search.search(Request("qqzzxxq", file_type="py"))
        assert answer.results == []
        assert lasting(answer) == ["The filters pass 2 files, and none of them matches."]


async def test_the_age_of_an_index_is_told(run, project):
    async with run() as (host, index, search):
        await index.index(str(project))
        for interval, told in (("3 minutes", "3 min ago"), ("5 hours", "5 h ago"), ("2 days", "2 d ago")):
            async with host.database.connection() as connection:
                await connection.execute("UPDATE indexing.repository SET indexed_at = now() - %s::interval", [interval])
            assert told in (await search.search(Request("session"))).index[0]


async def test_of_many_warnings_only_the_first_are_given(run, make_repository):
    async with run() as (_, index, search):
        for i in range(7):
            repository = make_repository(f"r{i}")
            repository.write("f.py", f"def session_{i}(): ...\n")
            await index.index(str(repository))
        index.embedder = SimpleNamespace(name="other:model", dimensions=256)  # type: ignore[assignment]
        answer = await search.search(Request("session"))
        assert len(answer.warnings) == 6
        assert answer.warnings[-1] == "2 more repositories have warnings."
