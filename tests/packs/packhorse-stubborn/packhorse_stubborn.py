"""Its tool ignores its cancellation"""

import asyncio

from packhorse import hookimpl

released = asyncio.Event()


@hookimpl
def register_tools(mcp):
    @mcp.tool
    async def insist() -> str:
        """Go on, whatever the host says."""
        while not released.is_set():
            try:
                await asyncio.wait_for(released.wait(), 1)
            except (asyncio.CancelledError, TimeoutError):
                continue
        return "done"
