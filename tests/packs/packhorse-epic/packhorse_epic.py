"""Has a description of a megabyte"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool(description="And then they said something more. " * 30_000)
    async def tell() -> str:
        return "the end"
