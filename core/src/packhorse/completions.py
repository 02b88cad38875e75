"""Completing arguments of prompts and resource templates: one handler of the server, many plugins' completers."""

from __future__ import annotations

import inspect
from itertools import islice
from typing import TYPE_CHECKING, Any

from loguru import logger

from packhorse.isolation import PluginCrash, explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastmcp import FastMCP

    from packhorse.hookspecs import Completer
    from packhorse.plugins import PluginHost
    from packhorse.registration import Registrations

DEADLINE = 2.0  # seconds; a person waits at every key
MOST = 100  # values, the protocol's limit


def install(mcp: FastMCP, host: PluginHost, registrations: Registrations) -> None:
    """Have the server answer `completion/complete`, if any plugin has completers; else it does not claim to."""
    completers = _collected(host, registrations)
    if not completers:
        return

    async def complete(reference: Any, argument: Any, _context: Any) -> list[str] | None:
        place = str(getattr(reference, "uri", None) or reference.name)
        found = completers.get((place, argument.name))
        return None if found is None else await _asked(host, *found, str(argument.value))

    mcp.add_completion_handler(complete)


def _collected(host: PluginHost, registrations: Registrations) -> dict[tuple[str, str], tuple[str, Completer]]:
    """Return the completers with their plugins, by prompt or template and argument, of each plugin for its own only."""
    found: dict[tuple[str, str], tuple[str, Completer]] = {}
    for name in host.loaded:
        if not host.implements(name, "register_completions"):
            continue
        try:
            offered: list[Mapping[tuple[str, str], Completer]] = host.call_plugin(
                name, "register_completions", context=host.context(name)
            )
            for (place, argument), completer in (pair for mapping in offered for pair in mapping.items()):
                owner = registrations.owner("prompt", place) or registrations.reader(place)
                if owner == name:
                    found[place, argument] = (name, completer)
                else:
                    logger.warning(
                        "{} completes {} of {!a}, which is not its own; it is left out.", name, argument, place
                    )
        except (PluginCrash, TypeError, ValueError, AttributeError) as error:
            logger.error("register_completions of {} failed: {}", name, error)
    return found


async def _asked(host: PluginHost, plugin: str, completer: Completer, typed: str) -> list[str]:
    """Return what a completer offers; one that fails or takes too long offers nothing."""

    def question() -> list[Any]:
        found = completer(typed)
        return [found if inspect.isawaitable(found) else _first(found)]

    for found in await host.asking.attempt(plugin, "a completion", DEADLINE, question):
        try:
            return _first(found)
        except Exception as error:  # noqa: BLE001 - what a plugin returned may be of any kind
            logger.warning("A completion of {} cannot be read: {}", plugin, explain(error))
    return []


def _first(values: Iterable[Any]) -> list[str]:
    return [str(value) for value in islice(values, MOST)]
