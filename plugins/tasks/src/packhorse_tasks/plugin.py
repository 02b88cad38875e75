"""The plugin's hooks; each imports what it needs when it is called, so that loading the plugin costs little."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING

from packhorse import hookimpl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from importlib.resources.abc import Traversable

    from cyclopts import App
    from fastmcp import FastMCP

    from packhorse.context import PluginContext
    from packhorse.health import HealthCheck
    from packhorse_tasks.settings import TasksSettings

# The hook of the search plugin carries no context, so the running ones are kept here; there is one in a real process.
_contexts: list[PluginContext] = []


@hookimpl
def register_settings() -> type[TasksSettings]:
    """Return the settings class."""
    from packhorse_tasks.settings import TasksSettings

    return TasksSettings


@hookimpl
def register_migrations() -> Traversable:
    """Return the folder of the tracker's migrations."""
    return files("packhorse_tasks") / "migrations"


@hookimpl
def register_instructions() -> str:
    """Tell an agent when the task tools are of use."""
    return (
        "Keep development work in tasks: list_tasks(ready=true) shows what can be started, update_task records status, "
        "branch and commit."
    )


@hookimpl
def register_tools(mcp: FastMCP, context: PluginContext) -> None:
    """Register the task tools, the resources and the prompts."""
    from packhorse_tasks import resources, tools

    tools.register(mcp, context)
    resources.register(mcp, context)


@hookimpl
def register_commands(app: App, context: PluginContext) -> None:
    """Add `packhorse tasks`."""
    from packhorse_tasks import commands

    commands.register(app, context)


@hookimpl
def plugin_lifespan(context: PluginContext) -> AbstractAsyncContextManager[None]:
    """Keep the tasks' vectors up to date, and answer `task_links`, while the database is open."""
    return _running(context)


@hookimpl
def check_health(context: PluginContext) -> Iterable[HealthCheck]:
    """Return the checks of the tracker and of tasks that wait to be found by meaning."""
    from packhorse_tasks.checks import health_checks

    return health_checks(context)


@asynccontextmanager
async def _running(context: PluginContext) -> AsyncIterator[None]:
    from packhorse_tasks import meaning

    _contexts.append(context)
    try:
        async with meaning.embedding(context):
            yield
    finally:
        _contexts.remove(context)


@hookimpl(optionalhook=True)
async def task_links(repository_path: str, paths: Sequence[str], branch: str | None) -> dict[str, list[dict[str, str]]]:
    """Tell the search plugin, which declares this hook, which open tasks touch its results."""
    from packhorse_tasks import links

    return await links.touching(_contexts[-1].database, repository_path, paths, branch) if _contexts else {}
