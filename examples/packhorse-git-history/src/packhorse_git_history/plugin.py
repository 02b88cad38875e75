"""The plugin's hooks; each imports what it needs when it is called."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from packhorse import hookimpl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from fastmcp import FastMCP

    from packhorse.context import PluginContext
    from packhorse.health import HealthCheck
    from packhorse.settings import PluginSettings
    from packhorse_search.signals import Place


@hookimpl
def register_settings() -> type[PluginSettings]:
    """Return the settings class."""
    from packhorse_git_history.settings import GitHistorySettings

    return GitHistorySettings


@hookimpl
def register_tools(mcp: FastMCP, context: PluginContext) -> None:
    """Register the two tools."""
    from packhorse_git_history import tools

    tools.register(mcp, context)


@hookimpl
def register_instructions() -> str:
    """Say when to look into history."""
    return "Ask file_history why a file is as it is and when it changed, and show_commit for one change."


@hookimpl
@asynccontextmanager
async def plugin_lifespan(context: PluginContext) -> AsyncIterator[None]:
    """Keep the empty repositories in which git runs, and provide the history."""
    from packhorse_git_history.git import History
    from packhorse_git_history.recency import Recency
    from packhorse_git_history.settings import GitHistorySettings

    settings = context.settings(GitHistorySettings)
    with History.open(settings) as history:
        context.provide(History, history)
        async with Recency.open(history, settings.recent) as recency:
            context.provide(Recency, recency)
            yield


@hookimpl(optionalhook=True)
async def search_signals(places: Sequence[Place], context: PluginContext) -> Mapping[Place, float]:
    """Tell the search plugin, which declares this hook, which of the places changed lately."""
    from packhorse_git_history.recency import Recency

    recency = context.find_service(Recency)
    return {} if recency is None else await recency.signals(places)


@hookimpl
def check_health() -> Iterable[HealthCheck]:
    """Check that git is there."""
    from packhorse.health import Health, HealthCheck
    from packhorse_git_history.git import program

    async def git() -> Health:
        found = program()
        if found is None:
            return Health("failed", "git is not installed.", "Install it; the tools need its program.")
        return Health("ok", f"{found}.")

    return [HealthCheck("git", git)]
