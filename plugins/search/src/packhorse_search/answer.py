"""What a search gives back: the contract's fields and ours, as the tool and the command print them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class TaskLink(BaseModel):
    """An open task that touches a result's file or branch."""

    id: str
    title: str
    status: str


class SearchResult(BaseModel):
    """A place in the code.

    `start_line` and `end_line` are those of `content`, 1-based and inclusive. `repository` is the absolute path of the
    repository's folder, below which `file_path` lies.
    """

    chunk_id: str
    repository: str
    file_path: str
    start_line: int
    end_line: int
    symbol: str | None
    language: str
    similarity_score: float = Field(ge=0, le=1)
    why: str
    content: str
    context_before: str = ""
    context_after: str = ""
    truncated: bool = False
    tasks: list[TaskLink] = []
    explain: dict[str, float] | None = None


class SearchAnswer(BaseModel):
    """The results, best first, with how many chunks matched in all and how complete the index was."""

    results: list[SearchResult]
    total_count: int
    latency_ms: float
    index: list[str]
    warnings: list[str]


def output_schema() -> dict[str, Any]:
    """Return the JSON schema of a `SearchAnswer` without the titles and docstrings, which only cost tokens."""
    return _bare_object(SearchAnswer.model_json_schema(mode="serialization"))


def _bare_object(node: dict[str, Any], *, names: bool = False) -> dict[str, Any]:
    """Drop `title` and `description`, which are keywords in a schema but names among its properties."""
    return {
        key: _bare(value, names=key in ("properties", "$defs"))
        for key, value in node.items()
        if names or key not in ("title", "description")
    }


def _bare(node: Any, *, names: bool) -> Any:
    if isinstance(node, list):
        return [_bare(item, names=False) for item in node]
    return _bare_object(node, names=names) if isinstance(node, dict) else node
