"""The client's messages as asynchronous streams over blocking descriptors, with a thread for each direction.

Threads, because descriptors that are shared with other processes must not be made non-blocking; daemon threads of
our own, because a read that is under way cannot be cancelled and may not hold up the end of the process.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

LONGEST_MESSAGE = 64 * 1024 * 1024  # bytes; a client that sends more in one line is broken or hostile
ANSWER_SECONDS = 1.5
"""How long a request that is being worked on may still be answered after the client closed its end.

Clients send SIGTERM two seconds after that, and stopping takes a part of them.
"""


class Pending:
    """Counts the requests that wait for an answer, so that the last ones get theirs when the client is done asking."""

    def __init__(self) -> None:
        self._waiting = 0
        self._none = asyncio.Event()
        self._none.set()

    def received(self, line: str) -> None:
        """Note a message from the client."""
        if '"method"' in line and '"id"' in line:
            self._waiting += 1
            self._none.clear()

    def sent(self, text: str) -> None:
        """Note a message to the client."""
        if '"id":' in text and '"method":' not in text[:200]:
            self._waiting -= 1
            if self._waiting <= 0:
                self._none.set()

    async def answered(self, seconds: float) -> None:
        """Wait until every request is answered, at most for `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # Python 3.11's wait_for may swallow a cancellation
                await self._none.wait()


class Incoming:
    """The client's lines, read by a thread of its own so that nothing has to wait for it at the end."""

    def __init__(self, descriptor: int, pending: Pending, at_end: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._pending = pending
        self._at_end = at_end
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(maxsize=1)
        threading.Thread(target=self._read, name="protocol reader", daemon=True).start()

    def _read(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is interested any more
            try:
                for line in _lines(self._descriptor):
                    self._hand_over(line.decode("utf-8", "replace"))
            except OSError as error:
                logger.warning("the client's messages cannot be read any more: {}", error)
            self._hand_over(None)

    def _hand_over(self, line: str | None) -> None:
        putting = self._lines.put(line)
        try:
            asyncio.run_coroutine_threadsafe(putting, self._loop).result()
        except RuntimeError:
            putting.close()
            raise

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            self._pending.received(line)
            yield line
        self._at_end()
        await self._pending.answered(ANSWER_SECONDS)


class Outgoing:
    """The lines for the client, written by a thread, so that a client that does not read cannot hold the loop."""

    def __init__(self, descriptor: int, pending: Pending, at_loss: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._pending = pending
        self._at_loss = at_loss
        self._loop = asyncio.get_running_loop()
        self._lines: SimpleQueue[tuple[bytes, asyncio.Future[None]]] = SimpleQueue()
        threading.Thread(target=self._write, name="protocol writer", daemon=True).start()

    async def write(self, text: str) -> None:
        """Write one message, and return when the client's pipe has taken it."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._lines.put((text.encode("utf-8", "backslashreplace"), done))
        await done
        self._pending.sent(text)

    async def flush(self) -> None:
        """Nothing is buffered."""

    def _write(self) -> None:
        with suppress(RuntimeError):  # as above
            while True:
                data, done = self._lines.get()
                lost = False
                try:
                    view = memoryview(data)
                    while view:
                        view = view[os.write(self._descriptor, view) :]
                except OSError as error:
                    lost = True
                    logger.info("the client no longer reads: {}", error)
                self._loop.call_soon_threadsafe(self._finish, done, lost)

    def _finish(self, done: asyncio.Future[None], lost: bool) -> None:
        if lost:
            self._at_loss()
        if not done.done():
            done.set_result(None)


def _lines(descriptor: int) -> Iterator[bytes]:
    """Yield each line as it arrives, the last one also without its end."""
    buffer = bytearray()
    while data := os.read(descriptor, 262_144):
        searched = len(buffer)
        buffer += data
        start = 0
        while (end := buffer.find(b"\n", max(start, searched))) >= 0:
            yield bytes(buffer[start:end])
            start = end + 1
        del buffer[:start]
        if len(buffer) > LONGEST_MESSAGE:
            logger.error("the client sent a message of more than {} bytes", LONGEST_MESSAGE)
            return
    if buffer:
        yield bytes(buffer)
