"""The tools, and the resources that describe what is indexed; what they ask of the index is in `requests`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from fastmcp import Context
from fastmcp.tools import Tool
from mcp.types import ToolAnnotations
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from packhorse_indexing import requests
from packhorse_indexing.answers import (
    CancelAnswer,
    IndexAnswer,
    RemovedAnswer,
    RepositoriesAnswer,
    StatusAnswer,
    index_answer,
)
from packhorse_indexing.service import Index
from packhorse_indexing.settings import IndexingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastmcp import FastMCP

    from packhorse.context import PluginContext
    from packhorse_indexing.jobs import OnProgress
    from packhorse_indexing.models import Progress

Limit = Annotated[int, Field(ge=1, le=200)]
# A field left out and a field of null mean the same; only the first needs a place in the schema.
Text = str | SkipJsonSchema[None]
_WHICH = "id, path or folder name"


def register(mcp: FastMCP, context: PluginContext) -> None:
    """Register the tools and the resources."""
    tools = IndexTools(context)
    indexed = ["repository_id", "status", "files_indexed", "chunks_created", "duration_seconds", "errors"]
    _add(mcp, tools.index_repository, indexed, idempotent_hint=True, destructive_hint=False, open_world_hint=True)
    _add(mcp, tools.get_indexing_status, ["repository_id", "status", "percent", "skipped"], read_only_hint=True)
    _add(mcp, tools.cancel_indexing, ["job_id", "status"], idempotent_hint=True, destructive_hint=False)
    _add(mcp, tools.list_repositories, ["repositories", "total_count"], read_only_hint=True)
    _add(mcp, tools.remove_repository, ["repository_id", "path"], destructive_hint=True)

    @mcp.resource("packhorse://repositories", mime_type="application/json")
    async def repositories() -> str:
        """Every indexed repository, with its state."""
        return json.dumps([one.model_dump(mode="json") for one in await requests.describe(context.service(Index))])

    @mcp.resource("packhorse://repositories/{repository_id}", mime_type="application/json")
    async def repository(repository_id: str) -> str:
        """One indexed repository, by id or folder name."""
        index = context.service(Index)
        [described] = await requests.describe(index, [await index.find(repository_id)])
        return described.model_dump_json()


def _add(mcp: FastMCP, function: Callable[..., Any], required: list[str], **annotations: Any) -> None:
    """Register a tool; its schemas are short, for every client pays for them in every conversation."""
    hints = ToolAnnotations(**{"read_only_hint": False, "open_world_hint": False, **annotations})
    schema = {"type": "object", "required": required}
    tool = Tool.from_function(function, output_schema=schema, annotations=hints)
    tool.parameters.pop("additionalProperties", None)
    for parameter in tool.parameters["properties"].values():
        if parameter.get("default", ...) is None:
            del parameter["default"]
    mcp.add_tool(tool)


class IndexTools:
    """The tools, bound to the plugin's context; the service is there by the time that one is called."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    @property
    def _index(self) -> Index:
        return self._context.service(Index)

    async def index_repository(
        self,
        ctx: Context,
        repo_path: Annotated[str, Field(description="absolute path of the repository's folder, or an https git URL")],
        force_reindex: Annotated[
            bool, Field(description="rebuild everything, e.g. after changing the embedder")
        ] = False,
    ) -> IndexAnswer:
        """Index a code repository for searching, or bring its index up to date; only changed files are read.

        Waits about 20 seconds; status `running` means that it goes on in the background and is searchable meanwhile.
        """
        settings = self._context.settings(IndexingSettings)
        result = await self._index.index(
            repo_path, force=force_reindex, wait=settings.wait_seconds, on_progress=_reporting(ctx)
        )
        return index_answer(result)

    async def get_indexing_status(
        self,
        repository_id: Annotated[Text, Field(description=f"{_WHICH}; default: the last one indexed")] = None,
        job_id: Text = None,
        skipped: Annotated[
            Text, Field(description='list files not indexed: a reason such as "too large", or "all"')
        ] = None,
        path: Annotated[Text, Field(description="say why this path is, or is not, indexed")] = None,
        limit: Limit = 50,
        cursor: Text = None,
    ) -> StatusAnswer:
        """Tell how far indexing is, how fresh and complete an index is, and which files it leaves out and why."""
        wanted = requests.StatusRequest(repository_id, job_id, skipped, path, limit, cursor)
        return await requests.status(self._index, wanted)

    async def cancel_indexing(
        self,
        job_id: Annotated[Text, Field(description="default: the one job at work")] = None,
        repository_id: Annotated[Text, Field(description=_WHICH)] = None,
    ) -> CancelAnswer:
        """Stop an indexing job after the batch at work; what is indexed so far stays and can be searched."""
        return await requests.cancel(self._index, repository_id, job_id)

    async def list_repositories(self, limit: Limit = 50, cursor: Text = None) -> RepositoriesAnswer:
        """List the indexed repositories with their state."""
        return await requests.page(self._index, limit, cursor)

    async def remove_repository(self, repository_id: Annotated[str, Field(description=_WHICH)]) -> RemovedAnswer:
        """Remove a repository from the index; the files in its folder are not touched."""
        return await requests.remove(self._index, repository_id)


def _reporting(ctx: Context) -> OnProgress:
    async def report(progress: Progress) -> None:
        await ctx.report_progress(round(progress.fraction * 100, 1), 100, progress.message)

    return report
