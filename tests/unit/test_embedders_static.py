"""The static embedder against the figures of its table's makers."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from packhorse_indexing.embedders import Embedder
from packhorse_indexing.embedders import static as module
from packhorse_indexing.embedders.static import StaticEmbedder

pytestmark = pytest.mark.unit

CHECK = json.loads((Path(__file__).parent / "embedders_static_check.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return StaticEmbedder()


def test_it_reproduces_the_published_figures(embedder: StaticEmbedder) -> None:
    documents = embedder.encode_documents(CHECK["documents"])
    queries = np.stack([embedder.encode_query(text) for text in CHECK["queries"]])
    assert np.abs(queries @ documents.T - np.array(CHECK["cosine"])).max() < 0.002
    assert np.abs(documents[0, :8] - CHECK["first_document_head"]).max() < 0.002
    assert np.abs(queries[0, :8] - CHECK["first_query_head"]).max() < 0.002


def test_vectors_are_unit_or_zero(embedder: StaticEmbedder) -> None:
    documents = embedder.encode_documents(["def open_pool(): ...", "", "日本語", "{}();"])
    assert documents.shape == (4, 256)
    assert documents.dtype == np.float32
    assert np.allclose(np.linalg.norm(documents, axis=1), [1, 0, 0, 0], atol=1e-5)
    assert not embedder.encode_query("").any()
    assert embedder.encode_documents([]).shape == (0, 256)


def test_a_text_means_the_same_alone_and_among_others(embedder: StaticEmbedder) -> None:
    texts = ["open the database pool", "parse request headers", "evict the cache"]
    together = embedder.encode_documents(texts)
    for row, text in zip(together, texts, strict=True):
        assert np.array_equal(row, embedder.encode_documents([text])[0])


def test_unknown_words_count_by_their_known_pieces(embedder: StaticEmbedder) -> None:
    known = embedder._vocabulary
    assert "databasepool" not in known
    assert list(embedder._pieces("databasepool")) == [known["database"], known["pool"]]
    assert list(embedder._pieces("qzx")) == []
    assert list(embedder._pieces("9999999999")) == []


def test_a_word_repeated_a_million_times_is_still_a_vector(embedder: StaticEmbedder) -> None:
    assert np.isfinite(embedder.encode_documents(["pool " * 1_000_000])).all()


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHE_ENTRIES", 2)
    embedder = StaticEmbedder()
    embedder.encode_documents(["one two three four"])
    assert len(embedder._cache) <= 2


def test_its_name_holds_the_digest_of_the_table(embedder: StaticEmbedder) -> None:
    table = (resources.files("packhorse_indexing") / "data" / "static_code_256.npz").read_bytes()
    assert embedder.name == f"static:code-256@{hashlib.sha256(table).hexdigest()[:8]}"


async def test_it_keeps_the_protocol(embedder: StaticEmbedder) -> None:
    assert isinstance(embedder, Embedder)
    documents = await embedder.embed_documents(["open pool"])
    query = await embedder.embed_query("open pool")
    assert (documents.shape, query.shape) == ((1, 256), (256,))
    await embedder.aclose()
