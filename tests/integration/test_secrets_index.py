"""No seeded secret is in the database, in a log or in what an embedder is asked, after a real indexing."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from fix_secrets import Seed, corpus
from packhorse_indexing.chunking import detect
from packhorse_indexing.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fix_index import Repository, RunningIndex

pytestmark = pytest.mark.integration

DIMENSIONS = 8


def name_of(number: int, seed: Seed) -> str:
    return (
        f"part{number % 20}/Dockerfile.{number}"
        if seed.extension == "dockerfile"
        else f"part{number % 20}/f{number}.{seed.extension}"
    )


def found(seeds: list[Seed]) -> list[Seed]:
    """Those that a redaction finds, which the unit tests count: what is specified here is that nothing goes past it."""
    return [
        seed
        for number, seed in enumerate(seeds)
        if not any(
            needle in redact(seed.text, detect(name_of(number, seed), seed.text.encode())).text
            for needle in seed.needles
        )
    ]


@pytest.fixture(scope="module")
def seeds() -> list[Seed]:
    return corpus(7)


@pytest.fixture
def repository(make_repository: Callable[..., Repository], seeds: list[Seed]) -> Repository:
    made = make_repository("seeded").init()
    for number, seed in enumerate(seeds):
        made.write(name_of(number, seed), seed.text)
    made.write("wide.txt", seeds[0].text.encode("utf-16"))
    made.commit()
    return made


async def dump(indexing: RunningIndex) -> str:
    """Return every table of the schema as text, binary columns as hexadecimal digits and as the text in them."""
    tables = await indexing.query(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'indexing' AND table_type = 'BASE TABLE'"
    )
    assert {"chunk", "posting", "definition", "path", "listing", "job"} <= {name for (name,) in tables}
    rows: list[str] = []
    for (table,) in tables:
        rows += [text for (text,) in await indexing.query(f"SELECT t::text FROM indexing.{table} t")]
    return "\n".join(rows)


def log_of(indexing: RunningIndex) -> str:
    """Return what every process of the index has logged."""
    folder = indexing.host.core_settings.data_dir / "logs"
    return "\n".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def secrets_in(text: str, seeds: list[Seed]) -> list[str]:
    folded = text.lower()
    return [needle for seed in seeds for needle in seed.needles if needle in text or needle.lower() in folded]


async def test_no_secret_is_in_the_database_or_in_a_log(
    indexing: RunningIndex, repository: Repository, seeds: list[Seed]
) -> None:
    """Lexemes are in lower case, so secrets are looked for in either."""
    expected = found(seeds)
    assert len(expected) >= max(500, 0.99 * len(seeds))
    result = await indexing.index.index(str(repository))
    assert (result.status, result.errors) == ("success", [])
    assert result.files_indexed + result.files_skipped == len(seeds) + 1
    assert result.files_indexed >= 500
    stored = await dump(indexing)
    assert "[redacted:github-token]" in stored
    assert secrets_in(stored, expected) == []
    logs = log_of(indexing)
    assert "Secrets redacted in" in logs
    assert " github-token" in logs
    assert secrets_in(logs, expected) == []


async def test_a_file_keeps_its_lines_and_its_identity(indexing: RunningIndex, make_repository: Any) -> None:
    """A blob is named by the bytes of the file, so that nothing is indexed again for its secret's sake."""
    made = make_repository("small")
    secret = "ghp_" + "x7Kq2mZp9LwR4tYv8BnC3dFg6HjS1aQe5UiO"
    made.write("a.py", f"def a():\n    return '{secret}'\n\n\ndef b():\n    return 2\n")
    await indexing.index.index(str(made))
    [(lines, size)] = await indexing.query("SELECT lines, bytes FROM indexing.blob")
    assert (lines, size) == (6, (made.root / "a.py").stat().st_size)
    assert await indexing.query("SELECT line FROM indexing.definition ORDER BY line") == [(1,), (5,)]
    again = await indexing.index.index(str(made))
    assert (again.status, again.chunks_created) == ("success", 0)


class Recorder:
    """An embedding service on the loopback that speaks OpenAI's protocol and keeps what it was asked."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                recorder.bodies.append(body)
                vector = [1.0] + [0.5] * (DIMENSIONS - 1)
                data = [{"index": i, "embedding": vector} for i in range(len(json.loads(body)["input"]))]
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


@contextmanager
def recording() -> Iterator[Recorder]:
    recorder = Recorder()
    thread = threading.Thread(target=recorder.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield recorder
    finally:
        recorder.server.shutdown()
        recorder.server.server_close()
        thread.join()


async def test_no_secret_is_in_a_request_to_an_embedder(
    run_index: Any, repository: Repository, seeds: list[Seed]
) -> None:
    expected = found(seeds)
    with recording() as recorder:
        settings = {"embedder": "openai", "embedder_url": recorder.url, "embedder_model": "tiny"}
        async with run_index(**settings, embedder_dimensions=str(DIMENSIONS)) as indexing:
            result = await indexing.index.index(str(repository))
            assert (result.status, result.errors) == ("success", [])
            assert secrets_in(await dump(indexing), expected) == []
            assert secrets_in(log_of(indexing), expected) == []
    assert len(expected) >= 500
    asked = "\n".join(text for body in recorder.bodies for text in json.loads(body)["input"])
    assert asked.count("[redacted:") >= 500
    assert secrets_in(asked, expected) == []
    assert secrets_in("\n".join(body.decode(errors="replace") for body in recorder.bodies), expected) == []
