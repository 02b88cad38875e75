"""The tool `search_code`: it reads its arguments, asks the service and shapes the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastmcp.tools import ToolResult
from mcp.types import ToolAnnotations
from pydantic import Field

from packhorse_search import present
from packhorse_search.answer import output_schema
from packhorse_search.service import Request, Search

if TYPE_CHECKING:
    from fastmcp import FastMCP

    from packhorse.context import PluginContext

_DESCRIPTION = (
    "Find code by meaning and by words: a question, a symbol's name or an error message. "
    "Returns the places that answer it, best first, with their code."
)


def register(mcp: FastMCP, context: PluginContext) -> None:
    """Register the tool on the server."""

    @mcp.tool(
        description=_DESCRIPTION,
        output_schema=output_schema(),
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )
    async def search_code(
        query: Annotated[str, Field(min_length=1, max_length=500)],
        repository_id: Annotated[str | None, Field(description="id or path; all repositories by default")] = None,
        file_type: Annotated[str | None, Field(description='extension, e.g. "py"')] = None,
        directory: Annotated[str | None, Field(description="folder or glob, from the repository's root")] = None,
        limit: Annotated[int, Field(ge=1, le=50)] = 10,
        context_lines: Annotated[int, Field(ge=0, le=10, description="lines before and after each result")] = 0,
    ) -> ToolResult:
        answer = await context.service(Search).search(
            Request(query, repository_id, file_type, directory, limit=limit, context_lines=context_lines)
        )
        return ToolResult(content=present.text(answer), structured_content=answer.model_dump(exclude_none=False))
