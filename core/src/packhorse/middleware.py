"""What a client is told when a tool, resource or prompt fails, and the measuring of tool calls."""

from __future__ import annotations

import asyncio
import logging
import secrets
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fastmcp.exceptions import AuthorizationError, NotFoundError, ToolError, ValidationError
from fastmcp.server import server as fastmcp_server
from fastmcp.server.middleware import Middleware
from fastmcp.tools.base import ToolResult
from loguru import logger
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from pydantic import ValidationError as PydanticValidationError
from pydantic_core import to_json

from packhorse.arguments import sentences
from packhorse.errors import ConflictError, InvalidInputError, PackhorseError, UnavailableError
from packhorse.errors import NotFoundError as PackhorseNotFoundError
from packhorse.isolation import LONGEST, printable
from packhorse.redaction import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastmcp.server.middleware import CallNext, MiddlewareContext
    from mcp_types import CallToolRequestParams, GetPromptRequestParams, ReadResourceRequestParams

    from packhorse.metrics import Metrics

META = "packhorse/error"
"""The key in a result's `_meta` under which code, message, remedy and details stand for programs.

Not in the structured content: clients of the TypeScript SDK validate that against the tool's output schema even when
the result is an error, and would show a schema violation instead of the message.
"""


_TOLD_BY_US = ("Error calling tool", "Error reading resource", "Error rendering prompt", "Invalid arguments for tool")


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line of FastMCP's is none about a failure that the middleware logs itself, with its id."""
    return not str(record.msg).startswith(_TOLD_BY_US)


logging.getLogger(fastmcp_server.logger.name).addFilter(_is_news)


LARGEST = 10_000_000
"""Bytes of one answer; a client that reads a longer line may hang, and no agent can take it in."""


class TooLargeError(PackhorseError):
    """An answer is larger than any client can use."""

    code = "too_large"


class ErrorMiddleware(Middleware):
    """Turns failures into answers: expected ones word for word, all others into an id that the log explains."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, Any],
    ) -> Any:
        """Answer every failure of a tool with a tool error, so that the agent reads it, and count the call."""
        tool = context.message.name
        start = perf_counter()
        failed = True
        try:
            result = await call_next(context)
            if isinstance(result, ToolResult):
                # What raises here would break the pipe.
                _refuse_huge(f"The tool {tool}", to_json([result.content, result.structured_content, result.meta]))
                failed = result.is_error
        except (asyncio.CancelledError, GeneratorExit, AuthorizationError):
            raise
        except NotFoundError:
            tool = "(unknown tool)"
            raise
        except BaseException as error:
            if isinstance(error, MCPError) and not expected(error):
                raise  # the protocol's own errors, such as a capability that the client lacks
            return await self._tool_error(context, error)
        else:
            return result
        finally:
            self._metrics.record(tool, perf_counter() - start, failed=failed)

    async def _tool_error(self, context: MiddlewareContext[CallToolRequestParams], error: BaseException) -> ToolResult:
        tool = context.message.name
        meant = expected(error)
        if meant is not None:
            logger.info("The tool {} answered with the error {}: {}", tool, meant.code, meant)
            return _answer(meant)
        if isinstance(error, ValidationError) and isinstance(error.__cause__, PydanticValidationError):
            text = sentences(error.__cause__, await _schema(context))
            logger.info("The tool {} was called with wrong arguments: {}", tool, text)
            return _answer(InvalidInputError(text))
        if isinstance(error, ToolError) and error.__cause__ is None:
            return ToolResult(content=str(error), is_error=True)  # a tool that uses FastMCP's own way to say it
        if isinstance(error, ToolError) and isinstance(error.__cause__, MCPError):
            logger.warning("The tool {} failed: {}", tool, error.__cause__)  # a tool's own time limit, for one
            return _answer(UnavailableError(printable(error.__cause__.error.message, LONGEST)))
        return _answer(_masked(f"The tool {printable(tool, 64)}", error))

    async def on_read_resource(
        self,
        context: MiddlewareContext[ReadResourceRequestParams],
        call_next: CallNext[ReadResourceRequestParams, Any],
    ) -> Any:
        """Answer every failure of a resource with a protocol error, the only form that resources have."""
        return await _protocol_errors(
            lambda: call_next(context), f"The resource {printable(str(context.message.uri), 200)}"
        )

    async def on_get_prompt(
        self,
        context: MiddlewareContext[GetPromptRequestParams],
        call_next: CallNext[GetPromptRequestParams, Any],
    ) -> Any:
        """Answer every failure of a prompt with a protocol error, the only form that prompts have."""
        return await _protocol_errors(lambda: call_next(context), f"The prompt {printable(context.message.name, 64)}")


def _refuse_huge(what: str, answer: bytes) -> None:
    if len(answer) > LARGEST:
        raise TooLargeError(
            f"{what} answered with {len(answer) / 1e6:.0f} MB; no more than {LARGEST / 1e6:.0f} MB are passed on.",
            remedy="Ask for less, or for a part of it.",
        )


async def _protocol_errors(proceed: Callable[[], Awaitable[Any]], what: str) -> Any:
    try:
        result = await proceed()
        _refuse_huge(what, to_json(result))
    except (asyncio.CancelledError, GeneratorExit, AuthorizationError, NotFoundError, MCPError):
        raise
    except BaseException as error:
        meant = expected(error)
        if meant is None:
            meant = _masked(what, error)
        mistaken = isinstance(meant, (InvalidInputError, PackhorseNotFoundError, ConflictError))
        raise MCPError(
            code=INVALID_PARAMS if mistaken else INTERNAL_ERROR, message=_clean(str(meant)), data=_facts(meant)
        ) from error
    return result


class _UnexpectedError(PackhorseError):
    code = "unexpected"


def _masked(what: str, error: BaseException) -> PackhorseError:
    identifier = secrets.token_hex(4)
    cause = error.__cause__ if isinstance(error, ToolError) and error.__cause__ is not None else error
    logger.opt(exception=cause).error("{} failed unexpectedly (error id {}).", what, identifier)
    return _UnexpectedError(
        f"{what} failed unexpectedly (error id {identifier}).",
        remedy="The server's log has the details.",
        id=identifier,
    )


def expected(error: BaseException | None) -> PackhorseError | None:
    """Find the failure that was raised on purpose behind the wrappings that FastMCP puts around it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, PackhorseError):
            return error
        if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]  # a task group around a single failure
            continue
        seen.add(id(error))
        error = error.__cause__
    return None


def _answer(error: PackhorseError) -> ToolResult:
    return ToolResult(content=_clean(str(error)), meta={META: _facts(error)}, is_error=True)


def _facts(error: PackhorseError) -> dict[str, Any]:
    facts = {"code": error.code, "message": _clean(error.message), "remedy": _clean(error.remedy)}
    try:
        to_json(error.details)
    except Exception:  # noqa: BLE001 - details are a plugin's; what cannot be sent is left out rather than fail the answer
        return facts
    return facts | {"details": error.details} if error.details else facts


def _clean(text: str) -> str:
    """Return a message, which may repeat what a client sent or a folder's name, with its hidden characters escaped."""
    return visible(text, keep="\n\t")


async def _schema(context: MiddlewareContext[CallToolRequestParams]) -> dict[str, Any]:
    if context.fastmcp_context is None:
        return {}
    tool = await context.fastmcp_context.fastmcp.get_tool(context.message.name)
    return {} if tool is None else tool.parameters
