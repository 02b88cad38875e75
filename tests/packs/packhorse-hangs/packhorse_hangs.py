"""Its lifespan hangs"""

import asyncio
from contextlib import asynccontextmanager

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def wait_for_it() -> str:
        """Need the lifespan."""
        return "alive"


@hookimpl
def plugin_lifespan(context):
    @asynccontextmanager
    async def life():
        context.provide(int, 1)
        await asyncio.sleep(0)
        await asyncio.sleep(3600)
        yield

    return life()
