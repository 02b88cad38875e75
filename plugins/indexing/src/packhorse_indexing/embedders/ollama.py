"""Embeddings from an Ollama server (`/api/embed`), by default `nomic-embed-text` with its task prefixes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse_indexing.embedders.http import HttpEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

URL = "http://localhost:11434"
MODEL = "nomic-embed-text"
_NOT_FOUND = 404

MODELS: dict[str, tuple[int, int, str, str]] = {
    # dimensions, tokens at once, prefix of documents, prefix of queries
    "nomic-embed-text": (768, 2048, "search_document: ", "search_query: "),
    "mxbai-embed-large": (1024, 512, "", "Represent this sentence for searching relevant passages: "),
    "snowflake-arctic-embed": (1024, 512, "", "Represent this sentence for searching relevant passages: "),
    "all-minilm": (384, 256, "", ""),
    "bge-m3": (1024, 8192, "", ""),
    "embeddinggemma": (768, 2048, "title: none | text: ", "task: code retrieval | query: "),
}


class OllamaEmbedder(HttpEmbedder):
    """Speaks Ollama's own protocol, which refuses texts that are too long when it is told not to cut them."""

    kind = "ollama"
    path = "/api/embed"

    def body(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the request for a batch."""
        return {"model": self.model, "input": list(texts), "truncate": False}

    def vectors(self, answer: Any, count: int) -> list[list[float]]:
        """Return the vectors, which stand in the order of the request."""
        vectors: list[list[float]] = answer["embeddings"]
        return vectors[: count + 1]

    def refusal(self, status: int) -> str:
        """Say how to fetch a model that is not there."""
        return f"Run `ollama pull {self.model}`." if status == _NOT_FOUND else super().refusal(status)
