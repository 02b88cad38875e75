"""The plugin's hooks; everything heavy is imported inside them, so that the command line starts quickly."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from packhorse import hookimpl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from cyclopts import App
    from fastmcp import FastMCP

    from packhorse.context import PluginContext


@hookimpl
def register_hookspecs() -> object:
    """Declare `task_links` and `search_signals`."""
    from packhorse_search import hookspecs

    return hookspecs


@hookimpl
def register_tools(mcp: FastMCP, context: PluginContext) -> None:
    """Register `search_code` and the tools that look code up."""
    from packhorse_search import tools
    from packhorse_search.lookup import tools as lookup_tools

    tools.register(mcp, context)
    lookup_tools.register(mcp, context)


@hookimpl
def register_instructions() -> str:
    """Say when to search."""
    return (
        "Use search_code to find where something is done, defined or said in indexed code before reading files; "
        "ask in a sentence, by a symbol's name or by an error message, and narrow it with directory and file_type. "
        "For every occurrence of a text use grep_code, for a name's definition and uses find_symbol."
    )


@hookimpl
def register_commands(app: App, context: PluginContext) -> None:
    """Add `packhorse search` and the commands that look code up."""
    from packhorse_search import commands
    from packhorse_search.lookup import commands as lookup_commands

    commands.register(app, context)
    lookup_commands.register(app, context)


@hookimpl
def plugin_lifespan(context: PluginContext) -> AbstractAsyncContextManager[None]:
    """Provide the search service while the index is there."""
    return _serve(context)


@asynccontextmanager
async def _serve(context: PluginContext) -> AsyncIterator[None]:
    from packhorse_indexing.service import Index
    from packhorse_search.lookup.service import Lookup
    from packhorse_search.service import Search

    context.provide(Search, Search(context, context.service(Index)))
    context.provide(Lookup, Lookup(context, context.service(Index)))
    yield
