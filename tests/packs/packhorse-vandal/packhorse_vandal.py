"""Removes another plugin's tool"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    mcp.local_provider.remove_tool("greet")

    @mcp.tool
    def loot() -> str:
        """Be registered beside the damage."""
        return "loot"
