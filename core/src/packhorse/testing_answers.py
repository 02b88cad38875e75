"""What a test says about a server's answers: structured results, tool errors, resources, progress.

    from packhorse.testing_answers import ProgressLog, read_text, structured, tool_error

Each takes the client that a fixture of `packhorse.testing` gives, and fails the test with the answer's text when it
is not of the kind that the test expects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastmcp import Client


@dataclass(frozen=True, slots=True)
class ToolFailure:
    """A tool error as a client gets it.

    `text` is what the agent reads. `code`, `message`, `remedy` and `details` are those of the `PackhorseError` that the
    tool raised; `code` is `unexpected` for an exception that the host masked, and all are empty for an error that
    came about otherwise.
    """

    text: str
    code: str = ""
    message: str = ""
    remedy: str = ""
    details: dict[str, Any] = field(default_factory=dict)


async def structured(client: Client[Any], tool: str, /, **arguments: Any) -> dict[str, Any]:
    """Call a tool and return its structured content.

    Raises:
        AssertionError: the tool answered with an error or without structured content.
    """
    answer = await client.call_tool(tool, arguments, raise_on_error=False)
    _expect(not answer.is_error, f"{tool} failed: {_text(answer)}")
    content: dict[str, Any] | None = answer.structured_content
    if content is None:
        raise AssertionError(f"{tool} has no structured content: {_text(answer)}")
    return content


async def text(client: Client[Any], tool: str, /, **arguments: Any) -> str:
    """Call a tool and return the text that the agent reads.

    Raises:
        AssertionError: the tool answered with an error.
    """
    answer = await client.call_tool(tool, arguments, raise_on_error=False)
    _expect(not answer.is_error, f"{tool} failed: {_text(answer)}")
    return _text(answer)


async def tool_error(client: Client[Any], tool: str, /, **arguments: Any) -> ToolFailure:
    """Call a tool that must fail and return its error.

    Raises:
        AssertionError: it succeeded.
    """
    from packhorse.middleware import META

    answer = await client.call_tool(tool, arguments, raise_on_error=False)
    _expect(answer.is_error, f"{tool} was expected to fail and answered: {_text(answer)}")
    return ToolFailure(_text(answer), **((answer.meta or {}).get(META) or {}))


async def read_text(client: Client[Any], uri: str) -> str:
    """Read a resource and return its text, of several contents one after the other.

    Raises:
        AssertionError: it has binary contents.
    """
    contents = await client.read_resource(uri)
    texts = [getattr(content, "text", None) for content in contents]
    _expect(None not in texts, f"{uri} is binary")
    return "".join(str(one) for one in texts)


class ProgressLog:
    """What a tool reports while it works: pass it as `progress_handler` of `client.call_tool`."""

    def __init__(self) -> None:
        self.updates: list[tuple[float, float | None, str | None]] = []
        """(progress, total, message) of each report, in the order of their arrival."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        """Note a report."""
        self.updates.append((progress, total, message))

    def check(self, *, least: int = 1) -> None:
        """Fail unless there are `least` reports, none goes back, and none passes its total, as MCP demands.

        Raises:
            AssertionError: saying what is wrong.
        """
        _expect(len(self.updates) >= least, f"{len(self.updates)} progress reports instead of {least} or more")
        done = [progress for progress, _, _ in self.updates]
        _expect(done == sorted(set(done)), f"progress does not rise: {done}")
        beyond = [one for one in self.updates if one[1] is not None and one[0] > one[1]]
        _expect(not beyond, f"progress passes its total: {beyond}")


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)


def _text(answer: Any) -> str:
    return "\n".join(content.text for content in answer.content if getattr(content, "text", None) is not None)
