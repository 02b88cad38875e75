"""A plugin that works"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool
    async def greet(name: str) -> str:
        """Greet somebody."""
        return f"Hello, {name}!"

    @mcp.resource("good://greeting")
    def greeting() -> str:
        """The greeting."""
        return "Hello!"

    @mcp.prompt
    def polite() -> str:
        """Ask for politeness."""
        return "Greet me."


@hookimpl
def register_instructions():
    return "Greet people with greet."


@hookimpl
def register_commands(app):
    @app.command
    def greet():
        """Greet."""
