"""The gate between clients and components: switched off, outside the profile, or changed since their approval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastmcp.resources.template import match_uri_template
from fastmcp.server.middleware import Middleware
from loguru import logger

from packhorse.control import choices, lock
from packhorse.control.definitions import components, definition, fingerprint, label, spoken, tokens
from packhorse.control.lock import Change, Offer
from packhorse.control.origin import OURS, origin
from packhorse.errors import ConfigurationError, PackhorseError, UnavailableError
from packhorse.instructions import offered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastmcp import FastMCP
    from fastmcp.server.middleware import CallNext, MiddlewareContext
    from fastmcp.tools import Tool
    from mcp_types import (
        CallToolRequestParams,
        GetPromptRequestParams,
        ListToolsRequest,
        ReadResourceRequestParams,
    )

    from packhorse.plugins import PluginHost
    from packhorse.records import PluginRecord

Why = Literal["disabled", "profile", "changed", "new"]


@dataclass(frozen=True, slots=True)
class Off:
    """Why something is not offered, and what makes it so again."""

    why: Why
    reason: str
    remedy: str


class Gate(Middleware):
    """Leaves out of listings what is off, and answers a request for it with the reason.

    `off` holds what is, by label (see `definitions.label`); `cost` the tokens of each tool's definition; `changes` what
    waits for an approval.
    """

    def __init__(
        self, off: dict[str, Off], seen: dict[str, str], cost: dict[str, int], changes: Sequence[Change]
    ) -> None:
        self.off = off
        self.cost = cost
        self.changes = list(changes)
        self._seen = seen
        self._told: set[str] = set()

    @property
    def withheld(self) -> set[str]:
        """The plugins whose instructions are off."""
        return {change.plugin for change in self.changes if change.name == instructions_of(change.plugin)}

    async def on_list_tools(
        self, context: MiddlewareContext[ListToolsRequest], call_next: CallNext[ListToolsRequest, Sequence[Tool]]
    ) -> Sequence[Tool]:
        """List what is on and still says of itself what it said at the start."""
        return self._passed(await call_next(context))

    async def on_list_resources(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Sequence[Any]:
        """List as `on_list_tools` does."""
        return self._passed(await call_next(context))

    async def on_list_resource_templates(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]
    ) -> Sequence[Any]:
        """List as `on_list_tools` does."""
        return self._passed(await call_next(context))

    async def on_list_prompts(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Sequence[Any]:
        """List as `on_list_tools` does."""
        return self._passed(await call_next(context))

    async def on_call_tool(
        self, context: MiddlewareContext[CallToolRequestParams], call_next: CallNext[CallToolRequestParams, Any]
    ) -> Any:
        """Refuse what is off, in words that an agent can pass on."""
        self._refuse(context.message.name)
        return await call_next(context)

    async def on_read_resource(
        self, context: MiddlewareContext[ReadResourceRequestParams], call_next: CallNext[ReadResourceRequestParams, Any]
    ) -> Any:
        """Refuse what is off, and what a template that is off would answer for."""
        address = str(context.message.uri)
        self._refuse(f"resource:{address}")
        if f"resource:{address}" not in self._seen:
            for name in self.off:
                if match_uri_template(address, name.removeprefix("resource:")) is not None:
                    self._refuse(name)
        return await call_next(context)

    async def on_get_prompt(
        self, context: MiddlewareContext[GetPromptRequestParams], call_next: CallNext[GetPromptRequestParams, Any]
    ) -> Any:
        """Refuse what is off."""
        self._refuse(f"prompt:{context.message.name}")
        return await call_next(context)

    def _refuse(self, name: str) -> None:
        if name in self.off:
            found = self.off[name]
            raise UnavailableError(found.reason, remedy=found.remedy)

    def _passed(self, listed: Sequence[Any]) -> list[Any]:
        return [one for one in listed if label(one) not in self.off and self._as_seen(one)]

    def _as_seen(self, component: Any) -> bool:
        """Tell whether a component is as it was at the start: a later change would pass by the lock."""
        name = label(component)
        if self._seen.get(name) == fingerprint(definition(component)):
            return True
        if name not in self._told:
            self._told.add(name)
            logger.warning("{!a} appeared or changed while the server runs and is not offered.", spoken(name))
        return False


def instructions_of(plugin: str) -> str:
    """Return the label of a plugin's instructions."""
    return f"instructions:{plugin}"


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
    found = {name: definition(component) for name, component in components(mcp).items()}
    offers = offers_of(host, found)
    owners = {tool: record.name for record in host.records if record.loaded for tool in record.tools}
    chosen = choices.read(settings.data_dir)
    allowed = None if settings.profile is None else chosen.profile(settings.profile)
    changed = lock.changes(settings.data_dir, offers)
    if changed and (settings.strict if strict is None else strict):
        raise ConfigurationError(
            f"{', '.join(sorted(one.name for one in changed))} changed since the approval.",
            remedy="Look at `packhorse plugins diff`, then `packhorse plugins approve`, or unset PACKHORSE_STRICT.",
        )
    off = {one.name: _unapproved(one) for one in changed}
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
        logger.warning("{} {}", off[change.name].reason, off[change.name].remedy)
    seen = {name: fingerprint(one) for name, one in found.items()}
    gate = Gate(off, seen, {name: tokens(found[name]) for name in owners if name in found}, changed)
    mcp.add_middleware(gate)
    return gate


def gate_of(mcp: FastMCP) -> Gate:
    """Return the gate of a server that `build_server` made."""
    return next(one for one in mcp.middleware if isinstance(one, Gate))


def offers_of(host: PluginHost, found: Mapping[str, dict[str, Any]]) -> list[Offer]:
    """Return what each loaded plugin offers, given the definitions of everything on the server by label."""
    said = offered(host)
    offers = []
    for record in host.records:
        if record.loaded:
            mine = {name: found[name] for name in labels_of(record) if name in found}
            if said.get(record.name):
                mine[instructions_of(record.name)] = {"text": said[record.name]}
            locked = record.distribution not in OURS and not origin(record.distribution).is_authors
            offers.append(Offer(record.name, record.distribution, record.version, mine, locked=locked))
    return offers


def labels_of(record: PluginRecord) -> list[str]:
    """Return the labels of all that a plugin registered."""
    others = [f"resource:{address}" for address in record.resources] + [f"prompt:{name}" for name in record.prompts]
    return [*record.tools, *others]


def _unapproved(change: Change) -> Off:
    what = spoken(change.name)
    are = "are" if change.name == instructions_of(change.plugin) else "is"
    happened = f"{are} new in" if change.kind == "new" else "changed with"
    return Off(
        change.kind,
        f"{what[0].upper()}{what[1:]} {happened} {change.plugin} {change.version} and {are} off until the user "
        "approves it.",
        f"The user looks at `packhorse plugins diff {change.plugin}` and runs `packhorse plugins approve "
        f"{change.plugin}:{change.name}`.",
    )


def _note(host: PluginHost, offers: list[Offer]) -> None:
    """Record what is seen for the first time; where that cannot be written the server starts all the same."""
    try:
        lock.record(host.core_settings.data_dir, offers)
    except PackhorseError as error:
        logger.warning("What the plugins offer cannot be recorded, so that later changes go unnoticed. {}", error)
