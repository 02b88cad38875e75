"""The whole contract between the host and its plugins.

A plugin is an object, usually a module, named by an entry point in the group `packhorse`. It implements any of the
hooks below as functions marked with `hookimpl`; it may leave out arguments that it does not need. Hooks only ever
gain arguments with defaults. A function marked with `hookimpl` whose name is no hook is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from importlib.resources.abc import Traversable

    from cyclopts import App
    from fastmcp import FastMCP

    from packhorse.context import PluginContext
    from packhorse.health import HealthCheck
    from packhorse.settings import PluginSettings

    Completer = Callable[[str], Iterable[str] | Awaitable[Iterable[str]]]

hookspec = pluggy.HookspecMarker("packhorse")
hookimpl = pluggy.HookimplMarker("packhorse")


@hookspec
def register_hookspecs() -> object:
    """Return a module or object with `hookspec` functions of the plugin's own, for other plugins to implement."""
    raise NotImplementedError


@hookspec
def register_settings() -> type[PluginSettings]:
    """Return the plugin's settings class; its fields are read from `PACKHORSE_<PLUGIN>_<FIELD>`."""
    raise NotImplementedError


@hookspec
def register_migrations() -> Traversable:
    """Return the folder of the plugin's numbered migrations (`0001_name.sql`), run in the schema of its name."""
    raise NotImplementedError


@hookspec
def register_tools(mcp: FastMCP, context: PluginContext) -> None:
    """Register tools, resources, resource templates and prompts on the one server object."""


@hookspec
def register_completions(context: PluginContext) -> Mapping[tuple[str, str], Completer]:
    """Return what completes the arguments of the plugin's own prompts and resource templates.

    The key is the prompt's name or the template's URI, and the argument's name. A completer takes what was typed so
    far and returns, or is awaited for, at most 100 values.
    """
    raise NotImplementedError


@hookspec
def register_instructions() -> str:
    """Return a sentence or two for the server's instructions: when an agent should use these tools."""
    raise NotImplementedError


@hookspec
def register_commands(app: App, context: PluginContext) -> None:
    """Add subcommands to the `packhorse` command; use `context.run` for work that needs the database."""


@hookspec
def plugin_lifespan(context: PluginContext) -> AbstractAsyncContextManager[None]:
    """Return a context manager around the server's life: services, workers, watchers.

    The database is open and migrated inside it. A plugin is entered after those that it requires, beside all others,
    and left before them. One that is not entered within a second is late: its tools wait for it.
    """
    raise NotImplementedError


@hookspec
def check_health(context: PluginContext) -> Iterable[HealthCheck]:
    """Return the plugin's named checks for `packhorse doctor`, the health resource and the HTTP probe."""
    raise NotImplementedError
