"""Interrupting code of a plugin that runs in the main thread before the server does: an import, a registration."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class OvertimeError(BaseException):
    """The code took too long; no `Exception`, so that a plugin's `except Exception` does not swallow it."""


@contextmanager
def interrupted_after(seconds: float | None) -> Iterator[None]:
    """Raise `OvertimeError` within the block after so many seconds, and again each second until it is left.

    A signal does it, which ends sleeping, waiting and looping in Python, but not code in C that never returns to it.
    Outside the main thread, where no signal arrives, or where somebody else uses the timer, nothing is done; nor for
    None.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if seconds is None or not in_main_thread or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise OvertimeError(f"it took longer than {seconds:g} seconds")

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous if previous is not None else signal.SIG_DFL)
