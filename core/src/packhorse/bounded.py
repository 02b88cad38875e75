"""Awaiting code of a plugin for a limited time, whatever it does with its cancellation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")

GRACE = 0.2  # seconds that cancelled code has for its clean-up before the caller stops waiting for it


class OutOfTimeError(Exception):
    """The time given was over; told apart from a `TimeoutError` that the awaited code raises itself."""


class StrayCancellationError(Exception):
    """The awaited code raised a cancellation or a generator's end of its own making, which would end its caller."""


_left_behind: set[asyncio.Task[Any]] = set()


async def bounded(work: Awaitable[T], seconds: float, name: str) -> T:
    """Await `work` in a task of its own and return its result or raise what it raised, an exit included.

    Args:
        work: what to await.
        seconds: after these it is cancelled and, if that takes longer than `GRACE`, left behind.
        name: of the task; the watchdog shows it.

    Raises:
        OutOfTimeError: it took longer.
        StrayCancellationError: it raised what only the event loop may.
    """
    task = asyncio.create_task(_caught(work), name=name)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        _keep(task)
        raise
    if not done:
        await end(task, GRACE)
        raise OutOfTimeError
    result, error = task.result()
    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
        raise StrayCancellationError(f"it raised {type(error).__name__}") from error
    if error is not None:
        raise error
    return cast("T", result)


async def _caught(work: Awaitable[T]) -> tuple[T | None, BaseException | None]:
    """Await `work`; an exit or interrupt that left a task would end the event loop and the server with it."""
    try:
        return await work, None
    except BaseException as error:  # noqa: BLE001 - handed to the caller
        return None, error


async def first_of(task: asyncio.Task[Any], event: asyncio.Event, seconds: float | None) -> None:
    """Wait until the task is done or the event is set, at most `seconds` long."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def end(task: asyncio.Task[Any], grace: float) -> None:
    """Cancel a task and wait for it up to `grace` seconds; one that goes on is left behind."""
    task.cancel()
    _, stubborn = await asyncio.wait({task}, timeout=grace)
    if stubborn:
        leave_behind(task)


def leave_behind(task: asyncio.Task[Any]) -> None:
    """Have the end of the event loop not wait for a task, which it would do forever."""
    _keep(task)
    asyncio._unregister_task(task)  # noqa: SLF001 - documented for those who extend asyncio
    cast("Any", task)._log_destroy_pending = False  # noqa: SLF001 - that it is pending was logged


def _keep(task: asyncio.Task[Any]) -> None:
    _left_behind.add(task)  # the loop holds tasks only weakly
    task.add_done_callback(_left_behind.discard)
