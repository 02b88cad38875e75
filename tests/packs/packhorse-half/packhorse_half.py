"""Registers half of its tools and raises"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def first_half() -> str:
        """Be registered before the failure."""
        return "half"

    @mcp.resource("half://{name}")
    def half(name: str) -> str:
        """Be registered before the failure."""
        return name

    raise RuntimeError("halfway there")


@hookimpl
def register_commands(app):
    @app.command
    def half():
        """Stay away."""
