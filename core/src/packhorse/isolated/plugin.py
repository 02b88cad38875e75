"""What stands in the host for an isolated plugin: an ordinary plugin whose hooks ask the other process."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from packhorse.errors import PackhorseError, PluginGoneError
from packhorse.faults import Refusal
from packhorse.health import Health, HealthCheck
from packhorse.hookspecs import hookimpl
from packhorse.isolated.environment import environment
from packhorse.isolated.process import IsolatedProcess
from packhorse.records import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping
    from contextlib import AbstractAsyncContextManager

    from fastmcp import FastMCP

    from packhorse.discovery import Candidate
    from packhorse.settings import CoreSettings
    from packhorse.variables import Variable


class IsolatedPlugin:
    """The plugin of `candidate` in a process of its own; nothing of it is imported here.

    Raises:
        PackhorseError: it is not installed, so that no other process could import it.
    """

    def __init__(
        self, candidate: Candidate, settings: CoreSettings, others: Collection[str], variables: Mapping[str, Variable]
    ) -> None:
        if candidate.entry_point is None:
            raise PackhorseError(
                f"{candidate.name} cannot be isolated: it is an object of this process.",
                remedy="Install it, or take it out of PACKHORSE_ISOLATED.",
            )
        folder = settings.data_dir / "isolated" / candidate.name
        self.name = candidate.name
        self.process = IsolatedProcess(
            candidate.name, candidate.distribution, environment(candidate.name, others, variables, folder)
        )
        self._instructions = ""
        self._serves = False

    @hookimpl
    def register_tools(self, mcp: FastMCP) -> None:
        """Register what the process offers, flat, under its own names."""
        from packhorse.isolated.components import components

        try:
            offer = self.process.offer()
        except PluginGoneError as error:
            raise PackhorseError(
                f"The process of {self.name} did not start. {error.message}",
                remedy="The log has what it wrote. Without PACKHORSE_ISOLATED it runs inside the server.",
            ) from error
        if offer.record["status"] != "loaded":
            raise Refusal(Fault("failed", offer.record["error"], offer.record["remedy"]))
        self._instructions, self._serves = offer.instructions, True
        for component in components(offer, self.process):
            add: dict[str, Callable[[Any], Any]] = {
                "tool": mcp.add_tool,
                "resource": mcp.add_resource,
                "template": mcp.add_template,
                "prompt": mcp.add_prompt,
            }
            add[component.KEY_PREFIX](component)

    @hookimpl
    def register_instructions(self) -> str:
        """Return what the plugin says of itself."""
        return self._instructions

    @hookimpl
    def plugin_lifespan(self) -> AbstractAsyncContextManager[None]:
        """Keep the process for as long as the server runs; a command, which calls no tools, has none."""
        return self._running()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        if self._serves:
            self.process.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.process.stop)

    @hookimpl
    def check_health(self) -> list[HealthCheck]:
        """Return the check of the process."""
        return [HealthCheck("process", self._check)]

    async def _check(self) -> Health:
        wire = self.process.wire
        if wire is None or wire.ended.is_set() or self.process.problem:
            problem = self.process.problem or "it was not started"
            return Health("failed", f"Its process does not run: {problem}.", "See the log.")
        if self.process.restarts:
            return Health("warning", f"Its process was started again {self.process.restarts} times.", "See the log.")
        return Health("ok", f"Its process {wire.pid} runs.")
