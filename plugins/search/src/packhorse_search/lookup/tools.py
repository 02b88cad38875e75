"""The tools that look code up: they read their arguments, ask the service and shape the answer.

They have no output schema: it would cost more tokens than the arguments, and the text says everything. Of an optional
argument the input schema tells the type alone; its default and bounds are told by the errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastmcp.tools import Tool, ToolResult
from mcp.types import ToolAnnotations
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from packhorse_search.lookup import grep, outline, present, similar, symbols
from packhorse_search.lookup.service import Lookup, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastmcp import FastMCP

    from packhorse.context import PluginContext
    from packhorse_search.lookup.answer import Told

# A field left out and a field of null mean the same; only the first needs a place in the schema.
Text = str | SkipJsonSchema[None]
Path = Annotated[Text, Field(description="file or folder")]


def register(mcp: FastMCP, context: PluginContext) -> None:
    """Register the tools on the server."""

    async def grep_code(
        pattern: str,
        literal: bool = False,
        ignore_case: bool = False,
        word: bool = False,
        repository_id: Text = None,
        directory: Text = None,
        context_lines: int = 0,
        limit: int = 40,
        cursor: Text = None,
    ) -> ToolResult:
        request = grep.Request(pattern, literal, ignore_case, word, context_lines, limit, cursor)
        answer = await context.service(Lookup).grep(request, Place(repository_id, directory))
        return _result(present.lines_text(answer), answer)

    async def find_symbol(
        name: Annotated[str, Field(description="such as open or Pool.open")],
        references: bool = False,
        repository_id: Text = None,
        directory: Text = None,
        cursor: Text = None,
    ) -> ToolResult:
        request = symbols.Request(name, references, cursor)
        answer = await context.service(Lookup).symbol(request, Place(repository_id, directory))
        return _result(present.symbol_text(answer), answer)

    async def outline_code(path: Path = None, repository_id: Text = None, cursor: Text = None) -> ToolResult:
        answer = await context.service(Lookup).outline(outline.Request(path or "", cursor), Place(repository_id))
        return _result(present.outline_text(answer), answer)

    async def similar_code(location: str, repository_id: Text = None, directory: Text = None) -> ToolResult:
        request = similar.Request(location)
        answer = await context.service(Lookup).similar(request, Place(repository_id, directory))
        return _result(present.similar_text(answer), answer)

    _add(mcp, grep_code, "Grep indexed code (RE2 syntax). directory: globs, ! excludes.")
    _add(mcp, find_symbol, "Find where a symbol is defined or named.")
    _add(mcp, outline_code, "Outline a file or folder.")
    _add(mcp, similar_code, "Find code similar to path:line or a chunk_id.")


def _add(mcp: FastMCP, function: Callable[..., Any], description: str) -> None:
    tool = Tool.from_function(
        function,
        description=description,
        output_schema=None,
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )
    tool.parameters.pop("additionalProperties", None)
    for schema in tool.parameters["properties"].values():
        schema.pop("default", None)
    mcp.add_tool(tool)


def _result(text: str, answer: Told) -> ToolResult:
    return ToolResult(content=text, structured_content=answer.model_dump())
