"""Registers one tool twice"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    def again() -> str:
        """Say it again."""
        return "again"

    mcp.tool(again)
    mcp.tool(again)
