"""JSON-RPC with a process that may write anything, or nothing, or die."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from loguru import logger

from packhorse.isolated import wire as wires
from packhorse.isolated.wire import EndedError, RefusedError, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.unit

HEAD = """
import json, sys, time
def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
def hear():
    line = sys.stdin.readline()
    return json.loads(line) if line else sys.exit(0)
"""


@contextmanager
def process(script: str) -> Iterator[Wire]:
    """A wire to a process that runs a few lines after `HEAD`."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    child = subprocess.Popen([sys.executable, "-c", HEAD + script], start_new_session=True, **pipes)
    wire = Wire("scripted", child)
    yield wire
    wire.kill()
    assert wire.ended.wait(10)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What is logged during the test."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{extra} {message}", level="INFO")
    yield lines
    logger.remove(sink)


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_answers_find_their_requests_in_any_order() -> None:
    """A result, a protocol error, and an answer that nobody asked for."""
    script = """
one, two = hear(), hear()
say(id=99, result={})
say(id=two["id"], error={"code": -1, "message": "no", "data": {"why": "because"}})
say(id=one["id"], result={"method": one["method"], "x": one["params"]["x"]})
hear()
"""
    with process(script) as wire:
        _, first = wire.request("one", {"x": 1})
        _, second = wire.request("two", {})
        assert first.result(10) == {"method": "one", "x": 1}
        with pytest.raises(RefusedError, match="no") as caught:
            second.result(10)
        assert (caught.value.code, caught.value.data) == (-1, {"why": "because"})


def test_what_is_no_message_is_logged_and_passed_over(log: list[str]) -> None:
    """Lines that are not JSON, not an object, too deep, or that lack what they need."""
    script = """
print("hello")
print("[1, 2]")
print("[" * 100_000)
say(method="notifications/progress")
say(method="notifications/other", params={})
request = hear()
say(id=request["id"], result="fine")
hear()
"""
    with process(script) as wire:
        assert wire.request("one", {})[1].result(10) == "fine"
    assert sum("sent what is no message" in line for line in log) == 4


def test_requests_of_the_process_are_answered() -> None:
    """A ping is, and anything else is refused: a plugin has nothing to ask of the host."""
    script = """
request = hear()
say(id="a", method="ping")
say(id="b", method="sampling/createMessage", params={})
first, second = hear(), hear()
say(id=request["id"], result=[first, second])
hear()
"""
    with process(script) as wire:
        first, second = wire.request("one", {})[1].result(10)
    assert (first["id"], first["result"]) == ("a", {})
    assert (second["id"], second["error"]["code"]) == ("b", -32601)


def test_progress_reaches_its_request_until_it_is_answered() -> None:
    """And no longer."""
    script = """
request = hear()
token = request["params"]["_meta"]["progressToken"]
for done in (1, 2):
    say(method="notifications/progress", params={"progressToken": token, "progress": done})
say(id=request["id"], result="fine")
say(method="notifications/progress", params={"progressToken": token, "progress": 3})
request = hear()
say(id=request["id"], result="after")
hear()
"""
    seen: list[object] = []
    with process(script) as wire:
        assert wire.request("one", {}, lambda found: seen.append(found["progress"]))[1].result(10) == "fine"
        assert wire.request("two", {})[1].result(10) == "after"
    assert seen == [1, 2]


def test_a_request_that_is_forgotten_is_cancelled_there() -> None:
    """Its answer, should it come, is dropped."""
    script = """
request = hear()
notice = hear()
say(id=request["id"], result="too late")
last = hear()
say(id=last["id"], result=notice)
hear()
"""
    with process(script) as wire:
        number, future = wire.request("one", {})
        wire.forget(number)
        notice = wire.request("two", {})[1].result(10)
        assert (notice["method"], notice["params"]) == ("notifications/cancelled", {"requestId": number})
        assert not future.done()


def test_a_future_that_its_caller_cancelled_harms_nobody() -> None:
    """Neither by its answer nor by the end of the process."""
    script = """
one, two = hear(), hear()
say(id=one["id"], result="late")
three = hear()
say(id=three["id"], result="fine")
hear()
"""
    with process(script) as wire:
        assert wire.request("one", {})[1].cancel()
        assert wire.request("two", {})[1].cancel()
        assert wire.request("three", {})[1].result(10) == "fine"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("hear(); sys.exit(3)", "exit code 3"),
        ("import os; hear(); os.abort()", "killed by SIGABRT"),
        ("hear(); sys.stdout.close(); import os; os.close(1); time.sleep(60)", "killed by SIGKILL"),
    ],
)
def test_the_end_of_the_process_fails_what_waits_and_what_comes_after(script: str, reason: str) -> None:
    """With the reason; one that closes its output but lives is killed."""
    with process(script) as wire:
        _, waiting = wire.request("one", {})
        with pytest.raises(EndedError, match=reason):
            waiting.result(10)
        assert wire.ended.wait(10)
        with pytest.raises(EndedError, match=reason):
            wire.request("two", {})[1].result(10)


def test_a_message_without_end_ends_the_process(log: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it fills the memory."""
    monkeypatch.setattr(wires, "LONGEST_MESSAGE", 10_000)
    with process("hear(); print('x' * 20_000, flush=True); time.sleep(60)") as wire:
        with pytest.raises(EndedError):
            wire.request("one", {})[1].result(10)
    assert any("too long a message" in line for line in log)


def test_what_it_writes_on_standard_error_is_logged_under_its_name(log: list[str]) -> None:
    """Where the stack of a crash in C code arrives."""
    with process("sys.stderr.write('password=hunter2 and\\n\\ntrouble\\n'); sys.stderr.flush(); hear()") as wire:
        eventually(lambda: any("trouble" in line for line in log))
        wire.close()
        assert wire.ended.wait(10)
        assert wire.reason == "exit code 0"
    assert all("scripted" in line for line in log)
    assert not any("hunter2" in line for line in log)
