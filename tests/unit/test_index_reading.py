"""A file on its way into a batch: what happens when it cannot be read, or its chunker fails."""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from packhorse_indexing import bounds, chunking
from packhorse_indexing.batch import Batch, Content
from packhorse_indexing.launch import _plain
from packhorse_indexing.pipeline import Run
from packhorse_indexing.plan import UNKNOWN, Todo
from packhorse_indexing.prepare import Source, prepare
from packhorse_indexing.settings import IndexingSettings
from packhorse_indexing.store.work import Work

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


def run_of(root: Path) -> Run:
    work = Work(
        id=uuid4(), repository_id=uuid4(), repository_key=1, pool_id=1, path=str(root), force=False,
        indexed_before=False, embedder="none", dimensions=8, marked=False, attempts=1, suspects=[], isolating=False,
        poisonous=[],
    )  # fmt: skip
    nothing: Any = None
    return Run(nothing, work, ("none", 8), None, max_file_bytes=1000)


def read(root: Path, name: str) -> tuple[Run, Batch, Content | None]:
    run, batch = run_of(root), Batch()
    descriptor = os.open(root, os.O_RDONLY)
    try:
        return run, batch, run._read(descriptor, batch, Todo(name, UNKNOWN))
    finally:
        os.close(descriptor)


def test_a_file_that_vanished_since_the_scan_is_reported_and_leaves_the_list(tmp_path: Path) -> None:
    run, batch, content = read(tmp_path, "gone.py")
    assert content is None
    assert batch.gone == ["gone.py"]
    assert run.errors == ["gone.py: it vanished while the repository was indexed."]


def test_a_file_swapped_for_a_link_is_left_out_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    run, batch, content = read(tmp_path, "link.py")
    assert content is None
    assert [(todo.path, reason) for todo, reason in batch.skipped] == [("link.py", "symlink")]
    assert (run.files_skipped, run.errors) == (1, [])


def test_a_file_that_grew_too_large_since_the_scan_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "big.py").write_text("x = 1\n" * 1000)
    _, batch, _ = read(tmp_path, "big.py")
    assert [reason for _, reason in batch.skipped] == ["too large"]


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    run, batch = run_of(tmp_path), Batch()
    run._leave_out(batch, Todo("locked.py", UNKNOWN), "unreadable")
    assert run.errors == ["locked.py: it cannot be read."]
    assert batch.skipped[0][0].signature == UNKNOWN


def test_a_chunker_that_fails_costs_its_file_the_syntax_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Languages may come from other plugins."""
    whole = chunking.chunk

    def failing(text: str, language: str) -> chunking.Chunked:
        if language == "broken":
            raise KeyError("node")
        return whole(text, language)

    monkeypatch.setattr(chunking, "chunk", failing)
    data = b"one\ntwo\n"
    batch = Batch()
    prepared = prepare(Source("a.x", data, "broken"))
    assert prepared.failed
    assert "KeyError" in (prepared.fallback or "")
    batch.take(Content(Todo("a.x", UNKNOWN), data, sha256(data).digest(), "broken", len(data)), None, prepared)
    [blob] = batch.blobs.values()
    assert "".join(chunk.content for chunk in blob.chunks) == "one\ntwo\n"
    assert blob.content.language == "broken"
    assert batch.files == 1


def test_settings_travel_to_the_worker_whole_with_their_secrets(tmp_path: Path) -> None:
    settings = IndexingSettings(embedder_api_key="very secret", allowed_roots=(tmp_path,))
    plain = _plain(settings)
    assert plain["embedder_api_key"] == "very secret"
    assert IndexingSettings(**plain) == settings


def test_allowed_roots_must_exist_and_are_separated_as_in_path(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    settings = IndexingSettings(allowed_roots=f"{tmp_path}/a{os.pathsep}{tmp_path}/b")
    assert settings.allowed_roots == (tmp_path / "a", tmp_path / "b")
    with pytest.raises(ValueError, match="no folder"):
        IndexingSettings(allowed_roots=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("raised", "said"), [(bounds.TooMuchError(), "longer than 2 s"), (MemoryError(), "more than 300 MB of memory")]
)
def test_a_chunker_that_is_too_much_costs_its_file_the_syntax_only(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, said: str
) -> None:
    whole = chunking.chunk

    def too_much(text: str, language: str) -> chunking.Chunked:
        if language == "python":
            raise raised
        return whole(text, language)

    monkeypatch.setattr(chunking, "chunk", too_much)
    prepared = prepare(Source("a.py", b"x = 1\n", "python"))
    assert prepared.failed
    assert said in (prepared.fallback or "")
    assert [chunk.content for chunk in prepared.chunks] == ["x = 1\n"]


def test_a_file_that_is_too_much_for_the_rest_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot go on without redaction."""

    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(sys.modules[prepare.__module__], "redact", refuse)
    assert prepare(Source("a.py", b"x = 1\n", "python")).reason == "too slow"
