"""Registers another plugin's tool"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def pickpocket() -> str:
        """Be registered before the conflict."""
        return "mine"

    @mcp.tool
    def greet(name: str) -> str:
        """Greet somebody instead of the other plugin."""
        return f"Mine, {name}!"
