"""Helpers of a worker: what they prepare is what the worker would have, in the order in which it asked."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from packhorse.settings import CoreSettings
from packhorse_indexing import crew
from packhorse_indexing.crew import Crew, work
from packhorse_indexing.embedders.static import StaticEmbedder
from packhorse_indexing.launch import _plain
from packhorse_indexing.prepare import Source, prepare
from packhorse_indexing.settings import IndexingSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.unit


def sources(number: int) -> list[Source]:
    """Files of several chunks and of none, binary ones, and one that is not to be parsed."""
    made = []
    for i in range(number):
        body = "\n\n".join(f"def function_{i}_{j}(value):\n    return value + {j}\n" for j in range(60 * (i % 3)))
        made.append(
            Source(f"file_{i}.py", b"\x00\x01" * 20 if i % 7 == 3 else body.encode(), "python", parse=i % 5 != 0)
        )
    return made


def order(tmp_path: Path) -> dict[str, Any]:
    return {
        "core": _plain(CoreSettings(data_dir=tmp_path)),
        "settings": _plain(IndexingSettings()),
        "with_plugins": False,
    }


@pytest.mark.parametrize("cores", [2, 3])
def test_helpers_give_what_the_worker_alone_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    encode = StaticEmbedder().encode_documents
    hired = Crew.hire(encode, order(tmp_path))
    try:
        for number in (1, 2, 20):
            asked = sources(number)
            prepared, vectors = hired.prepare(asked)
            alone, expected = work(asked, encode)
            assert prepared == alone
            assert vectors.shape == expected.shape or not len(expected)
            np.testing.assert_array_equal(vectors.reshape(-1), expected.reshape(-1))
    finally:
        hired.dismiss()


def test_without_an_embedder_there_are_no_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    hired = Crew.hire(None, order(tmp_path))
    try:
        prepared, vectors = hired.prepare(sources(4))
        assert [bool(one.chunks) for one in prepared] == [False, True, True, False]
        assert vectors.size == 0
    finally:
        hired.dismiss()


def test_a_machine_with_one_core_has_no_helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    asked = sources(3)
    assert Crew.hire(None, order(tmp_path)).prepare(asked)[0] == [prepare(source) for source in asked]


def test_when_a_helper_dies_its_worker_ends_too() -> None:
    """So that the files at work are under suspicion, as if it had parsed them itself."""
    program = """
        import subprocess, sys
        from packhorse_indexing.crew import Crew
        from packhorse_indexing.prepare import Source
        helper = subprocess.Popen([sys.executable, "-c", "pass"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        helper.wait()
        Crew(None, [helper]).prepare([Source("a.py", b"x = 1", "python")] * 2)
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=60, check=False)
    assert done.returncode == crew.HELPER_DIED


def test_vectors_follow_the_order_of_the_files() -> None:
    seen: list[int] = []

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        seen.append(len(texts))
        return np.arange(len(texts), dtype=np.float32).reshape(-1, 1)

    prepared, vectors = Crew(encode).prepare(sources(6))
    assert sum(len(one.chunks) for one in prepared) == len(vectors) == seen[0]
