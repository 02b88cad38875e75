"""The protocol's standard input and output: claimed before anything else can write to them, then served."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING, TextIO, cast

from loguru import logger

from packhorse.errors import ConfigurationError
from packhorse.stdio_streams import Incoming, Outgoing, Pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio import AsyncFile
    from fastmcp import FastMCP

LONGEST_STRAY_LINE = 2_000  # characters of a stray line that are logged
STRAY_LINES_PER_SECOND = 50
STRAY = b"stray output: "
EXIT_SECONDS = 2.0
"""How long the server may take to stop, a tool that hangs in a thread included."""


@dataclass(frozen=True, slots=True)
class Channel:
    """The private descriptors of the protocol, which no child process inherits."""

    reader: int
    writer: int


_closed: set[int] = set()


def settle_descriptors() -> None:
    """Open the null device in the place of each closed standard descriptor, lest a file that is opened take it."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            _closed.add(os.open(os.devnull, os.O_RDWR))  # the lowest that is free, hence this one
            if getattr(sys, name) is None:
                stream = open(descriptor, "w" if descriptor else "r", encoding="utf-8", closefd=False)  # noqa: SIM115 - for the process's life
                setattr(sys, name, stream)


def claim() -> Channel:
    """Take descriptors 0 and 1 for the protocol; from now on everybody else reads nothing and writes into the log.

    It must run before any plugin is imported. Prints, `os.write(1, …)`, C code and children all write to descriptor
    1, which becomes a pipe that a thread drains, so that neither the client nor a full pipe can stop them.

    Raises:
        ConfigurationError: standard input or output is closed.
    """
    if _closed & {0, 1}:
        raise ConfigurationError(
            "Standard input or output is closed.", remedy="An MCP client starts the server with both as pipes."
        )
    sys.stdout.flush()
    reader = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
    writer = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    drain, stray = os.pipe()
    os.dup2(stray, 1)
    os.close(stray)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor, open for the process's life
    # What Python writes to standard error goes the same way, for a client need not read that either.
    sys.stdout = sys.stderr = _text(1)
    threading.Thread(target=_drain, args=(drain,), name="stray output", daemon=True).start()
    return Channel(reader, writer)


def release() -> None:
    """Point descriptor 1 at the null device, lest anything block on the drain at the end, and give back stderr."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, 1)
    os.close(null)
    sys.stderr = sys.__stderr__


def _text(descriptor: int) -> TextIO:
    raw = open(descriptor, "wb", closefd=False)  # noqa: SIM115 - as above
    return TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _drain(descriptor: int) -> None:
    rest = b""
    second, count, dropped = 0.0, 0, 0
    while True:
        try:
            data = os.read(descriptor, 65_536)
        except OSError:
            return
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > LONGEST_STRAY_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            if time.monotonic() - second >= 1.0:
                if dropped:
                    logger.warning("{} more lines of stray output were left out", dropped)
                second, count, dropped = time.monotonic(), 0, 0
            count += 1
            if count > STRAY_LINES_PER_SECOND:
                dropped += 1
            elif line.strip() and STRAY not in line:  # or a sink that a plugin added writes back what is logged here
                logger.warning("{}{}", STRAY.decode(), line.decode("utf-8", "replace")[:LONGEST_STRAY_LINE])


async def serve(mcp: FastMCP, channel: Channel) -> int:
    """Serve one client until it leaves or a signal arrives, and return the exit code.

    The server's lifespan is entered first, so a failing start is raised from here. Once stopping has begun the
    process ends within `EXIT_SECONDS`, also when a tool hangs in a thread.
    """
    stop = asyncio.Event()
    code = 0

    def stop_with(status: int) -> None:
        nonlocal code
        code = status
        exit_within(EXIT_SECONDS, status)
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop_with, 0)
    loop.add_signal_handler(signal.SIGINT, stop_with, 130)
    session = asyncio.create_task(_session(mcp, channel, stop_with))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({session, stopping}, return_when=asyncio.FIRST_COMPLETED)
        session.cancel()
        try:
            await session
        except asyncio.CancelledError:
            logger.info("the server was told to stop")
        except Exception:
            if not stop.is_set():
                raise
            # A session that is cancelled amid its first messages trips over its own closed streams.
            logger.opt(exception=True).debug("the session ended with an error while stopping")
    finally:
        stopping.cancel()
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)
        release()
    return code


async def _session(mcp: FastMCP, channel: Channel, stop_with: Callable[[int], None]) -> None:
    from fastmcp.server.context import reset_transport, set_transport
    from mcp.server.stdio import stdio_server

    pending = Pending()
    token = set_transport("stdio")
    try:
        async with mcp._lifespan_manager():  # noqa: SLF001 - what FastMCP.run_stdio_async does, on our descriptors
            incoming = Incoming(channel.reader, pending, lambda: exit_within(EXIT_SECONDS, 0))
            outgoing = Outgoing(channel.writer, pending, lambda: stop_with(0))
            # Only iteration, write and flush are used of the two files.
            async with stdio_server(cast("AsyncFile[str]", incoming), cast("AsyncFile[str]", outgoing)) as (
                read,
                write,
            ):
                server = mcp._mcp_server  # noqa: SLF001 - as above
                await server.run(read, write, server.create_initialization_options())
    finally:
        reset_transport(token)


def exit_within(seconds: float, status: int) -> None:
    """End the process with `status` after `seconds`, unless it has ended by itself; what hangs cannot prevent it."""

    def end() -> None:
        time.sleep(seconds)
        logger.warning("stopping took more than {} s; the process is ended", seconds)
        os._exit(status)

    threading.Thread(target=end, name="exit deadline", daemon=True).start()
