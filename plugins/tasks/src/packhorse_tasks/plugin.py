"""The plugin's hooks; each imports what it needs when it is called, so that loading the plugin costs little."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from packhorse import hookimpl

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from fastmcp import FastMCP

    from packhorse.context import PluginContext


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
    """Register the task tools."""
    from packhorse_tasks import tools

    tools.register(mcp, context)
