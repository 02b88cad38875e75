"""Its migration reaches into a foreign schema"""

from pathlib import Path

from packhorse import hookimpl


@hookimpl
def register_migrations():
    return Path(__file__).parent / "packhorse_trespasser_sql"


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def trespass() -> str:
        """Need the schema."""
        return "in"
