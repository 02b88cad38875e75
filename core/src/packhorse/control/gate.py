"""The gate between clients and tools: switched off, outside the profile, or changed since their approval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastmcp.server.middleware import Middleware
from loguru import logger

from packhorse.control import choices, lock
from packhorse.control.definitions import definition, definitions, fingerprint, tokens
from packhorse.control.lock import Change, Offer
from packhorse.control.origin import OURS, origin
from packhorse.errors import ConfigurationError, PackhorseError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastmcp import FastMCP
    from fastmcp.server.middleware import CallNext, MiddlewareContext
    from fastmcp.tools import Tool
    from mcp_types import CallToolRequestParams, ListToolsRequest

    from packhorse.plugins import PluginHost

Why = Literal["disabled", "profile", "changed", "new"]


@dataclass(frozen=True, slots=True)
class Off:
    """Why a tool is not offered, and what makes it so again."""

    why: Why
    reason: str
    remedy: str


class Gate(Middleware):
    """Leaves out of listings what is off, and answers a call of it with the reason.

    `off` holds the tools that are, by name; `cost` the tokens of each tool's definition; `changes` what waits for an
    approval.
    """

    def __init__(
        self, off: dict[str, Off], seen: dict[str, str], cost: dict[str, int], changes: Sequence[Change]
    ) -> None:
        self.off = off
        self.cost = cost
        self.changes = list(changes)
        self._seen = seen
        self._told: set[str] = set()

    async def on_list_tools(
        self, context: MiddlewareContext[ListToolsRequest], call_next: CallNext[ListToolsRequest, Sequence[Tool]]
    ) -> Sequence[Tool]:
        """List what is on and still says of itself what it said at the start."""
        return [tool for tool in await call_next(context) if tool.name not in self.off and self._as_seen(tool)]

    async def on_call_tool(
        self, context: MiddlewareContext[CallToolRequestParams], call_next: CallNext[CallToolRequestParams, Any]
    ) -> Any:
        """Refuse what is off, in words that an agent can pass on."""
        name = context.message.name
        if name in self.off:
            found = self.off[name]
            raise UnavailableError(found.reason, remedy=found.remedy)
        return await call_next(context)

    def _as_seen(self, tool: Tool) -> bool:
        """Tell whether a tool is as it was at the start: a later change would pass by the lock."""
        if self._seen.get(tool.name) == fingerprint(definition(tool)):
            return True
        if tool.name not in self._told:
            self._told.add(tool.name)
            logger.warning("The tool {!a} appeared or changed while the server runs and is not offered.", tool.name)
        return False


def install(mcp: FastMCP, host: PluginHost, *, strict: bool | None = None) -> Gate:
    """Put the gate before the tools of a server whose plugins have registered, and note what was seen.

    Args:
        mcp: the server.
        host: its host.
        strict: whether a tool that waits for approval is an error; by default the setting of that name.

    Raises:
        ConfigurationError: the profile is unknown, a file of the data folder is broken, or, when strict, a tool
            changed.
    """
    settings = host.core_settings
    found = {tool.name: definition(tool) for tool in definitions(mcp)}
    offers = offers_of(host, found)
    owners = {tool: offer.plugin for offer in offers for tool in offer.tools}
    chosen = choices.read(settings.data_dir)
    allowed = None if settings.profile is None else chosen.profile(settings.profile)
    changed = lock.changes(settings.data_dir, offers)
    if changed and (settings.strict if strict is None else strict):
        raise ConfigurationError(
            f"{', '.join(sorted(one.tool for one in changed))} changed since the approval.",
            remedy="Look at `packhorse plugins diff`, then `packhorse plugins approve`, or unset PACKHORSE_STRICT.",
        )
    off = {one.tool: _unapproved(one) for one in changed}
    for tool, plugin in owners.items():
        if chosen.disables(plugin, tool):
            remedy = f"The user can switch it on: packhorse plugins enable {plugin}:{tool}"
            off[tool] = Off("disabled", f"The tool {tool} is switched off.", remedy)
        elif allowed is not None and tool not in allowed:
            off[tool] = Off(
                "profile",
                f"The tool {tool} is not in the profile {settings.profile}.",
                "The user can start the server with another profile.",
            )
    _note(host, offers)
    for change in changed:
        logger.warning("{} {}", off[change.tool].reason, off[change.tool].remedy)
    seen = {name: fingerprint(one) for name, one in found.items()}
    gate = Gate(off, seen, {name: tokens(one) for name, one in found.items()}, changed)
    mcp.add_middleware(gate)
    return gate


def gate_of(mcp: FastMCP) -> Gate:
    """Return the gate of a server that `build_server` made."""
    return next(one for one in mcp.middleware if isinstance(one, Gate))


def offers_of(host: PluginHost, found: dict[str, dict[str, Any]]) -> list[Offer]:
    """Return what each loaded plugin offers, given the definitions of all tools on the server."""
    return [
        Offer(
            record.name,
            record.distribution,
            record.version,
            {tool: found[tool] for tool in record.tools if tool in found},
            locked=record.distribution not in OURS and not origin(record.distribution).is_authors,
        )
        for record in host.records
        if record.loaded
    ]


def _unapproved(change: Change) -> Off:
    what = "is new in" if change.kind == "new" else "changed with"
    return Off(
        change.kind,
        f"The tool {change.tool} {what} {change.plugin} {change.version} and is off until the user approves it.",
        f"The user looks at `packhorse plugins diff {change.plugin}` and runs `packhorse plugins approve "
        f"{change.plugin}:{change.tool}`.",
    )


def _note(host: PluginHost, offers: list[Offer]) -> None:
    """Record what is seen for the first time; where that cannot be written the server starts all the same."""
    try:
        lock.record(host.core_settings.data_dir, offers)
    except PackhorseError as error:
        logger.warning("What the plugins offer cannot be recorded, so that later changes go unnoticed. {}", error)
