"""The database: where it is, connections to it, its migrations, and the embedded PostgreSQL that is used without one.

A worker process holds `lease(settings)` and opens `connect(address)`; an asyncio program opens one `Database` and
uses `database.connection()`, a transaction each time, or `reading(database)`, without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packhorse.database.address import Address, lease
    from packhorse.database.autocommit import Lender, reading
    from packhorse.database.migrations import PluginMigrations, migrate
    from packhorse.database.pool import Database
    from packhorse.database.session import connect

__all__ = ["Address", "Database", "Lender", "PluginMigrations", "connect", "lease", "migrate", "reading"]

# Imported when first used: the keeper of the embedded server lives in this package and must stay small, and the
# command line must start quickly.
_HOMES = {
    "Address": "address",
    "Database": "pool",
    "Lender": "autocommit",
    "PluginMigrations": "migrations",
    "connect": "session",
    "lease": "address",
    "migrate": "migrations",
    "reading": "autocommit",
}


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
