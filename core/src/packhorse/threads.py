"""Running a plugin's synchronous functions in threads of its own, so that its hanging ones hold up no other plugin."""

from __future__ import annotations

import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any, get_type_hints

import anyio
import anyio.to_thread

from packhorse.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = 40
"""Threads of one plugin; as many as FastMCP would otherwise give to all of them together."""


class BusyError(UnavailableError):
    """Every thread of the plugin is in use."""

    code = "busy"


class PluginThreads:
    """The threads of one plugin; a call that was given up keeps its thread until the function returns."""

    def __init__(self, plugin: str, limit: int = THREADS) -> None:
        self._plugin = plugin
        self._limit = limit
        self._lock = threading.Lock()
        self.used = 0
        """How many threads run a function at this moment, given up or not."""

    async def run(self, function: Callable[[], Any]) -> Any:
        """Run `function` in a thread with this context's variables; a cancelled caller leaves it behind.

        Raises:
            BusyError: every thread is in use.
        """
        call = _Call(self, function)
        try:
            # A limiter of its own, because anyio gives a place back when the caller leaves, not when the thread ends.
            return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
        finally:
            call.leave()

    def take(self) -> None:
        """Take a thread, or raise `BusyError`."""
        with self._lock:
            if self.used >= self._limit:
                raise BusyError(
                    f"All {self._limit} threads of the plugin {self._plugin} are busy.",
                    remedy="Try again later; if it stays so, its calls hang: restart the server or block the plugin.",
                    plugin=self._plugin,
                )
            self.used += 1

    def give_back(self) -> None:
        """Give a thread back."""
        with self._lock:
            self.used -= 1


class _Call:
    """One hold on a thread, given back once: by the thread when the function ends, or when it never began."""

    def __init__(self, threads: PluginThreads, function: Callable[[], Any]) -> None:
        threads.take()
        self._threads = threads
        self._function = function
        self._lock = threading.Lock()
        self._begun = self._left = False

    def __call__(self) -> Any:
        with self._lock:
            if self._left:
                return None
            self._begun = True
        try:
            result = self._function()
            # The body of a generator runs when it is consumed, and must do so here.
            return list(result) if inspect.isgenerator(result) else result
        finally:
            self._threads.give_back()

    def leave(self) -> None:
        """Note that nobody waits any more."""
        with self._lock:
            begun, self._left = self._begun, True
        if not begun:
            self._threads.give_back()


def threaded(function: Callable[..., Any], threads: PluginThreads) -> Callable[..., Any]:
    """Return an async function with the signature, hints and documentation of a synchronous one, run in `threads`."""

    @functools.wraps(function)
    async def run(*arguments: Any, **named: Any) -> Any:
        result = await threads.run(functools.partial(function, *arguments, **named))
        return await result if inspect.isawaitable(result) else result

    signature = inspect.signature(function)
    run.__signature__ = signature  # type: ignore[attr-defined]  # what inspect looks for first
    run.__annotations__ = _hints(function, signature)
    return run


def _hints(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    target = function
    while isinstance(target, functools.partial):
        target = target.func
    try:
        found = get_type_hints(target, include_extras=True)
    except Exception:  # noqa: BLE001 - hints are a plugin's expressions; FastMCP resolved those that it needs before
        found = dict(getattr(target, "__annotations__", {}))
    return {name: hint for name, hint in found.items() if name in signature.parameters or name == "return"}


def confine(component: Any, threads: PluginThreads) -> None:
    """Have a tool, resource, template or prompt with a synchronous function run it in `threads`.

    One that asked for the event loop's own thread (`run_in_thread=False`), and whatever has no function, stays.
    """
    function = getattr(component, "fn", None)
    if function is None or not getattr(component, "run_in_thread", True):
        return
    target = function
    while isinstance(target, functools.partial):
        target = target.func
    if not inspect.iscoroutinefunction(target) and not inspect.isasyncgenfunction(target):
        component.fn = threaded(function, threads)
