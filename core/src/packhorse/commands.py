"""Letting the plugins add their subcommands to the `packhorse` command, each all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.rollback import Checkpoint

if TYPE_CHECKING:
    from cyclopts import App

    from packhorse.plugins import PluginHost


def register(host: PluginHost, plugin: str, app: App) -> None:
    """Let one plugin add its subcommands; when it fails it is dropped and `app` is as before."""
    if not host.implements(plugin, "register_commands"):
        return
    before = Checkpoint(*_all(app))
    with host.attempt(plugin, "registered its commands"):
        try:
            host.call_plugin(plugin, "register_commands", app=app, context=host.context(plugin))
            _refuse_removal(before)
        except BaseException:
            before.restore()
            raise
        host.on_drop(plugin, before.undo())


def _all(app: App) -> list[App]:
    """Return the application and every subcommand below it, once each, without those resolved only when called."""
    found: dict[int, App] = {}
    waiting = [app]
    while waiting:
        one = waiting.pop()
        if id(one) not in found:
            found[id(one)] = one
            waiting += [command for command in one._commands.values() if isinstance(command, type(app))]  # noqa: SLF001 - cyclopts resolves lazy commands in its public view
    return list(found.values())


def _refuse_removal(before: Checkpoint) -> None:
    lost = before.lost("_commands")
    if lost:
        raise ValueError(f"it removes or replaces the command {lost[0]}, which it did not add")
