"""The protocol's two streams over real pipes: whole lines, an end that is told, and a client that is gone."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from packhorse import stdio_streams
from packhorse.stdio_streams import Incoming, Outgoing, Pending

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unit


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


async def lines(reading: int, ended: list[str]) -> list[str]:
    incoming = Incoming(reading, Pending(), lambda: ended.append("end"))
    return [line async for line in incoming]


async def test_lines_arrive_whole_however_they_were_cut_and_the_last_one_needs_no_end(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    ended: list[str] = []
    collecting = asyncio.create_task(lines(reading, ended))
    for piece in (b"on", b"e\ntwo\n", "dr\u00e9i \xff".encode("latin-1")):
        os.write(writing, piece)
        await asyncio.sleep(0.02)
    os.close(writing)
    assert await collecting == ["one", "two", "dr\ufffdi \ufffd"]
    assert ended == ["end"]


async def test_a_message_beyond_all_measure_ends_the_session(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is broken or hostile; what it sent before is still heard."""
    reading, writing = pipe
    monkeypatch.setattr(stdio_streams, "LONGEST_MESSAGE", 1000)
    os.write(writing, b"fine\n" + b"x" * 2000)
    ended: list[str] = []
    assert await asyncio.wait_for(lines(reading, ended), 5) == ["fine"]
    assert ended == ["end"]


async def test_a_descriptor_that_cannot_be_read_is_the_end(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    ended: list[str] = []
    assert await asyncio.wait_for(lines(writing, ended), 5) == []
    assert ended == ["end"]


async def test_after_the_end_the_requests_under_way_are_waited_for(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    pending = Pending()
    incoming = Incoming(reading, pending, lambda: None)
    os.write(writing, b'{"id": 1, "method": "tools/call"}\n{"method": "notifications/initialized"}\n')
    os.close(writing)
    arrived: list[str] = []
    heard = arrived.append

    async def read() -> None:
        async for line in incoming:
            heard(line)

    reader = asyncio.create_task(read())
    await asyncio.sleep(0.1)
    assert len(arrived) == 2
    assert not reader.done()
    pending.sent('{"jsonrpc":"2.0","method":"notifications/progress","params":{"id":1}}')
    await asyncio.sleep(0.05)
    assert not reader.done(), "a notification answers nothing"
    pending.sent('{"jsonrpc":"2.0","id":1,"result":{}}')
    await asyncio.wait_for(reader, 1)


async def test_an_answer_that_never_comes_holds_up_the_end_for_a_limited_time(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = pipe
    monkeypatch.setattr(stdio_streams, "ANSWER_SECONDS", 0.1)
    os.write(writing, b'{"id": 1, "method": "tools/call"}\n')
    os.close(writing)
    assert len(await asyncio.wait_for(lines(reading, []), 2)) == 1


async def test_a_message_larger_than_the_pipe_is_written_whole_while_the_loop_goes_on(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    outgoing = Outgoing(writing, Pending(), lambda: None)
    sending = asyncio.create_task(outgoing.write("x" * 300_000 + "\n"))
    await asyncio.sleep(0.05)
    assert not sending.done()
    received = b""
    while not received.endswith(b"\n"):
        received += await asyncio.to_thread(os.read, reading, 65_536)
    await asyncio.wait_for(sending, 5)
    await outgoing.flush()
    assert len(received) == 300_001


async def test_a_client_that_no_longer_reads_is_told_of_and_nobody_waits_for_it(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.close(reading)
    lost: list[str] = []
    outgoing = Outgoing(writing, Pending(), lambda: lost.append("lost"))
    await asyncio.wait_for(outgoing.write("hello\n"), 5)
    assert lost == ["lost"]


async def test_a_writer_who_was_cancelled_takes_nothing_with_it(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    outgoing = Outgoing(writing, Pending(), lambda: None)
    given_up = asyncio.create_task(outgoing.write("x" * 100_000 + "\n"))
    await asyncio.sleep(0.05)
    given_up.cancel()
    following = asyncio.create_task(outgoing.write("next\n"))
    received = b""
    while not received.endswith(b"next\n"):
        received += await asyncio.to_thread(os.read, reading, 65_536)
    await asyncio.wait_for(following, 5)
    assert given_up.cancelled()
