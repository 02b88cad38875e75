"""Keeping the process of one isolated plugin: started, asked what it offers, called, killed, started again."""

from __future__ import annotations

import asyncio
import atexit
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loguru import logger

from packhorse.errors import PluginGoneError
from packhorse.isolated.wire import EndedError, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROTOCOL = "2025-06-18"
OFFER = "packhorse://offer"
"""The resource by which the process tells the host what it has."""
START_SECONDS = 20.0  # for Python, FastMCP, the plugin's import and its lifespan
STOP_SECONDS = 2.0
PING_SECONDS = 2.0  # a process that answers no ping after a call was given up has a blocked event loop
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between the end of a process and the start of the next
HEALTHY = 60.0  # seconds after which the pause is the first again
WAIT = 10.0  # how long a call waits for a process that is being started


@dataclass(frozen=True, slots=True)
class Offer:
    """What a process said that it has: the plugin's record, its instructions, and its components as MCP lists them."""

    record: dict[str, Any]
    instructions: str = ""
    tools: list[dict[str, Any]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    templates: list[dict[str, Any]] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)


class IsolatedProcess:
    """The process of one plugin, over all its incarnations."""

    def __init__(self, plugin: str, distribution: str, environment: Mapping[str, str]) -> None:
        self.plugin = plugin
        self._command = [sys.executable, "-P", "-m", "packhorse.isolated", plugin, distribution]
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._stopping: threading.Event | None = None
        self._up: Future[Wire] = Future()
        self._first: Future[Offer] = Future()
        self.wire: Wire | None = None
        self.restarts = 0
        self.problem = ""
        """Why it is not running, or empty."""

    def start(self) -> None:
        """Start it, if it is not started; return at once."""
        with self._lock:
            if self._stopping is not None:
                return
            self._stopping = threading.Event()
            self._up, self._first = Future(), Future()
            atexit.register(self.stop)
        threading.Thread(
            target=self._keep, args=(self._stopping,), name=f"packhorse isolated {self.plugin}", daemon=True
        ).start()

    def offer(self) -> Offer:
        """Wait until it is started and return what it offers.

        Raises:
            PluginGoneError: it ended, or said nothing within `START_SECONDS`.
        """
        self.start()
        try:
            return self._first.result(START_SECONDS + 1)
        except TimeoutError:
            raise PluginGoneError(f"Its process was not ready within {START_SECONDS:g} seconds.") from None

    def stop(self) -> None:
        """End it: its standard input is closed, and what is left after `STOP_SECONDS` is killed."""
        with self._lock:
            stopping, self._stopping = self._stopping, None
            wire, self.wire = self.wire, None
        if stopping is None:
            return
        stopping.set()
        atexit.unregister(self.stop)
        if wire is not None:
            wire.close()
            if not wire.ended.wait(STOP_SECONDS):
                wire.kill()
                wire.ended.wait(STOP_SECONDS)

    async def call(
        self,
        method: str,
        parameters: dict[str, Any],
        progress: Callable[[dict[str, Any]], None] | None = None,
    ) -> Any:
        """Send a request and return its result; a caller that is cancelled cancels it there.

        Raises:
            PluginGoneError: the process ended or cannot be had.
            RefusedError: it answered with a protocol error.
        """
        wire = await self._wire()
        number, future = wire.request(method, parameters, progress)
        try:
            return await asyncio.wrap_future(future)
        except EndedError as error:
            raise PluginGoneError(
                f"The process of the isolated plugin {self.plugin} ended before it answered ({error.reason}).",
                remedy="It is started again; other plugins are not affected.",
                plugin=self.plugin,
            ) from None
        except asyncio.CancelledError:
            wire.forget(number)
            self._suspect(wire)
            raise

    async def _wire(self) -> Wire:
        up = self._up
        done, _ = await asyncio.wait({asyncio.wrap_future(up)}, timeout=WAIT)
        if not done:
            raise PluginGoneError(
                f"The process of the isolated plugin {self.plugin} is not running: {self.problem or 'it is starting'}.",
                remedy="Try again in a minute; `packhorse doctor` and the log tell more.",
                plugin=self.plugin,
            )
        return up.result()

    def _suspect(self, wire: Wire) -> None:
        """Kill the process if its event loop is blocked, which a call that was given up may be the sign of."""
        _, pong = wire.request("ping", {})

        def judge() -> None:
            if not pong.done():
                logger.error("The isolated plugin {} answers no more and is killed.", self.plugin)
                wire.kill()

        timer = threading.Timer(PING_SECONDS, judge)
        timer.daemon = True
        timer.start()

    def _keep(self, stopping: threading.Event) -> None:
        """Start the process again and again until told to stop."""
        pause = FIRST_PAUSE
        first = self._first
        while not stopping.is_set():
            began = time.monotonic()
            try:
                wire = self._launch(first)
            except Exception as error:  # noqa: BLE001 - whatever keeps it from starting is told where it is called
                self.problem = str(error)
                if not first.done():
                    first.set_exception(PluginGoneError(f"Its process could not be started: {error}."))
                    return
            else:
                wire.ended.wait()
                self.problem = wire.reason
            self._up = Future()
            if stopping.is_set():
                return
            pause = FIRST_PAUSE if time.monotonic() - began > HEALTHY else pause
            logger.error(
                "The process of the isolated plugin {} ended ({}) and is started again in {:g} seconds.",
                self.plugin,
                self.problem,
                pause,
            )
            stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            self.restarts += 1

    def _launch(self, first: Future[Offer]) -> Wire:
        up = self._up
        process = subprocess.Popen(  # noqa: S603 - our own module, with names from metadata as its arguments
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the host, and killing reaches its children
        )
        wire = Wire(self.plugin, process)
        with self._lock:
            self.wire = wire
        try:
            offer = _ask(wire)
        except Exception as error:
            wire.kill()
            wire.ended.wait(STOP_SECONDS)
            reason = str(error) or f"no answer within {START_SECONDS:g} seconds"
            raise PluginGoneError(reason) from error
        self.problem = ""
        if not first.done():
            first.set_result(offer)
        up.set_result(wire)
        return wire


def _ask(wire: Wire) -> Offer:
    """Shake hands and ask what there is, within `START_SECONDS` in all."""
    until = time.monotonic() + START_SECONDS

    def ask(method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        _, future = wire.request(method, parameters or {})
        answer: dict[str, Any] = future.result(max(0.0, until - time.monotonic()))
        return answer

    client = {"name": "packhorse", "version": "1"}
    ask("initialize", {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client})
    wire.notify("notifications/initialized")
    about = json.loads(ask("resources/read", {"uri": OFFER})["contents"][0]["text"])
    return Offer(
        record=about["record"],
        instructions=about["instructions"],
        tools=ask("tools/list")["tools"],
        resources=[one for one in ask("resources/list")["resources"] if not one["uri"].startswith("packhorse://")],
        templates=ask("resources/templates/list")["resourceTemplates"],
        prompts=ask("prompts/list")["prompts"],
    )
