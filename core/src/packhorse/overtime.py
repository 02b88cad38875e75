"""Interrupting code of a plugin that runs in the main thread before the server does: an import, a registration."""

from __future__ import annotations

import signal
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from resource import RUSAGE_SELF, getrusage
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

TICK = 0.3  # seconds between two looks; few, because each also ends a system call that C code may be waiting in
AGAIN = 2  # ticks from one interrupt to the next, for code that caught it
IDLE_CPU = 0.01  # of a core; a hundred imports that share one have more each
IDLE_SWITCHES = 40  # waits per second; code that reads from a slow network file system has more


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a plugin's code may take: `seconds` in all, `patience` of them in a row without any progress.

    `shortened` says that it has less than others, because it took too long at an earlier start.
    """

    seconds: float
    patience: float
    shortened: bool = False


class OvertimeError(BaseException):
    """The code took too long; no `Exception`, so that a plugin's `except Exception` does not swallow it.

    `stalled` says that it waited for something, rather than being busy, `shortened` what the allowance says.
    """

    def __init__(self, allowance: Allowance, *, stalled: bool) -> None:
        self.stalled, self.shortened = stalled, allowance.shortened
        if stalled:
            super().__init__(f"it did nothing but wait for {allowance.patience:g} seconds")
        else:
            super().__init__(f"it took longer than {allowance.seconds:g} seconds")


@contextmanager
def interrupted_after(allowance: Allowance | None) -> Iterator[None]:
    """Raise `OvertimeError` within the block once its allowance is used up, and again until it is left.

    A signal does it, which ends sleeping, waiting and looping in Python, but not code in C that never returns to it.
    Outside the main thread, where no signal arrives, or where somebody else uses the timer, nothing is done; nor for
    None.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if allowance is None or not in_main_thread or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return
    tick = min(TICK, allowance.seconds, allowance.patience)
    progress = _Progress(allowance.patience, round(allowance.patience / tick))
    end = perf_counter() + allowance.seconds
    pause = 0

    def look(_number: int, _frame: FrameType | None) -> None:
        nonlocal pause
        stalled = progress.stalled()
        late = perf_counter() >= end
        pause -= 1
        if pause <= 0 and (late or stalled):
            pause = AGAIN
            raise OvertimeError(allowance, stalled=not late)

    previous = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, tick, tick)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous if previous is not None else signal.SIG_DFL)


class _Progress:
    """What the process has done so far, at the last looks: computing, reading from the disk, waiting briefly and often.

    Looks are counted, not seconds: a process that was stopped or starved meanwhile has seen few of them.
    """

    def __init__(self, patience: float, looks: int) -> None:
        self._patience = patience
        self._seen = deque([_done()], maxlen=looks + 1)

    def stalled(self) -> bool:
        """Look once more, and tell whether hardly anything was done since `patience` seconds ago."""
        self._seen.append(_done())
        if len(self._seen) < (self._seen.maxlen or 0):
            return False
        cpu, reads, switches = (now - before for now, before in zip(self._seen[-1], self._seen[0], strict=True))
        return cpu < IDLE_CPU * self._patience and not reads and switches < IDLE_SWITCHES * self._patience


def _done() -> tuple[float, int, int]:
    """Return the CPU seconds of the process, its reads from a disk and how often it waited or was made to."""
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_majflt + used.ru_inblock, used.ru_nvcsw + used.ru_nivcsw
