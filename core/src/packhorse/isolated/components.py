"""An isolated plugin's tools, resources, templates and prompts as the host's server has them: each is a request."""

from __future__ import annotations

import asyncio
import base64
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fastmcp.prompts.base import Message, Prompt, PromptArgument, PromptResult
from fastmcp.resources.base import Resource, ResourceContent, ResourceResult
from fastmcp.resources.template import ResourceTemplate
from fastmcp.server.dependencies import get_context
from fastmcp.tools.base import Tool, ToolResult
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, GetPromptResult
from pydantic import PrivateAttr

from packhorse.isolated.wire import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from packhorse.isolated.process import IsolatedProcess, Offer

C = TypeVar("C", bound="Tool | Resource | ResourceTemplate | Prompt")


class IsolatedTool(Tool):
    """A tool that runs in the plugin's process."""

    _process: IsolatedProcess = PrivateAttr()

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Call the tool there; its errors come back as it gave them."""
        answer = await _ask(
            self._process, "tools/call", {"name": self.name, "arguments": arguments}, _progress_reporter()
        )
        result = CallToolResult.model_validate(answer)
        return ToolResult(
            content=result.content,
            structured_content=result.structured_content,
            meta=result.meta,
            is_error=bool(result.is_error),
        )


class IsolatedResource(Resource):
    """A resource that is read in the plugin's process."""

    _process: IsolatedProcess = PrivateAttr()

    async def read(self) -> ResourceResult:
        """Read the resource there."""
        answer = await _ask(self._process, "resources/read", {"uri": str(self.uri)})
        return ResourceResult(contents=[_content(one) for one in answer["contents"]])


class IsolatedTemplate(ResourceTemplate):
    """A resource template whose resources are read in the plugin's process."""

    _process: IsolatedProcess = PrivateAttr()

    async def create_resource(self, uri: str, params: dict[str, Any]) -> Resource:  # noqa: ARG002 - the signature is FastMCP's
        """Return the resource at an address that the template covers."""
        resource = IsolatedResource.model_validate({"uri": uri, "name": self.name, "mime_type": self.mime_type})
        return _bound(resource, self._process)


class IsolatedPrompt(Prompt):
    """A prompt that is rendered in the plugin's process."""

    _process: IsolatedProcess = PrivateAttr()

    async def render(self, arguments: dict[str, Any] | None = None) -> PromptResult:
        """Render the prompt there."""
        answer = await _ask(self._process, "prompts/get", {"name": self.name, "arguments": arguments or {}})
        result = GetPromptResult.model_validate(answer)
        messages = [Message(content=one.content, role=one.role) for one in result.messages]
        return PromptResult(messages=messages, description=result.description)


def components(offer: Offer, process: IsolatedProcess) -> list[Tool | Resource | ResourceTemplate | Prompt]:
    """Return the components of what a process offers.

    Raises:
        ValueError: one of them is malformed.
    """
    found: list[Any] = [IsolatedTool.model_validate(_common(one) | _tool(one)) for one in offer.tools]
    found += [
        IsolatedResource.model_validate(_common(one) | {"uri": one["uri"]} | _mime(one)) for one in offer.resources
    ]
    found += [
        IsolatedTemplate.model_validate(
            _common(one) | {"uri_template": one["uriTemplate"], "parameters": {}} | _mime(one)
        )
        for one in offer.templates
    ]
    found += [IsolatedPrompt.model_validate(_common(one) | _prompt(one)) for one in offer.prompts]
    return [_bound(component, process) for component in found]


def _bound(component: C, process: IsolatedProcess) -> C:
    cast("Any", component)._process = process  # noqa: SLF001 - a private attribute of our own classes, of no client's concern
    return component


def _common(one: dict[str, Any]) -> dict[str, Any]:
    meta = {key: value for key, value in (one.get("_meta") or {}).items() if key != "fastmcp"}
    return {
        "name": one["name"],
        "title": one.get("title"),
        "description": one.get("description"),
        "meta": meta or None,
        "tags": set(),
    }


def _tool(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "parameters": one["inputSchema"],
        "output_schema": one.get("outputSchema"),
        "annotations": one.get("annotations"),
    }


def _mime(one: dict[str, Any]) -> dict[str, Any]:
    return {"mime_type": one.get("mimeType") or "text/plain", "annotations": one.get("annotations")}


def _prompt(one: dict[str, Any]) -> dict[str, Any]:
    known = ("name", "description", "required")
    arguments = [
        PromptArgument.model_validate(
            {key: value for key, value in given.items() if key in known and value is not None}
        )
        for given in one.get("arguments") or ()
    ]
    return {"arguments": arguments}


def _content(one: dict[str, Any]) -> ResourceContent:
    content = one["text"] if "text" in one else base64.b64decode(one["blob"])
    return ResourceContent(content, mime_type=one.get("mimeType"))


async def _ask(
    process: IsolatedProcess,
    method: str,
    parameters: dict[str, Any],
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = await process.call(method, parameters, progress)
    except RefusedError as error:
        raise MCPError(code=error.code, message=error.text, data=error.data) from None
    return answer


_reports: set[asyncio.Task[None]] = set()


def _progress_reporter() -> Callable[[dict[str, Any]], None] | None:
    """Return what passes progress on to the client of the present request; it is called from another thread."""
    try:
        context = get_context()
    except RuntimeError:
        return None
    loop, variables = asyncio.get_running_loop(), copy_context()  # the request is known by a context variable

    def pass_on(parameters: dict[str, Any]) -> None:
        report = context.report_progress(
            parameters.get("progress", 0), parameters.get("total"), parameters.get("message")
        )
        task = loop.create_task(report)
        _reports.add(task)
        task.add_done_callback(_reports.discard)

    def from_thread(parameters: dict[str, Any]) -> None:
        try:
            loop.call_soon_threadsafe(pass_on, parameters, context=variables)
        except RuntimeError:
            return  # the server has stopped

    return from_thread
