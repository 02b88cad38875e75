"""What a search gives back: the contract's fields and ours, as the tools and the command print them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from packhorse_search.excerpt import shown

Sentence = Annotated[str, AfterValidator(shown)]
"""What is said of an answer; it may name a folder or a branch, whose hidden characters are escaped."""


class TaskLink(BaseModel):
    """An open task that touches a result's file or branch; where it was named before in the answer, its id alone."""

    id: str
    title: str | None = None
    status: str | None = None


class SearchResult(BaseModel):
    """A place in the code.

    `start_line` and `end_line` are those of `content`, 1-based and inclusive; where that is a part of what was found,
    `chunk_lines` are the first and last line of the whole. `repository` is the absolute path of the repository's
    folder, below which `file_path` lies.
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
    context_before: str
    context_after: str
    chunk_lines: list[int] = []
    tasks: list[TaskLink] = []
    explain: dict[str, float] = {}


class SearchAnswer(BaseModel):
    """The results, best first, with how many places matched in all and how complete the index was.

    `more` names the files that come next, a place in each as `path:line symbol`. `next_cursor` leads to the results
    after these.
    """

    results: list[SearchResult]
    total_count: int
    latency_ms: float
    index: list[Sentence]
    warnings: list[Sentence]
    more: list[str] = []
    next_cursor: str = ""

    def structured(self) -> dict[str, Any]:
        """Return the answer as plain data, without the fields that say nothing."""
        return self.model_dump(exclude_defaults=True)


OUTPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "results": {"type": "array", "items": {"type": "object"}},
        "total_count": {"type": "integer"},
        "latency_ms": {"type": "number"},
        "next_cursor": {"type": "string"},
    },
    "required": ["results", "total_count"],
}
"""What a program relies on, in few tokens: the other fields explain themselves, and models read every schema."""
