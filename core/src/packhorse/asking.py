"""Asking every implementation of a hook while a client waits: beside each other, in threads, for a limited time."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any

from loguru import logger

from packhorse.bounded import OutOfTimeError, bounded
from packhorse.circuit import Circuit
from packhorse.isolation import PluginCrash, contained
from packhorse.threads import BusyError, PluginThreads

if TYPE_CHECKING:
    from packhorse.plugins import PluginHost

THREADS = 8
"""Threads of one plugin for the hooks that it answers; a hung call keeps one."""


class Asking:
    """The questions to the plugins of one host, and how each took the last ones."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        self._threads: dict[str, PluginThreads] = {}
        self._circuits: dict[tuple[str, str], Circuit] = {}

    def implementing(self, hook: str) -> list[str]:
        """Return the plugins that implement a hook."""
        return [plugin for plugin in self._host.loaded if self._host.implements(plugin, hook)]

    async def ask(self, hook: str, seconds: float, arguments: dict[str, Any]) -> list[tuple[str, Any]]:
        """Return (plugin, answer) of each implementation that answers in time; see `PluginContext.ask_hook`."""
        asked = self.implementing(hook)
        found = await asyncio.gather(*(self._one(plugin, hook, seconds, arguments) for plugin in asked))
        return [(plugin, answer) for plugin, answers in zip(asked, found, strict=True) for answer in answers]

    async def _one(self, plugin: str, hook: str, seconds: float, arguments: dict[str, Any]) -> list[Any]:
        circuit = self._circuits.setdefault((plugin, hook), Circuit())
        if circuit.wait():
            return []
        try:
            answers = await bounded(self._answers(plugin, hook, arguments), seconds, f"packhorse-hook-{plugin}-{hook}")
        except (asyncio.CancelledError, GeneratorExit):
            circuit.gave_up()
            raise
        except (OutOfTimeError, PluginCrash, BusyError) as error:
            what = f"no answer within {seconds:g} s" if isinstance(error, OutOfTimeError) else str(error)
            logger.warning("{} of the plugin {} failed: {}", hook, plugin, what)
            if circuit.failed(what):
                pause = circuit.wait()
                logger.error("{} of the plugin {} is not asked for {:.0f} seconds.", hook, plugin, pause)
            return []
        circuit.succeeded()
        return answers

    async def _answers(self, plugin: str, hook: str, arguments: dict[str, Any]) -> list[Any]:
        threads = self._threads.setdefault(plugin, PluginThreads(plugin, THREADS))
        try:
            answers = await threads.run(functools.partial(self._host.call_plugin, plugin, hook, **arguments))
            with contained():
                return [await one if inspect.isawaitable(one) else one for one in answers]
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise PluginCrash(error) from error  # the plugin's own, which must not cancel who asks
