"""Has tools that answer and raise what nobody expects"""

import asyncio

from packhorse import hookimpl


def deep():
    found = []
    for _ in range(50_000):
        found = [found]
    return found


def fall(n):
    return fall(n + 1)


@hookimpl
def register_tools(mcp):
    @mcp.tool(output_schema=None)
    async def misbehave(how: str):
        """Misbehave."""
        if how == "cancel":
            raise asyncio.CancelledError
        if how == "close":
            raise GeneratorExit
        if how == "fall":
            return fall(0)
        return deep() if how == "deep" else "x" * 20_000_000
