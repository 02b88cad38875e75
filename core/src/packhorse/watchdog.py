"""Naming the plugin that blocks the event loop: a thread that notices when the loop stops answering."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from packhorse.plugins import PluginHost

INTERVAL = 0.5  # seconds between two heartbeats: two wake-ups a second, which is what idling costs
BLOCKED = 1.0  # seconds without an answer
DEEPEST = 30  # frames of the stack that are logged, the innermost


@contextmanager
def watching(host: PluginHost, *, interval: float = INTERVAL, blocked: float = BLOCKED) -> Iterator[None]:
    """Watch the running event loop; what blocks it is logged and, when it is a plugin, noted in `host.blocking`.

    Args:
        host: whose plugins are looked for on the stack.
        interval: seconds between two heartbeats.
        blocked: seconds without an answer that count as blocked.
    """
    watchdog = _Watchdog(host, interval, blocked)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()


class _Watchdog:
    def __init__(self, host: PluginHost, interval: float, blocked: float) -> None:
        self._host = host
        self._interval, self._blocked = interval, blocked
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="packhorse watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()  # not joined: it may wait for the very loop that calls this

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval):
            beat = threading.Event()
            asked = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(beat.set)
            except RuntimeError:
                return  # the loop is closed
            if not beat.wait(self._blocked):
                self._report(beat, asked)

    def _report(self, beat: threading.Event, asked: float) -> None:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - the only way to another thread's stack
        plugin = culprit(frame, packages(self._host.objects))
        call = self._call()
        who = f"the plugin {plugin}" if plugin else "code that belongs to no plugin"
        stack = "".join(traceback.format_list(traceback.extract_stack(frame)[-DEEPEST:])) if frame else ""
        logger.bind(plugin=plugin or "core").error(
            "The event loop is blocked by {}{}: nobody is served meanwhile.\n{}", who, call, stack
        )
        while not beat.wait(self._interval):
            if self._stopped.is_set():
                return
        seconds = time.monotonic() - asked
        logger.warning("The event loop was blocked by {}{} for {:.1f} seconds.", who, call, seconds)
        if plugin:
            self._host.blocking[plugin] = max(seconds, self._host.blocking.get(plugin, 0.0))

    def _call(self) -> str:
        try:
            task = asyncio.current_task(self._loop)
        except RuntimeError:
            return ""
        return f" (in {task.get_name()})" if task is not None and task.get_name().startswith("packhorse-") else ""


def packages(plugins: Mapping[str, object]) -> dict[str, str]:
    """Return the plugin of each module that is one, and of its import package; the core's own are left out."""
    found: dict[str, str] = {}
    for name, plugin in plugins.items():
        module = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
        if module.partition(".")[0] != "packhorse":
            found |= {module: name, module.partition(".")[0]: name}
    return found


def culprit(frame: FrameType | None, packages: dict[str, str]) -> str:
    """Return the plugin to which the innermost frame belongs that belongs to any, or nothing.

    Args:
        frame: the innermost frame of a stack.
        packages: the plugin of each import package.
    """
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        plugin = packages.get(module) or packages.get(module.partition(".")[0])
        if plugin:
            return plugin
        frame = frame.f_back
    return ""
