"""Its migration is not SQL"""

from pathlib import Path

from packhorse import hookimpl


@hookimpl
def register_migrations():
    return Path(__file__).parent / "packhorse_bad_migration_sql"


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def migrated() -> str:
        """Need the schema that never was."""
        return "migrated"
