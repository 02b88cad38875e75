"""What one file may cost the process that prepares it: seconds of CPU, and bytes of memory.

Three nets, the first the finest. The parser looks at both itself while it works (`chunking.syntax`). An alarm raises
`TooMuchError` in Python code, and an allocation that is refused raises `MemoryError`: the file is cut by lines. What
hangs or allocates in C dies with its process, and the next worker takes the files at work one at a time.

Nothing is bound before `install`, which is for the main thread of a process of our own.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

MEMORY = 300_000_000
"""Bytes that preparing one file may add to its process."""

CPU_SECONDS = 2.0
"""Seconds of CPU that cutting one file into chunks may take, by its syntax or by another plugin's code …"""

WALL_SECONDS = 20.0
"""… and of the clock, for code that waits for something; far more, for the machine may be busy."""

REST_SECONDS = 10.0
"""Seconds of CPU for all the rest that is done with a file: decoding, redaction, counting words."""

_HARD_SECONDS = 2
"""Seconds of CPU after an alarm that was not heard until the process ends."""

_GROUP_SECONDS = 180.0
"""Seconds of the clock after which a process that hears nothing any more ends, whatever it waits for."""

_PAGE = resource.getpagesize()


class TooMuchError(BaseException):
    """A file took more time than it may; no `except Exception` of a plugin's keeps it."""


class _State:
    statm = -1
    is_armed = False


def install() -> None:
    """Let alarms be heard in this process, whose main thread this is."""
    if sys.platform != "linux":
        return
    signal.signal(signal.SIGPROF, _raise)
    signal.signal(signal.SIGALRM, _raise)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    _State.statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def group() -> Iterator[None]:
    """Bind what is prepared in the block; files within it call `start` and `stage`."""
    if _State.statm < 0:
        yield
        return
    before = {kind: resource.getrlimit(kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU)}
    with open(os.devnull, "w", encoding="ascii") as nowhere:  # noqa: PTH123 - a device
        faulthandler.dump_traceback_later(_GROUP_SECONDS, exit=True, file=nowhere)
        _State.is_armed = True
        try:
            yield
        finally:
            _State.is_armed = False
            _alarm(0, 0)
            faulthandler.cancel_dump_traceback_later()
            for kind, limits in before.items():
                resource.setrlimit(kind, limits)


def start() -> None:
    """Begin with a file: its memory counts from here, its time in seconds of the rest."""
    if _State.is_armed:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = address_space() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    rest()


def rest() -> None:
    """Go on with what is done with every file, within seconds that hardly any needs."""
    if _State.is_armed:
        _alarm(REST_SECONDS, 0)


def cut() -> None:
    """Begin to cut the file into chunks."""
    if _State.is_armed:
        _alarm(CPU_SECONDS, WALL_SECONDS)


def address_space() -> int:
    """Return the size of this process's address space in bytes; 0 where the system does not say."""
    if _State.statm < 0:
        return 0
    return int(os.pread(_State.statm, 100, 0).split(maxsplit=1)[0]) * _PAGE


def _alarm(cpu_seconds: float, wall_seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + cpu_seconds) + 1 + _HARD_SECONDS, hard))


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise TooMuchError
