"""Advisory locks between processes, on files; the kernel releases them when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_POLL = 0.02


def open_lock(path: Path) -> int:
    """Open a lock file, made if it is missing; the descriptor is not inherited by child processes."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def try_lock(descriptor: int, *, exclusive: bool) -> bool:
    """Take the lock if that is possible at once."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_lock(descriptor: int, *, exclusive: bool, seconds: float, unless: Callable[[], bool] = lambda: False) -> bool:
    """Take the lock within `seconds`; give up early, returning False, when `unless` becomes true."""
    until = time.monotonic() + seconds
    while not try_lock(descriptor, exclusive=exclusive):
        if unless() or time.monotonic() >= until:
            return False
        time.sleep(_POLL)
    return True


def unlock(descriptor: int) -> None:
    """Release the lock and keep the descriptor."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock exclusively.

    A shared lock is tried for an instant, so that two such questions do not disturb each other.
    """
    try:
        descriptor = open_lock(path)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, exclusive=False)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_lock(path: Path, seconds: float, unless: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """Hold the lock for the length of a block, which is told whether it was had."""
    descriptor = open_lock(path)
    try:
        yield wait_lock(descriptor, exclusive=True, seconds=seconds, unless=unless)
    finally:
        os.close(descriptor)
