"""Has a schema that contains itself"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    meta = {}
    meta["itself"] = meta

    @mcp.tool(meta=meta)
    async def tangle() -> None:
        """Tangle."""
