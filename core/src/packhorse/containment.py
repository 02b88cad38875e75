"""What holds one plugin's requests back from all others: deadlines, circuit breakers, waiting for a late plugin."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastmcp.exceptions import AuthorizationError, NotFoundError, ToolError, ValidationError
from fastmcp.server.middleware import Middleware
from loguru import logger
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR

from packhorse.bounded import OutOfTimeError, bounded
from packhorse.circuit import Circuit
from packhorse.errors import DeadlineError, PluginGoneError, UnavailableError
from packhorse.isolation import explain, printable
from packhorse.middleware import expected

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from fastmcp.server.middleware import CallNext, MiddlewareContext
    from mcp_types import CallToolRequestParams, GetPromptRequestParams, ReadResourceRequestParams

    from packhorse.plugins import PluginHost
    from packhorse.registration import Registrations

LISTING_SECONDS = 10.0  # clients list before they do anything else, and wait for it
LATE_SECONDS = 5.0  # how long a call waits for a plugin that is still starting


class ContainmentMiddleware(Middleware):
    """Bounds every request to a plugin; `registrations` is set once the server object exists."""

    registrations: Registrations

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        self._circuits: dict[str, Circuit] = {}

    async def on_call_tool(
        self, context: MiddlewareContext[CallToolRequestParams], call_next: CallNext[CallToolRequestParams, Any]
    ) -> Any:
        """Call the tool unless its circuit is open, and for no longer than its deadline."""
        tool = context.message.name
        plugin = self.registrations.owner("tool", tool)
        if plugin is None:
            self._explain_absence(tool)
            return await self._bounded(call_next(context), f"The tool {printable(tool, 64)}", "unknown", tool)
        circuit = self._circuits.setdefault(tool, Circuit())
        seconds = self.registrations.deadlines.get(tool, self._host.core_settings.tool_deadline)
        await self._ready(plugin)
        self._refuse_if_open(circuit, tool, plugin)
        try:
            result = await self._bounded(call_next(context), f"The tool {tool}", plugin, tool, seconds)
        except (asyncio.CancelledError, GeneratorExit):
            circuit.gave_up()
            raise
        except BaseException as error:
            self._count(circuit, tool, plugin, error)
            raise
        circuit.succeeded()
        return result

    async def on_read_resource(
        self, context: MiddlewareContext[ReadResourceRequestParams], call_next: CallNext[ReadResourceRequestParams, Any]
    ) -> Any:
        """Read the resource for no longer than the deadline."""
        address = str(context.message.uri)
        plugin = self.registrations.reader(address)
        if plugin is not None:
            await self._ready(plugin)
        what = f"The resource {printable(address, 200)}"
        return await self._bounded(call_next(context), what, plugin or "unknown", "resource")

    async def on_get_prompt(
        self, context: MiddlewareContext[GetPromptRequestParams], call_next: CallNext[GetPromptRequestParams, Any]
    ) -> Any:
        """Render the prompt for no longer than the deadline."""
        name = context.message.name
        plugin = self.registrations.owner("prompt", name)
        if plugin is not None:
            await self._ready(plugin)
        return await self._bounded(
            call_next(context), f"The prompt {printable(name, 64)}", plugin or "unknown", "prompt"
        )

    async def on_list_tools(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """List for no longer than the deadline of listings."""
        return await _listed(call_next(context), "tools")

    async def on_list_resources(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """List for no longer than the deadline of listings."""
        return await _listed(call_next(context), "resources")

    async def on_list_resource_templates(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """List for no longer than the deadline of listings."""
        return await _listed(call_next(context), "resource templates")

    async def on_list_prompts(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """List for no longer than the deadline of listings."""
        return await _listed(call_next(context), "prompts")

    async def _bounded(
        self, work: Awaitable[Any], what: str, plugin: str, task: str, seconds: float | None = None
    ) -> Any:
        seconds = self._host.core_settings.tool_deadline if seconds is None else seconds
        try:
            return await bounded(work, seconds, f"packhorse-call-{plugin}-{task}")
        except OutOfTimeError:
            raise DeadlineError(
                f"{what} of the plugin {plugin} did not answer within {seconds:g} seconds and was given up.",
                remedy="Ask for less at once; if it happens again, see `packhorse doctor` and the plugin's author.",
                plugin=plugin,
                seconds=seconds,
            ) from None

    async def _ready(self, plugin: str) -> None:
        """Wait a little for a plugin whose lifespan is not entered yet."""
        starting = self._host.starting.get(plugin)
        if starting is None:
            return
        try:
            await asyncio.wait_for(starting.wait(), LATE_SECONDS)
        except TimeoutError:
            raise UnavailableError(
                f"The plugin {plugin} is still starting.",
                remedy="Try again in some seconds; `packhorse doctor` tells what keeps it.",
                plugin=plugin,
            ) from None
        if not self._host.record(plugin).loaded:
            raise UnavailableError(f"The plugin {plugin} could not start. {self._host.failure(plugin)}", plugin=plugin)

    def _explain_absence(self, tool: str) -> None:
        former = self.registrations.former.get(tool)
        if former is not None:
            raise UnavailableError(
                f"The tool {tool} is gone with its plugin. {self._host.failure(former)}".rstrip(), plugin=former
            )

    def _refuse_if_open(self, circuit: Circuit, tool: str, plugin: str) -> None:
        seconds = circuit.wait()
        if seconds:
            raise UnavailableError(
                f"The tool {tool} of the plugin {plugin} failed {circuit.failures} times in a row "
                f"(at last: {circuit.reason}) and is switched off for another {max(1, round(seconds))} seconds.",
                remedy="Do it another way, or try again after that; the server's log has the details.",
                plugin=plugin,
            )

    def _count(self, circuit: Circuit, tool: str, plugin: str, error: BaseException) -> None:
        if not unexpected(error):
            circuit.succeeded()
        elif circuit.failed(_kind(error)):
            logger.error(
                "The tool {} of the plugin {} failed {} times in a row and is switched off for {:.0f} seconds.",
                tool,
                plugin,
                circuit.failures,
                circuit.wait(),
            )


def unexpected(error: BaseException) -> bool:
    """Tell whether a failed call speaks against the tool rather than against its arguments or the database."""
    meant = expected(error)
    if meant is not None:
        return isinstance(meant, (DeadlineError, PluginGoneError))
    if isinstance(error, (ValidationError, NotFoundError, AuthorizationError, MCPError)):
        return False
    return not (isinstance(error, ToolError) and error.__cause__ is None)


def _kind(error: BaseException) -> str:
    """Say what went wrong without the message of an unexpected exception, which may hold anything."""
    meant = expected(error)
    if meant is not None:
        return explain(meant).partition(". ")[0].rstrip(".")
    cause = error.__cause__ if isinstance(error, ToolError) and error.__cause__ is not None else error
    return type(cause).__name__


async def _listed(work: Awaitable[Any], what: str) -> Any:
    try:
        return await bounded(work, LISTING_SECONDS, f"packhorse-list-{what}")
    except OutOfTimeError:
        logger.error("Listing the {} took more than {:g} seconds.", what, LISTING_SECONDS)
        message = f"The {what} could not be listed within {LISTING_SECONDS:g} seconds, because a plugin hangs."
        raise MCPError(code=INTERNAL_ERROR, message=f"{message} See `packhorse doctor`.") from None
