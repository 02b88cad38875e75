"""Ends its own process, and other things that only a process of its own can bear"""

import asyncio
import ctypes
import os
import time

from fastmcp import Context

from packhorse import hookimpl
from packhorse.errors import NotFoundError
from packhorse.settings import PluginSettings


class SegfaultSettings(PluginSettings):
    word: str = "well"


@hookimpl
def register_settings():
    return SegfaultSettings


@hookimpl
def register_instructions():
    return "Ask segfault for trouble."


@hookimpl
def register_tools(mcp, context):
    @mcp.tool(annotations={"readOnlyHint": True})
    def crash() -> str:
        """Read from nowhere."""
        return ctypes.string_at(0).decode()

    @mcp.tool
    async def seize() -> str:
        """Block the event loop for good."""
        while True:
            time.sleep(1)  # noqa: ASYNC251 - its fault

    @mcp.tool
    async def linger() -> str:
        """Take a minute."""
        await asyncio.sleep(60)
        return "late"

    @mcp.tool
    async def count(ctx: Context) -> str:
        """Count to two."""
        for number in (1, 2):
            await ctx.report_progress(number, 2, f"at {number}")
        return "counted"

    @mcp.tool
    async def environment() -> dict[str, str]:
        """Show what it was given."""
        return {**os.environ, "pid": str(os.getpid()), "word": context.settings(SegfaultSettings).word}

    @mcp.tool
    async def find(name: str) -> str:
        """Find nothing."""
        raise NotFoundError(f"There is no {name}.", remedy="Look elsewhere.")

    @mcp.tool
    async def read_database() -> str:
        """Want what it has not."""
        return str(context.database)

    register_others(mcp)


def register_others(mcp):
    @mcp.resource("segfault://static")
    def static() -> str:
        """A resource."""
        return "static"

    @mcp.resource("segfault://of/{what}")
    async def of(what: str) -> str:
        """A template."""
        return f"of {what}"

    @mcp.prompt
    def beg(whom: str) -> str:
        """A prompt."""
        return f"Please, {whom}."
