"""A circuit breaker: what failed unexpectedly several times in a row is left alone for a while, then tried once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES = 5  # in a row
PAUSE, LONGEST_PAUSE = 30.0, 480.0  # seconds; doubled each time that the probe fails too


class Circuit:
    """The state of one tool: closed (calls go through), open (refused), or half open (one call tries).

    Args:
        failures: how many in a row open it.
        pause: seconds that it stays open the first time.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self, failures: int = FAILURES, pause: float = PAUSE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._first_pause = self._pause = pause
        self._clock = clock
        self._open_until: float | None = None
        self._probing = False
        self.failures = 0
        """Unexpected failures in a row."""
        self.reason = ""
        """What went wrong the last time."""

    @property
    def is_open(self) -> bool:
        """Whether calls are refused or only tried one at a time."""
        return self._open_until is not None

    def wait(self) -> float:
        """Return 0 when a call may go through, else the seconds to wait; a call that may must be reported after."""
        if self._open_until is None:
            return 0.0
        left = self._open_until - self._clock()
        if left > 0:
            return left
        if self._probing:
            return 1.0
        self._probing = True
        return 0.0

    def succeeded(self) -> None:
        """Report an answer, or a failure that was meant."""
        self.failures, self._open_until, self._pause, self._probing = 0, None, self._first_pause, False

    def failed(self, reason: str) -> bool:
        """Report an unexpected failure; True when it opened the circuit."""
        self.failures += 1
        self.reason = reason
        probe, self._probing = self._probing, False
        if not probe and (self.failures < self._limit or self.is_open):
            return False
        if probe:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._open_until = self._clock() + self._pause
        return True

    def gave_up(self) -> None:
        """Report a call that says nothing: its client left."""
        self._probing = False
