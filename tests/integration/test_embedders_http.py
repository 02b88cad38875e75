"""The embedders behind HTTP against servers on the loopback that speak the real protocols."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from packhorse.errors import ConfigurationError, UnavailableError
from packhorse_indexing.embedders import create
from packhorse_indexing.embedders.ollama import OllamaEmbedder
from packhorse_indexing.embedders.openai import OpenAIEmbedder
from packhorse_indexing.embedders.parts import split
from packhorse_indexing.settings import IndexingSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answer = tuple[int, Any, dict[str, str]]

pytestmark = pytest.mark.integration

DIMENSIONS = 8
KEY = "sk-very-secret"


def vector(text: str) -> list[float]:
    """A vector that tells texts apart and depends on nothing else."""
    return [float((sum(text.encode()) * (i + 1)) % 17 + 1) for i in range(DIMENSIONS)]


def unit(values: list[float]) -> np.ndarray:
    return np.array(values) / np.linalg.norm(values)


@dataclass
class Service:
    """A server, what it was sent, and what it answers before it begins to work."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    first: list[Answer] = field(default_factory=list)
    answer: Callable[[str, dict[str, Any]], Answer] | None = None
    busy: int = 0
    busiest: int = 0


def work(path: str, body: dict[str, Any]) -> Answer:
    texts = body["input"]
    if path == "/api/embed":
        return 200, {"model": body["model"], "embeddings": [vector(text) for text in texts]}, {}
    data = [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(texts)]
    return 200, {"object": "list", "data": data[::-1], "model": body["model"]}, {}


@contextmanager
def serving() -> Iterator[Service]:
    service = Service()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                service.busy += 1
                service.busiest = max(service.busiest, service.busy)
                service.requests.append(body)
                service.headers.append({key.lower(): value for key, value in self.headers.items()})
                planned = service.first.pop(0) if service.first else None
            threading.Event().wait(0.02)
            status, answer, headers = planned or (service.answer or work)(self.path, body)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            with lock:
                service.busy -= 1
            if status == 0:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that hung up is part of the tests."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as running:
        yield running


def ollama(service: Service, **options: Any) -> OllamaEmbedder:
    defaults: dict[str, Any] = {"document_prefix": "search_document: ", "query_prefix": "search_query: "}
    return OllamaEmbedder(service.url, "nomic-embed-text", DIMENSIONS, **{"first_wait": 0.01, **defaults, **options})


def openai(service: Service, **options: Any) -> OpenAIEmbedder:
    headers = {"Authorization": f"Bearer {KEY}"}
    return OpenAIEmbedder(
        service.url + "/v1/", "model", DIMENSIONS, **{"first_wait": 0.01, "headers": headers, **options}
    )


async def test_ollama_gets_its_prefixes_and_may_not_truncate(service: Service) -> None:
    async with ollama(service) as embedder:
        documents = await embedder.embed_documents(["def load(): ..."])
        query = await embedder.embed_query("where is it loaded")
    assert service.requests == [
        {"model": "nomic-embed-text", "input": ["search_document: def load(): ..."], "truncate": False},
        {"model": "nomic-embed-text", "input": ["search_query: where is it loaded"], "truncate": False},
    ]
    assert np.allclose(documents[0], unit(vector("search_document: def load(): ...")), atol=1e-6)
    assert np.allclose(query, unit(vector("search_query: where is it loaded")), atol=1e-6)
    assert embedder.name == "ollama:nomic-embed-text@8+search_document+search_query"


async def test_openai_is_sent_batches_and_read_by_index(service: Service) -> None:
    texts = [f"text number {n}" for n in range(10)]
    async with openai(service, batch=4) as embedder:
        documents = await embedder.embed_documents(texts)
    assert sorted(len(request["input"]) for request in service.requests) == [2, 4, 4]
    assert {header["authorization"] for header in service.headers} == {f"Bearer {KEY}"}
    assert np.allclose(documents, [unit(vector(text)) for text in texts], atol=1e-6)
    assert documents.dtype == np.float32
    assert embedder.name == "openai:model@8"


async def test_no_more_requests_at_once_than_allowed(service: Service) -> None:
    async with openai(service, batch=1, concurrency=3) as embedder:
        await embedder.embed_documents([f"text {n}" for n in range(20)])
    assert len(service.requests) == 20
    assert 1 < service.busiest <= 3


