"""Asking every implementation of a hook while a client waits: beside each other, in threads, for a limited time."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any

from loguru import logger

from packhorse.bounded import OutOfTimeError, StrayCancellationError, bounded
from packhorse.circuit import Circuit
from packhorse.isolation import PluginCrash
from packhorse.threads import PluginThreads

if TYPE_CHECKING:
    from collections.abc import Callable

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
        found = await asyncio.gather(
            *(
                self.attempt(
                    plugin,
                    hook,
                    seconds,
                    functools.partial(self._host.call_plugin, plugin, hook, **arguments),
                    in_thread=not self._host.only_awaits(plugin, hook),
                )
                for plugin in asked
            )
        )
        return [(plugin, answer) for plugin, answers in zip(asked, found, strict=True) for answer in answers]

    async def attempt(
        self, plugin: str, what: str, seconds: float, question: Callable[[], list[Any]], *, in_thread: bool = True
    ) -> list[Any]:
        """Return what a plugin answers, or nothing when it fails, is late, or was so too often of late.

        Args:
            plugin: whose code it is.
            what: the hook, or what else is asked, for the log.
            seconds: that it may take.
            question: what it returns that can be awaited is awaited here.
            in_thread: whether the question runs in a thread of the plugin's, as whatever may block must.
        """
        circuit = self._circuits.setdefault((plugin, what), Circuit())
        if circuit.wait():
            return []
        try:
            answers = await bounded(
                self._answers(plugin, question, in_thread), seconds, f"packhorse-hook-{plugin}-{what}"
            )
        except asyncio.CancelledError:
            circuit.gave_up()
            raise
        except (OutOfTimeError, StrayCancellationError, PluginCrash) as error:
            reason = f"no answer within {seconds:g} s" if isinstance(error, OutOfTimeError) else str(error)
            logger.warning("{} of the plugin {} failed: {}", what, plugin, reason)
            if circuit.failed(reason):
                logger.error("{} of the plugin {} is not asked for {:.0f} seconds.", what, plugin, circuit.wait())
            return []
        circuit.succeeded()
        return answers

    async def _answers(self, plugin: str, question: Callable[[], list[Any]], in_thread: bool) -> list[Any]:
        try:
            if in_thread:
                answers = await self._threads.setdefault(plugin, PluginThreads(plugin, THREADS)).run(question)
            else:
                answers = question()
            return [await one if inspect.isawaitable(one) else one for one in answers]
        except (asyncio.CancelledError, GeneratorExit, PluginCrash):
            raise
        except BaseException as error:
            raise PluginCrash(error) from error
