"""Embeddings from any server that speaks OpenAI's `/v1/embeddings`: hosted, vLLM, LM Studio, llama.cpp and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse_indexing.embedders.http import HttpEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

URL = "https://api.openai.com/v1"
MODEL = "text-embedding-3-small"

MODELS: dict[str, tuple[int, int]] = {
    # dimensions, tokens at once
    "text-embedding-3-small": (1536, 8191),
    "text-embedding-3-large": (3072, 8191),
    "text-embedding-ada-002": (1536, 8191),
}


class OpenAIEmbedder(HttpEmbedder):
    """Speaks OpenAI's protocol; `shortened` asks for vectors shorter than the model's own."""

    kind = "openai"
    path = "embeddings"
    shortened = False

    def body(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the request for a batch."""
        body: dict[str, Any] = {"model": self.model, "input": list(texts), "encoding_format": "float"}
        return body | {"dimensions": self.dimensions} if self.shortened else body

    def vectors(self, answer: Any, count: int) -> list[list[float]]:
        """Return the vectors by their `index`, which need not stand in the order of the request."""
        by_index = {int(item["index"]): item["embedding"] for item in answer["data"]}
        if len(answer["data"]) != count or set(by_index) != set(range(count)):
            raise ValueError(f"{len(answer['data'])} vectors for {count} texts")
        return [by_index[index] for index in range(count)]
