"""Blocks the event loop"""

import time

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool
    async def block(seconds: float) -> str:
        """Sleep where nobody may."""
        time.sleep(seconds)  # noqa: ASYNC251 - its fault
        return "awake"
