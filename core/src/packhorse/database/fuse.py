"""The hard deadline: a timer that shuts a connection's socket down, so that no frozen server can hold its user."""

from __future__ import annotations

import asyncio
import math
import os
import select
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

CANCEL_SECONDS = 1.0
"""How long a server may take to accept the cancellation of a statement, and again to obey it."""


class Fuse:
    """A timer on one connection; when it blows, libpq sees the end of the stream and every wait on it ends.

    `asyncio.timeout` alone does not hold: cancelling a statement waits for a server that may be frozen.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None
        self.blown = False

    def arm(self, seconds: float) -> None:
        """Blow after `seconds` unless disarmed; an earlier time that is already set stays."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(seconds, 0)
        if self._timer is not None and not self._timer.cancelled() and self._timer.when() <= when:
            return
        self.disarm()
        self._timer = loop.call_at(when, self.blow)

    def disarm(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def blow(self) -> None:
        """Shut the socket down now; the descriptor stays libpq's to close."""
        self.blown = True
        with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


class FusedConnection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection with a fuse, and with a cancellation that does not wait for a frozen server.

    `returned` is when it was last given back, by the loop's clock.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fuse = Fuse(self)
        self.returned = -math.inf

    def is_silent(self) -> bool:
        """Whether nothing waits to be read: a server that ends a connection says so, or closes it."""
        waiting = select.poll()
        waiting.register(self.fileno(), select.POLLIN)
        return not waiting.poll(0)

    async def cancel_safe(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109 psycopg's own signature
        """Ask the server to cancel the running statement; psycopg calls this when a task is cancelled.

        A server that does not take the request, or takes it and goes on, loses the connection soon after.
        """
        try:
            await super().cancel_safe(timeout=min(timeout, CANCEL_SECONDS))
        except BaseException:
            self.fuse.blow()
            raise
        self.fuse.arm(CANCEL_SECONDS)


@contextmanager
def fused(connection: FusedConnection, seconds: float) -> Iterator[Fuse]:
    """Arm the connection's fuse for the length of a block."""
    connection.fuse.arm(seconds)
    try:
        yield connection.fuse
    finally:
        connection.fuse.disarm()