async def test_blank_texts_are_zero_and_not_sent(service: Service) -> None:
    async with openai(service) as embedder:
        documents = await embedder.embed_documents(["", "text", " \n"])
        assert (await embedder.embed_documents([])).shape == (0, DIMENSIONS)
        assert not (await embedder.embed_query("")).any()
    assert [request["input"] for request in service.requests] == [["text"]]
    assert np.allclose(np.linalg.norm(documents, axis=1), [0, 1, 0])


@pytest.mark.parametrize(
    "failure",
    [
        (500, {"error": "internal"}, {}),
        (503, b"<html>", {}),
        (429, {"error": {"message": "slow down"}}, {"retry-after": "0"}),
        (429, {}, {"retry-after": formatdate(time() - 5, usegmt=True)}),
        (429, {}, {"retry-after": "soon"}),
        (0, b"", {}),
    ],
)
async def test_a_passing_failure_is_tried_again(service: Service, failure: Answer) -> None:
    service.first = [failure, failure]
    async with openai(service) as embedder:
        documents = await embedder.embed_documents(["text"])
    assert len(service.requests) == 3
    assert np.allclose(documents[0], unit(vector("text")), atol=1e-6)


async def test_a_lasting_failure_is_told_with_the_server_but_no_secret(service: Service) -> None:
    service.answer = lambda _path, _body: (503, {"error": "overloaded"}, {})
    url = service.url.replace("//", "//user:hunter2@") + "/v1/?key=hunter3"
    async with OpenAIEmbedder(url, "model", DIMENSIONS, headers={"Authorization": KEY}, first_wait=0.001) as embedder:
        with pytest.raises(UnavailableError, match="503 overloaded") as caught:
            await embedder.embed_documents(["text"])
    assert len(service.requests) == 5
    assert service.url.removeprefix("http://") in str(caught.value)
    assert not any(secret in repr(caught.value) + str(caught.value) for secret in (KEY, "hunter2", "hunter3", "user"))


async def test_no_server_is_told_in_one_sentence() -> None:
    with serving() as gone:
        pass
    async with ollama(gone, first_wait=0.001) as embedder:
        with pytest.raises(UnavailableError, match=r"nomic-embed-text at http://127.0.0.1:\d+\) did not answer"):
            await embedder.embed_documents(["text"])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {"error": {"message": "bad key"}}, {}), "refused: HTTP 401 bad key. Check the embedder's API key."),
        ((400, {"message": "no such option"}, {}), "refused: HTTP 400 no such option."),
        ((302, b"", {"location": "http://example.invalid/"}), "refused: HTTP 302"),
        ((200, b"not json", {}), "sent an answer that is not one"),
        ((200, [], {}), "sent an answer that is not one"),
        ((200, {"data": [{"index": 1, "embedding": [1.0] * 8}]}, {}), "1 vectors for 1 texts"),
        ((200, {"data": [{"index": 0, "embedding": [1.0] * 9}]}, {}), "vectors of length 9 instead of 8"),
        ((200, {"data": [{"index": 0, "embedding": ["a"] * 8}]}, {}), "sent an answer that is not one"),
        ((200, {"data": [{"index": 0, "embedding": [float("nan")] * 8}]}, {}), "not finite"),
        ((200, b" " * 3_000_000, {}), "more than"),
    ],
)
async def test_a_refusal_or_a_wrong_answer_is_told_at_once(service: Service, answer: Answer, message: str) -> None:
    service.answer = lambda _path, _body: answer
    async with openai(service) as embedder:
        with pytest.raises(UnavailableError) as caught:
            await embedder.embed_documents(["text"])
    assert message in str(caught.value)
    assert len(service.requests) == 1


async def test_a_model_that_ollama_lacks_is_told_with_the_command_that_fetches_it(service: Service) -> None:
    service.answer = lambda _path, _body: (404, {"error": "model not found"}, {})
    async with ollama(service) as embedder:
        with pytest.raises(UnavailableError, match="Run `ollama pull nomic-embed-text`"):
            await embedder.embed_query("text")


