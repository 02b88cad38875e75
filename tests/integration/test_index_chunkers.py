"""Other plugins' languages and chunkers at work in the indexing process, and what a file may cost that process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from packhorse_indexing import requests
from packhorse_indexing.requests import StatusRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_index import Repository
    from packhorse.testing import MakeHost

pytestmark = pytest.mark.integration

TEXT = "alpha\nbeta\ngamma\n"


async def test_chunkers_of_a_plugin_cut_their_files_and_cost_no_other(
    install: Callable[..., Path],
    packhorse_host: MakeHost,
    make_repository: Callable[..., Repository],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of its `register_chunkers` one works; the others raise, leave lines out, hang, allocate and end their process."""
    from packhorse_indexing.service import Index

    paths = [str(install("packhorse-chunkers")), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    import packhorse_chunkers  # type: ignore[import-not-found]  # the fixture laid it out

    repository = make_repository()
    repository.write("code.py", "def one():\n    return 1\n")
    for extension in ("ledger", "raises", "leavesout", "hangs", "allocates", "dies"):
        repository.write(f"file.{extension}", TEXT)
    host = packhorse_host("indexing", ("chunkers", packhorse_chunkers))
    async with host.running():
        index = host.services.find(Index)
        assert index is not None
        result = await index.index(str(repository))
        assert (result.status, result.files_indexed) == ("partial", 7)
        status = await requests.status(index, StatusRequest(skipped="cut by lines"))
        async with host.database.connection() as connection:
            chunks = await connection.execute(
                "SELECT kind, symbol, start_line, end_line FROM indexing.chunk c JOIN indexing.blob b "
                "ON b.pool_id = c.pool_id AND b.id = c.blob_id WHERE b.language = 'ledger' ORDER BY ordinal"
            )
            assert await chunks.fetchall() == [("head", "Title", 1, 1), ("text", None, 2, 3)]
            defined = await connection.execute(
                "SELECT name, line, end_line FROM indexing.definition WHERE kind = 'head'"
            )
            assert await defined.fetchall() == [("Title", 1, 1)]
    reasons = {one.path: one.detail or "" for one in status.files or ()}
    expected = {
        "file.raises": "its chunker failed (KeyError)",
        "file.leavesout": "its pieces do not tile the file: lines 3 to 3 where 2 was to come, of 3",
        "file.hangs": "its chunker took longer than 2 s",
        "file.allocates": "its chunker took more than 300 MB of memory",
        "file.dies": "killed the worker",
    }
    assert reasons.keys() == expected.keys()
    for path, said in expected.items():
        assert said in reasons[path]
        assert [error for error in result.errors if error.startswith(f"{path}: ")], result.errors


BOUND = """
import json, resource, sys, time
from packhorse_indexing import bounds
from packhorse_indexing.crew import work
from packhorse_indexing.prepare import Source
bounds.install()
work([Source("first.cpp", b"int one() { return 1; }\\n", "cpp")], None)
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
[prepared], _ = work([Source("bomb.cpp", (b"a<" * 30 + b"\\n") * 30_000, "cpp")], None)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(json.dumps([prepared.fallback, len(prepared.chunks), grown, time.process_time() - start]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are those of Linux")
def test_a_text_that_makes_a_grammar_take_memory_is_cut_by_lines() -> None:
    """Without the limit these 1.8 MB of C++ take 560 MB, and as TypeScript 770."""
    done = subprocess.run([sys.executable, "-c", BOUND], capture_output=True, text=True, timeout=120, check=True)
    fallback, chunks, grown, seconds = json.loads(done.stdout)
    assert fallback == "parsing took more than 200 MB"
    assert chunks > 1000
    assert grown < 300_000_000
    assert seconds < 2


HANGS = """
from packhorse_indexing import bounds
bounds._HARD_SECONDS = 0
bounds.CPU_SECONDS = 0.1
bounds.install()
with bounds.group():
    bounds.start()
    bounds.cut()
    sum(range(10 ** 12))  # a loop in C, in which Python hears no signal
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are those of Linux")
def test_what_hangs_outside_of_python_ends_with_its_process() -> None:
    """As a grammar would that does not return: the kernel ends the process."""
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGXCPU, done.stderr
