"""A Packhorse plugin in one module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from packhorse import hookimpl

if TYPE_CHECKING:
    from fastmcp import FastMCP


@dataclass
class Greeting:
    """What the tool answers."""

    text: str


@hookimpl
def register_tools(mcp: FastMCP) -> None:
    """Register the tool."""

    @mcp.tool(annotations={"readOnlyHint": True})
    async def greet(name: Annotated[str, "Whom to greet"]) -> Greeting:
        """Greet somebody by name."""
        return Greeting(f"Hello, {name}!")


@hookimpl
def register_instructions() -> str:
    """Say when an agent should use the tool."""
    return "Greet people with greet."
