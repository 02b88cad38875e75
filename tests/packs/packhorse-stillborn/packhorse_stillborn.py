"""Its lifespan raises"""

import asyncio
from contextlib import asynccontextmanager

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def breathe() -> str:
        """Need the lifespan."""
        return "alive"


@hookimpl
def plugin_lifespan(context):
    @asynccontextmanager
    async def life():
        context.provide(str, "stillborn")
        await asyncio.sleep(0)
        raise RuntimeError("no life in it")
        yield

    return life()
