"""The tool `search_code`: it reads its arguments, asks the service and shapes the answer.

Its schema is read by a model with every conversation, so optional arguments have the plain type in it, though null is
taken too, and what a name says is not described.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastmcp.tools import Tool, ToolResult
from mcp.types import ToolAnnotations
from pydantic import Field, WithJsonSchema

from packhorse_search import present
from packhorse_search.answer import OUTPUT_SCHEMA
from packhorse_search.assemble import Form
from packhorse_search.service import Request, Search

if TYPE_CHECKING:
    from fastmcp import FastMCP

    from packhorse.context import PluginContext

_DESCRIPTION = (
    "Find code by meaning and words: a question, symbol or error message. Returns places, best first, with code. "
    "Filters may be lists: a,b."
)

Text = Annotated[str | None, WithJsonSchema({"type": "string"})]
Repositories = Annotated[
    str | None, WithJsonSchema({"type": "string", "description": "id, path or name; all by default"})
]
Extensions = Annotated[str | None, WithJsonSchema({"type": "string", "description": 'such as "py"'})]
Places = Annotated[str | None, WithJsonSchema({"type": "string", "description": "folder or glob; !glob excludes"})]
Kinds = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "description": "code, docs, config, tests; or symbols: function, class, …"}),
]
Revision = Annotated[str | None, WithJsonSchema({"type": "string", "description": "git revision"})]
Lines = Annotated[int | None, WithJsonSchema({"type": "integer", "description": "of each result"})]


def register(mcp: FastMCP, context: PluginContext) -> None:
    """Register the tool on the server."""

    async def search_code(
        query: Annotated[str, Field(min_length=1, max_length=500)],
        repository_id: Repositories = None,
        file_type: Extensions = None,
        directory: Places = None,
        language: Text = None,
        kind: Kinds = None,
        changed_since: Revision = None,
        limit: Annotated[int, Field(ge=1, le=50)] = 10,
        max_lines: Lines = None,
        context_lines: Annotated[int, Field(ge=0, le=10)] = 0,
        detail: Literal["concise", "detailed"] = "concise",
        cursor: Text = None,
    ) -> ToolResult:
        answer = await context.service(Search).search(
            Request(
                query,
                repository_id,
                file_type,
                directory,
                language,
                kind,
                changed_since,
                limit,
                Form(max_lines, context_lines, detailed=detail == "detailed"),
                cursor,
            )
        )
        return ToolResult(content=present.text(answer), structured_content=answer.structured())

    tool = Tool.from_function(
        search_code,
        description=_DESCRIPTION,
        output_schema=OUTPUT_SCHEMA,
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )
    for schema in tool.parameters["properties"].values():
        if schema.get("default", "") is None:
            del schema["default"]
    mcp.add_tool(tool)
