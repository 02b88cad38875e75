"""Returns what is no text"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def name_of_file() -> str:
        """Return a file's name as the system gives it."""
        return "caf\udce9"
