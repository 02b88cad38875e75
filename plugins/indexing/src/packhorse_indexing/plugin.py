"""The indexing plugin: what it contributes to the host, each part imported when it is asked for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import resources
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from packhorse import hookimpl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from importlib.resources.abc import Traversable

    from cyclopts import App
    from fastmcp import FastMCP

    from packhorse.context import PluginContext
    from packhorse.health import HealthCheck
    from packhorse.hookspecs import Completer
    from packhorse_indexing.embedding import Factory
    from packhorse_indexing.settings import IndexingSettings


@hookimpl
def register_hookspecs() -> object:
    """Declare the hooks for embedders, languages and chunkers."""
    from packhorse_indexing import hookspecs

    return hookspecs


@hookimpl
def register_settings() -> type[IndexingSettings]:
    """Return the settings class."""
    from packhorse_indexing.settings import IndexingSettings

    return IndexingSettings


@hookimpl
def register_migrations() -> Traversable:
    """Return the folder of the migrations."""
    return resources.files("packhorse_indexing") / "migrations"


@hookimpl
def register_embedders() -> Mapping[str, Factory]:
    """Return the embedders that come with the plugin."""
    from packhorse_indexing.embedding import factories

    return factories()


@hookimpl
def register_tools(mcp: FastMCP, context: PluginContext) -> None:
    """Register the tools and the resources of repositories."""
    from packhorse_indexing import tools

    tools.register(mcp, context)


@hookimpl
def register_completions(context: PluginContext) -> Mapping[tuple[str, str], Completer]:
    """Complete the repository of a resource with the names of the indexed folders."""
    from packhorse_indexing.service import Index

    async def folders(typed: str) -> list[str]:
        names = {PurePosixPath(one.path).name for one in await context.service(Index).repositories()}
        return sorted(name for name in names if name.lower().startswith(typed.lower()))

    return {("packhorse://repositories/{repository_id}", "repository_id"): folders}


@hookimpl
def register_instructions() -> str:
    """Say when to index."""
    return (
        "Index a repository once with index_repository before you search it, and again after larger changes; "
        "when it answers `running`, go on: what is indexed so far can be searched already. get_indexing_status says "
        "why a file is not found."
    )


@hookimpl
def register_commands(app: App, context: PluginContext) -> None:
    """Add `index`, `status`, `cancel`, `repositories` and `forget`."""
    from packhorse_indexing import commands

    commands.register(app, context)


@hookimpl
@asynccontextmanager
async def plugin_lifespan(context: PluginContext) -> AsyncIterator[None]:
    """Provide the `Index` and watch over unfinished jobs."""
    from packhorse_indexing.lifespan import serve_index

    async with serve_index(context):
        yield


@hookimpl
def check_health(context: PluginContext) -> Iterable[HealthCheck]:
    """Return the checks of the embedder, of waiting chunks and of stuck jobs."""
    from packhorse_indexing.checks import health_checks

    return health_checks(context)
