"""The embedder's part in a run: down, back, changed, from another plugin; nothing is lost and nothing is NULL."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from fix_index import Repository, RunningIndex
from packhorse.errors import ConfigurationError
from packhorse_indexing.embedding import choose, factories
from packhorse_indexing.models import EmbedderChangedError
from packhorse_indexing.settings import IndexingSettings
from packhorse_indexing.store import catalog
from packhorse_indexing.store import jobs as job_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.integration

DIMENSIONS = 8


class Service:
    """An embedding service on the loopback that speaks OpenAI's protocol and can be switched off."""

    def __init__(self) -> None:
        self.up = True
        self.texts: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not service.up:
                    self.send_response(400)
                    self.end_headers()
                    self.wfile.write(b'{"error": {"message": "no model today"}}')
                    return
                service.texts += body["input"]
                data = [{"index": i, "embedding": vector(text)} for i, text in enumerate(body["input"])]
                answer = json.dumps({"data": data}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


def vector(text: str) -> list[float]:
    digest = hashlib.sha256(text.encode()).digest()[:DIMENSIONS]
    return [byte / 255 + 0.01 for byte in digest]


@contextmanager
def serving() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()
        thread.join()


def hosted(service: Service, **more: str) -> dict[str, str]:
    settings = {"embedder": "openai", "embedder_url": service.url, "embedder_model": "tiny"}
    return settings | {"embedder_dimensions": str(DIMENSIONS)} | more


@pytest.fixture
def repository(make_repository: Callable[..., Repository]) -> Repository:
    made = make_repository().init()
    for name in ("alpha", "beta", "gamma"):
        made.write(f"{name}.py", f"def {name}():\n    return {name!r}\n")
    made.commit()
    return made


async def unembedded(indexing: RunningIndex) -> int:
    [[count]] = await indexing.query(
        """
        SELECT count(*) FROM indexing.chunk c WHERE NOT EXISTS (
            SELECT FROM indexing.embedding e WHERE e.pool_id = c.pool_id AND e.chunk_id = c.id)
        """
    )
    return int(count)


async def test_a_hosted_embedder_embeds_every_chunk_once(run_index: Any, repository: Repository) -> None:
    with serving() as service:
        async with run_index(**hosted(service)) as indexing:
            result = await indexing.index.index(str(repository))
            assert (result.status, result.chunks_created) == ("success", 3)
            assert len(service.texts) == 3
            assert await unembedded(indexing) == 0
            repository.write("copy.py", (repository.root / "alpha.py").read_text() + "\n")
            repository.git("mv", "beta.py", "moved.py")
            await indexing.index.index(str(repository))
            assert len(service.texts) == 4


async def test_without_its_embedder_a_repository_is_found_by_words_and_completed_later(
    run_index: Any, repository: Repository
) -> None:
    with serving() as service:
        service.up = False
        async with run_index(**hosted(service)) as indexing:
            result = await indexing.index.index(str(repository))
            assert (result.status, result.files_indexed) == ("partial", 3)
            assert "3 chunks wait for their embedding" in result.errors[0]
            [found] = await indexing.index.repositories()
            [coverage] = await indexing.index.coverage([found.id])
            assert (coverage.chunks, coverage.embedded, coverage.complete) == (3, 0, False)
            assert await indexing.query("SELECT count(*) > 0 FROM indexing.posting") == [(True,)]
            assert await indexing.query("SELECT count(*) FROM indexing.embedding") == [(0,)]
            async with indexing.database.connection() as connection:
                assert await catalog.pending(connection) == [(str(repository), 3)]
            service.up = True
            result = await indexing.index.index(str(repository))
            assert (result.status, result.chunks_created) == ("success", 0)
            assert await unembedded(indexing) == 0
            [coverage] = await indexing.index.coverage([found.id])
            assert coverage.complete


async def test_a_server_that_starts_later_completes_what_waits(run_index: Any, repository: Repository) -> None:
    import asyncio

    with serving() as service:
        service.up = False
        async with run_index(**hosted(service)) as indexing:
            await indexing.index.index(str(repository))
        service.up = True
        async with run_index(**hosted(service)) as indexing:
            for _ in range(400):
                if await unembedded(indexing) == 0:
                    break
                await asyncio.sleep(0.05)
            assert await unembedded(indexing) == 0


async def test_another_embedder_is_refused_until_a_forced_run(run_index: Any, repository: Repository) -> None:
    """The reader learns which made the vectors, which is configured, and what to do."""
    async with run_index() as indexing:
        await indexing.index.index(str(repository))
        static = indexing.index.embedder.name
    repository.git("clone", "-q", str(repository), str(repository.root.parent / "clone"))
    clone = repository.root.parent / "clone"
    with serving() as service:
        async with run_index(**hosted(service)) as indexing:
            for path in (repository.root, clone):
                with pytest.raises(EmbedderChangedError) as caught:
                    await indexing.index.index(str(path))
                assert caught.value.details == {"stored": static, "configured": indexing.index.embedder.name}
                assert "force" in caught.value.remedy
            with pytest.raises(EmbedderChangedError):
                await indexing.index.embed_query("text", static)
            result = await indexing.index.index(str(repository), force=True)
            assert result.status == "success", result.errors
            [found] = [one for one in await indexing.index.repositories() if one.name == "project"]
            assert (found.embedder, found.dimensions) == (indexing.index.embedder.name, DIMENSIONS)
            assert await indexing.query("SELECT DISTINCT vector_dims(vector::vector) FROM indexing.embedding") == [
                (DIMENSIONS,)
            ]
            assert await unembedded(indexing) == 0
            assert len(await indexing.index.embed_query("text", found.embedder)) == DIMENSIONS


async def test_a_change_of_embedder_embeds_the_rest_of_the_pool_too(run_index: Any, repository: Repository) -> None:
    """A clone shares the pool: its own content gets new vectors as well, and none of the old kind is left."""
    repository.git("clone", "-q", str(repository), str(repository.root.parent / "clone"))
    clone = Repository(repository.root.parent / "clone")
    clone.write("only.py", "def only_in_the_clone():\n    pass\n")
    with serving() as service:
        async with run_index(**hosted(service)) as indexing:
            await indexing.index.index(str(repository))
            await indexing.index.index(str(clone))
        async with run_index() as indexing:
            result = await indexing.index.index(str(repository), force=True)
            assert result.status == "success", result.errors
            assert await indexing.query("SELECT DISTINCT vector_dims(vector::vector) FROM indexing.embedding") == [
                (256,)
            ]
            assert await unembedded(indexing) == 0
            ids = [one.id for one in await indexing.index.repositories()]
            assert {one.complete for one in await indexing.index.coverage(ids)} == {True}


async def test_health_tells_of_the_embedder_of_waiting_chunks_and_of_stuck_jobs(
    run_index: Any, repository: Repository
) -> None:
    with serving() as service:
        async with run_index(**hosted(service)) as indexing:
            context = indexing.host.context("indexing")
            checks = {
                check.name: check
                for found in indexing.host.call_plugin("indexing", "check_health", context=context)
                for check in found
            }
            assert [(await check.run()).status for check in checks.values()] == ["ok"] * 3
            service.up = False
            await indexing.index.index(str(repository))
            assert (await checks["embedder"].run()).status == "failed"
            assert "3 of" in (await checks["pending chunks"].run()).summary
            await indexing.query(
                """
                INSERT INTO indexing.job (repository_id, pool_id, status, heartbeat_at)
                SELECT id, pool_id, 'running', now() - interval '1 hour' FROM indexing.repository
                """
            )
            assert str(repository) in (await checks["indexing jobs"].run()).summary
            await indexing.query("DELETE FROM indexing.job")


async def test_health_refuses_an_embedder_of_other_dimensions(run_index: Any) -> None:
    with serving() as service:
        async with run_index(**hosted(service, embedder_dimensions="16")) as indexing:
            context = indexing.host.context("indexing")
            [checks] = indexing.host.call_plugin("indexing", "check_health", context=context)
            assert (await checks[0].run()).status == "failed"


def test_the_embedder_of_another_plugin_is_chosen_by_its_name() -> None:
    made = choose("mine", [("indexing", factories()), ("other", {"mine": lambda settings: settings})])
    settings = IndexingSettings(embedder="mine")
    assert made(settings) is settings


def test_an_unknown_embedder_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match="ollama, openai, static") as caught:
        choose("olama", [("indexing", factories())])
    assert "Did you mean ollama" in caught.value.remedy


def test_an_embedder_that_two_plugins_register_is_refused_naming_both() -> None:
    tables = [("one", {"mine": lambda settings: settings}), ("two", {"mine": lambda settings: settings})]
    with pytest.raises(ConfigurationError, match="one and two"):
        choose("mine", tables)


async def test_stuck_jobs_are_those_without_a_sign_for_long(run_index: Any, repository: Repository) -> None:
    async with run_index() as indexing:
        await indexing.index.index(str(repository))
        async with indexing.database.connection() as connection:
            assert await job_store.stuck(connection, 0.0) == []
