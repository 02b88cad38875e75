"""Specification of the stdio transport, seen byte by byte: only the protocol, and an end in every circumstance."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from fix_process import INITIALIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_process import RawServer

pytestmark = pytest.mark.e2e

NOISY = '''
import ctypes, os, subprocess, sys, time
print("python at import")
os.write(1, b"descriptor at import\\n")
ctypes.CDLL(None).puts(b"c at import"); ctypes.CDLL(None).fflush(None)
subprocess.run(["echo", "child at import"])
os.write(1, b"no newline at import")
from packhorse import hookimpl

@hookimpl
def register_tools(mcp, context):
    print("python at registration")

    @mcp.tool
    async def shout() -> str:
        """Write everywhere."""
        print("python in a tool"); print("to stderr", file=sys.stderr)
        os.write(1, b"descriptor in a tool\\n")
        sys.__stdout__.write("the old stdout\\n"); sys.__stdout__.flush()
        ctypes.CDLL(None).puts(b"c in a tool"); ctypes.CDLL(None).fflush(None)
        subprocess.run(["sh", "-c", "echo child in a tool; cat"])
        return "done"

    @mcp.tool
    async def flood() -> str:
        """Write far more than a pipe holds."""
        for _ in range(50):
            os.write(1, b"x" * 65_536)
        return "flooded"

    @mcp.tool
    def hang(seconds: float) -> str:
        """Block a thread."""
        time.sleep(seconds)
        return "woke"

    @mcp.tool
    async def wait(seconds: float) -> str:
        """Wait politely."""
        import asyncio
        await asyncio.sleep(seconds)
        return "waited"
'''


@pytest.fixture
def noisy_environment(packhorse_environment: dict[str, str], site: Path) -> dict[str, str]:
    """The environment of a server with a plugin that writes to standard output at every opportunity."""
    from fix_packs import write_metadata

    (site / "packhorse_noisy.py").write_text(NOISY)
    write_metadata(
        site / "packhorse_noisy-1.0.dist-info", name="packhorse-noisy", entry_points={"noisy": "packhorse_noisy"}
    )
    return {**packhorse_environment, "PYTHONPATH": str(site), "PACKHORSE_PLUGINS": "packhorse-noisy"}


@pytest.fixture
def noisy(raw_server: Callable[..., RawServer], noisy_environment: dict[str, str]) -> RawServer:
    return raw_server(environment=noisy_environment).initialize()


def log_of(environment: dict[str, str]) -> str:
    from pathlib import Path

    return "".join(file.read_text() for file in Path(environment["PACKHORSE_DATA_DIR"], "logs").iterdir())


def test_only_the_protocol_is_on_standard_output(noisy: RawServer, noisy_environment: dict[str, str]) -> None:
    """Prints of an import, of a tool, of C code and of children arrive in the log instead."""
    answer = noisy.call("shout")
    assert answer["structuredContent"] == {"result": "done"}
    assert noisy.call("shout")["isError"] is False
    noisy.close_stdin()
    assert noisy.end() == 0
    assert noisy.errors == ""
    for line in noisy.lines:
        assert json.loads(line)["jsonrpc"] == "2.0"
    log = log_of(noisy_environment)
    for stray in (
        "python at import",
        "descriptor at import",
        "c at import",
        "child at import",
        "no newline at import",
        "python at registration",
        "python in a tool",
        "to stderr",
        "descriptor in a tool",
        "the old stdout",
        "c in a tool",
        "child in a tool",
    ):
        assert stray in log, stray


def test_a_flood_on_standard_output_neither_blocks_nor_fills_the_log(
    noisy: RawServer, noisy_environment: dict[str, str]
) -> None:
    assert noisy.call("flood")["structuredContent"] == {"result": "flooded"}
    noisy.close_stdin()
    assert noisy.end() == 0
    assert len(log_of(noisy_environment)) < 1_000_000


def test_a_closed_standard_input_ends_the_server_cleanly(noisy: RawServer) -> None:
    noisy.close_stdin()
    assert noisy.end(within=20) == 0


def test_a_request_under_way_is_answered_before_the_end(noisy: RawServer) -> None:
    noisy.call("wait", seconds=0)  # the first call imports what no later one does
    noisy.send({"id": 7, "method": "tools/call", "params": {"name": "wait", "arguments": {"seconds": 0.05}}})
    noisy.close_stdin()
    assert noisy.answer(7)["result"]["structuredContent"] == {"result": "waited"}
    assert noisy.end(within=20) == 0


@pytest.mark.parametrize(("how", "code"), [("eof", 0), (signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_running_tools_do_not_hold_up_the_end(noisy: RawServer, how: object, code: int) -> None:
    """Neither one that blocks a thread nor one that waits."""
    for number, tool in enumerate(["hang", "wait"], 7):
        noisy.send({"id": number, "method": "tools/call", "params": {"name": tool, "arguments": {"seconds": 60}}})
    noisy.request("ping")
    start = time.monotonic()
    if isinstance(how, signal.Signals):
        noisy.process.send_signal(how)
    else:
        noisy.close_stdin()
    assert noisy.end(within=20) == code
    assert time.monotonic() - start < 10  # the tool would take a minute


def test_a_client_that_vanishes_ends_the_server(
    noisy_environment: dict[str, str], raw_server: Callable[..., RawServer]
) -> None:
    """The client's process is killed, and with it both ends of its pipes."""
    client = raw_server(
        sys.executable,
        "-c",
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'packhorse', 'serve'], stdin=subprocess.PIPE,"
        " stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True); time.sleep(60)",
        environment=noisy_environment,
    )
    deadline = time.monotonic() + 20
    while not client.lines and time.monotonic() < deadline:
        time.sleep(0.05)
    server = int(client.lines[0])
    time.sleep(2)
    client.kill()
    while time.monotonic() < deadline + 20:
        try:
            os.kill(server, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the server outlived its client")


def test_a_client_that_no_longer_reads_ends_the_server(
    raw_server: Callable[..., RawServer], packhorse_environment: dict[str, str]
) -> None:
    """It has closed the pipe that it reads from, but still holds the one that it writes to."""
    reading, writing = os.pipe()
    environment = {**packhorse_environment, "PACKHORSE_PLUGINS": ""}
    server = raw_server(environment=environment, stdout=writing)
    os.close(writing)
    server.send({"id": 1, "method": "initialize", "params": INITIALIZE})
    assert os.read(reading, 10_000).startswith(b'{"jsonrpc":"2.0","id":1')
    os.close(reading)
    server.send({"id": 2, "method": "ping"})
    assert server.end(within=10) == 0


def test_garbage_and_half_a_line_are_survived(noisy: RawServer) -> None:
    assert noisy.process.stdin is not None
    noisy.process.stdin.write(b"this is no json\n\xff\xfe\n{}\n")
    noisy.process.stdin.flush()
    assert noisy.request("ping")["result"] == {}
    noisy.process.stdin.write(b'{"jsonrpc": "2.0", "id": 9, "method"')
    noisy.close_stdin()
    assert noisy.end(within=20) == 0


def test_a_failing_start_is_one_sentence_on_standard_error(
    raw_server: Callable[..., RawServer], clean_environment: dict[str, str]
) -> None:
    server = raw_server(environment={**clean_environment, "PACKHORSE_PLUGINS": ""})
    assert server.end(within=30) == 1
    assert server.errors.startswith("Error: Cannot connect to postgresql://nobody@127.0.0.1:1/nothing")
    assert "Traceback" not in server.errors
    assert server.lines == []


@pytest.mark.parametrize("descriptors", ["<&-", ">&-"])
def test_a_closed_descriptor_at_start_is_explained(
    raw_server: Callable[..., RawServer], clean_environment: dict[str, str], descriptors: str
) -> None:
    server = raw_server("sh", "-c", f"{sys.executable} -m packhorse serve {descriptors}", environment=clean_environment)
    assert server.end(within=30) == 1
    assert "Standard input or output is closed" in server.errors


def test_a_log_folder_that_cannot_be_written_is_told_and_the_server_goes_on(
    raw_server: Callable[..., RawServer], packhorse_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    server = raw_server(
        environment={**packhorse_environment, "PACKHORSE_PLUGINS": "", "LOG_FILE": str(tmp_path / "file" / "x.log")}
    ).initialize()
    server.close_stdin()
    assert server.end() == 0
    assert server.errors.startswith("Warning: The log file ")
    assert server.errors.count("\n") == 1
