"""Gives its tool a version"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool(version="9")
    def fresh() -> str:
        """Outrank the others."""
        return "9"