async def test_ollama_that_answers_too_few_is_refused(service: Service) -> None:
    service.answer = lambda _path, _body: (200, {"embeddings": [[1.0] * DIMENSIONS]}, {})
    async with ollama(service) as embedder:
        with pytest.raises(UnavailableError, match="1 vectors for 2 texts"):
            await embedder.embed_documents(["one", "two"])


async def test_a_text_over_the_limit_is_split_and_averaged_and_never_cut(service: Service) -> None:
    text = "".join(f"line number {n} of a long text\n" for n in range(40))
    async with openai(service, max_tokens=100, batch=2) as embedder:
        documents = await embedder.embed_documents(["short", text])
    sent = [part for request in service.requests for part in request["input"]]
    parts = [part for part in sorted(sent, key=text.find) if part != "short"]
    assert "".join(parts) == text
    assert len(parts) > 3
    expected = sum(len(part) * unit(vector(part)) for part in parts)
    assert np.allclose(documents[1], unit(list(expected)), atol=1e-5)
    assert np.allclose(documents[0], unit(vector("short")), atol=1e-6)


@pytest.mark.parametrize("status", [400, 413, 500])
async def test_a_text_that_the_server_finds_too_long_is_halved_until_it_is_not(service: Service, status: int) -> None:
    def strict(path: str, body: dict[str, Any]) -> Answer:
        if sum(map(len, body["input"])) > 300:
            return status, {"error": "the input length exceeds the context length"}, {}
        return work(path, body)

    service.answer = strict
    text = "word " * 150
    async with ollama(service) as embedder:
        documents = await embedder.embed_documents(["one", text, "two"])
    assert np.allclose(np.linalg.norm(documents, axis=1), 1, atol=1e-5)
    assert np.allclose(documents[0], unit(vector("search_document: one")), atol=1e-6)
    accepted = [part for request in service.requests for part in request["input"] if len(request["input"]) == 1]
    assert all(part.startswith("search_document: ") for part in accepted)


async def test_a_server_that_finds_everything_too_long_is_given_up(service: Service) -> None:
    service.answer = lambda _path, _body: (400, {"error": "too long"}, {})
    async with ollama(service) as embedder:
        with pytest.raises(UnavailableError, match="refuses a text of"):
            await embedder.embed_documents(["word " * 100])


@pytest.mark.parametrize("text", ["a" * 1000, "ab cd " * 200, "line\n" * 200, "日本" * 300, "a\n" + "b" * 999])
def test_splitting_keeps_every_character(text: str) -> None:
    parts = split(text, 100)
    assert "".join(parts) == text
    assert len(parts) > 1
    assert all(0 < len(part.encode()) <= 300 for part in parts)
    assert split("short", 100) == ["short"]


def make(**values: Any) -> Any:
    return create(IndexingSettings(**values))


async def test_the_settings_choose_the_embedder() -> None:
    assert make().name.startswith("static:code-256@")
    nomic = make(embedder="ollama")
    assert (nomic.name, nomic.dimensions) == ("ollama:nomic-embed-text@768+search_document+search_query", 768)
    tagged = make(embedder="ollama", embedder_model="bge-m3:latest", embedder_url="http://localhost:1")
    assert (tagged.name, tagged.dimensions, tagged.shown_url) == (
        "ollama:bge-m3:latest@1024",
        1024,
        "http://localhost:1",
    )
    small = make(embedder="openai", embedder_api_key=KEY, embedder_dimensions=256)
    assert (small.name, small.body(["a"])["dimensions"]) == ("openai:text-embedding-3-small@256", 256)
    own = make(embedder="openai", embedder_url="http://localhost:8000/v1", embedder_model="mine", embedder_dimensions=9)
    assert "dimensions" not in own.body(["a"])
    for embedder in (nomic, tagged, small, own):
        await embedder.aclose()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"embedder": "unheard"}, "no embedder 'unheard'"),
        ({"embedder": "openai"}, "needs a key"),
        ({"embedder": "ollama", "embedder_model": "mine"}, "length of the vectors of 'mine' is not known"),
        ({"embedder": "openai", "embedder_url": "http://x", "embedder_model": "mine"}, "'mine' is not known"),
        ({"embedder": "static", "embedder_dimensions": 100}, "256 dimensions, not 100"),
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(**values)


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://a:b", "localhost"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="embedder's URL"):
        OllamaEmbedder(url, "model", 8)
