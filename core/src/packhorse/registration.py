"""Letting one plugin register on the server object, and judging what it registered before anyone can call it."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import TYPE_CHECKING, Any

from loguru import logger

from packhorse import descriptions
from packhorse.faults import Refusal, report
from packhorse.isolation import PluginCrash
from packhorse.providers import BoundedProvider
from packhorse.records import Fault
from packhorse.rollback import Baseline, Checkpoint
from packhorse.threads import PluginThreads, confine

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastmcp import FastMCP
    from fastmcp.server.providers import Provider

    from packhorse.records import PluginRecord

CORE = "core"
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
DEADLINE = "packhorse/deadline"
"""The key in a tool's `meta` under which it declares how many seconds it may take."""
LONGEST_DEADLINE = 3_600.0
LISTING_DEADLINE = 5.0  # seconds for a mounted provider to say what it offers
_ALREADY = re.compile(r"Component already exists: (.+)")
_KINDS = {"tool": "tool", "resource": "resource", "template": "resource template", "prompt": "prompt"}


class Registrations:
    """Everything on one server object, by owner."""

    def __init__(self, mcp: FastMCP) -> None:
        self._mcp = mcp
        self._owners: dict[tuple[str, str], str] = {}
        self._threads: dict[str, PluginThreads] = {}
        self.deadlines: dict[str, float] = {}
        """Seconds that a tool declared for itself, by its name."""
        self.former: dict[str, str] = {}
        """Which plugin had the tools that are gone because it was dropped later."""
        self._baseline = Baseline()
        self._components: dict[str, Any] = mcp.local_provider._components  # noqa: SLF001 - FastMCP lists its components only asynchronously

    def checkpoint(self) -> Checkpoint:
        """Return the state of the server object, to go back to."""
        return Checkpoint(self._mcp, self._mcp.local_provider, self._mcp._mcp_server)  # noqa: SLF001 - no public way

    def owner(self, kind: str, name: str) -> str | None:
        """Return the plugin that registered a tool or prompt, or None."""
        return self._owners.get((kind, name))

    def reader(self, address: str) -> str | None:
        """Return the plugin that registered the resource or template which answers for an address, or None."""
        exact = self._owners.get(("resource", address))
        if exact is not None:
            return exact
        shapes = ((shape, plugin) for (kind, shape), plugin in self._owners.items() if kind == "template")
        return next((plugin for shape, plugin in shapes if "{}" in shape and _covers(shape, address)), None)

    def register_core(self, register: Callable[[], None]) -> None:
        """Register the core's own components; a failure is a defect and is raised."""
        register()
        self._claim(CORE, _offered(self._components.values(), ()))

    def register(self, record: PluginRecord, register: Callable[[], None]) -> Callable[[], None]:
        """Run a plugin's registration, all of it or none, and note in its record what it registered.

        Returns:
            A function that takes everything back, for a plugin that fails later.

        Raises:
            Refusal: it failed, or registered what the host does not accept; nothing of it remains.
        """
        before = self.checkpoint()
        known = set(self._components)
        providers = list(self._mcp.providers)
        try:
            try:
                register()
            except PluginCrash as crash:
                self._refuse_collision(record, crash)
                raise
            self._refuse_damage(record, before)
            added = [provider for provider in self._mcp.providers if not any(provider is one for one in providers)]
            new = [component for key, component in self._components.items() if key not in known]
            offered = _offered(new, added)
            self._refuse_unacceptable(record, offered)
            deadlines = {name: seconds for kind, name, one in offered if kind == "tool" for seconds in _declared(one)}
        except BaseException:
            before.restore()
            self._baseline.repair()
            raise
        threads = self._threads.setdefault(record.name, PluginThreads(record.name))
        for component in [*new, *(one for provider in added for one in _inside(provider))]:
            confine(component, threads)
        for at, provider in enumerate(self._mcp.providers):
            if any(provider is one for one in added):
                self._mcp.providers[at] = BoundedProvider(provider, record.name)
        self.deadlines |= deadlines
        undo = before.undo()
        self._claim(record.name, offered)
        record.tools = sorted(name for kind, name, _ in offered if kind == "tool")
        record.resources = sorted(_address(one) for kind, _, one in offered if kind in {"resource", "template"})
        tools = list(record.tools)
        record.prompts = sorted(name for kind, name, _ in offered if kind == "prompt")

        def take_back() -> None:
            undo()
            self.former |= dict.fromkeys(tools, record.name)
            self._owners = {what: owner for what, owner in self._owners.items() if owner != record.name}
            self._baseline.accept(self._components)

        return take_back

    def _claim(self, owner: str, offered: list[tuple[str, str, Any]]) -> None:
        for kind, name, component in offered:
            self._owners[kind, name] = owner
            if kind in {"resource", "template"}:
                self._owners[kind, _shape(component)] = owner
        self._baseline.accept(self._components)

    def _refuse_collision(self, record: PluginRecord, crash: PluginCrash) -> None:
        found = _ALREADY.fullmatch(str(crash.cause)) if isinstance(crash.cause, ValueError) else None
        if found is None:
            return
        kind, _, rest = found[1].partition(":")
        name = rest.rsplit("@", 1)[0]
        owner = self._owners.get((kind, name)) or self._owners.get((kind, _blank(name)))
        if owner is None:
            raise Refusal(
                Fault(
                    "failed",
                    f"{record.distribution} registers the {_KINDS.get(kind, kind)} {name!a} twice.",
                    report(record),
                )
            ) from crash
        raise Refusal(_taken(record, kind, name, owner)) from crash

    def _refuse_damage(self, record: PluginRecord, before: Checkpoint) -> None:
        damaged = self._baseline.damaged(self._components)
        if damaged:
            kind, _, rest = damaged[0].partition(":")
            name = rest.rsplit("@", 1)[0]
            owner = self._owners.get((kind, name)) or self._owners.get((kind, _blank(name)), CORE)
            raise Refusal(
                Fault(
                    "failed",
                    f"{record.distribution} removes, replaces or changes "
                    f"the {_KINDS.get(kind, kind)} {name} of {owner}.",
                    report(record),
                )
            )
        altered = before.altered({"middleware", "providers", "_transforms", "_additional_http_routes"})
        if altered:
            raise Refusal(
                Fault(
                    "failed",
                    f"{record.distribution} removes or replaces {altered[0].lstrip('_')} that it did not add.",
                    report(record),
                )
            )

    def _refuse_unacceptable(self, record: PluginRecord, offered: list[tuple[str, str, Any]]) -> None:
        seen: set[tuple[str, str]] = set()
        for kind, name, component in offered:
            what = f"{_KINDS[kind]} {name!a}"
            if not NAME.fullmatch(name):
                raise Refusal(
                    Fault(
                        "failed",
                        f"{record.distribution} registers the {what}, but a name is 1 to 64 of a-z, 0-9 and _, "
                        "beginning with a letter.",
                        report(record),
                    )
                )
            if component.version is not None:
                raise Refusal(
                    Fault(
                        "failed",
                        f"{record.distribution} gives the {what} the version {component.version!a}; versions are "
                        "refused, because a higher one would silently replace another plugin's.",
                        report(record),
                    )
                )
            for identity in {(kind, name), (kind, _shape(component))}:
                if identity in self._owners:
                    raise Refusal(_taken(record, kind, name, self._owners[identity]))
                if identity in seen:
                    raise Refusal(Fault("failed", f"{record.distribution} registers the {what} twice.", report(record)))
            seen |= {(kind, name), (kind, _shape(component))}
            wrong = descriptions.unreadable(component)
            if wrong:
                raise Refusal(Fault("failed", f"The {what} of {record.distribution} {wrong}.", report(record)))
            self._refuse_hidden(record, what, component)
            if not (component.description or "").strip():
                logger.warning("The {} of {} has no description, so no agent will know when to use it.", what, record)

    def _refuse_hidden(self, record: PluginRecord, what: str, component: Any) -> None:
        for where, text in descriptions.texts(component):
            found = descriptions.hidden(text)
            if found:
                raise Refusal(
                    Fault(
                        "failed",
                        f"{record.distribution} hides characters in {where} of the {what}: {', '.join(found[:5])}. "
                        "An agent would read what a person cannot see.",
                        report(record),
                    )
                )
        others = {name for (kind, name), owner in self._owners.items() if kind == "tool" and owner != record.name}
        for where, text in descriptions.texts(component):
            for doubt in descriptions.doubts(text, others):
                record.notes.append(f"{where[0].upper()}{where[1:]} of the {what} {doubt}.")
                logger.warning("{} of the {} of {} {}.", where, what, record, doubt)


def _declared(tool: Any) -> list[float]:
    """Return the deadline that a tool declares in its `meta`, if any.

    Raises:
        Refusal: it is no number of seconds up to `LONGEST_DEADLINE`.
    """
    value = (tool.meta or {}).get(DEADLINE)
    if value is None:
        return []
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= LONGEST_DEADLINE:
        raise Refusal(
            Fault(
                "failed",
                f"The tool {tool.name} declares the deadline {value!r}, which is no number of seconds up to "
                f"{LONGEST_DEADLINE:g}.",
                f'Its author corrects meta={{"{DEADLINE}": …}}.',
            )
        )
    return [float(value)]


def _covers(shape: str, address: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in shape.split("{}")), address, re.DOTALL) is not None


def _offered(components: Any, providers: list[Provider] | tuple[()]) -> list[tuple[str, str, Any]]:
    """Return (kind, name, component) of the components and of those that the providers list."""
    everything = list(components) + [one for provider in providers for one in _listed(provider)]
    return [(component.KEY_PREFIX, component.name, component) for component in everything]


def _inside(provider: Provider) -> list[Any]:
    """Return the components themselves of a mounted server and of those mounted in it; a listing has copies."""
    inner: Any = provider
    while hasattr(inner, "_inner"):  # FastMCP's wrapper that renames
        inner = inner._inner  # noqa: SLF001 - no public way
    server = getattr(inner, "server", None)
    found = list(getattr(getattr(server, "local_provider", None), "_components", {}).values())
    return found + [one for deeper in getattr(server, "providers", ()) for one in _inside(deeper)]


def _listed(provider: Provider) -> list[Any]:
    """Return what a mounted provider offers; asked on a loop of its own, because registration is synchronous."""
    found: list[Any] = []
    failure: list[BaseException] = []

    async def ask() -> None:
        async with asyncio.timeout(LISTING_DEADLINE):
            found.extend(await provider.list_tools())
            found.extend(await provider.list_resources())
            found.extend(await provider.list_resource_templates())
            found.extend(await provider.list_prompts())

    def run() -> None:
        try:
            asyncio.run(ask())
        except BaseException as error:  # noqa: BLE001 - handed to the caller, as PluginCrash
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True, name="packhorse-listing")
    thread.start()
    thread.join(LISTING_DEADLINE + 1)
    if thread.is_alive():
        failure.append(TimeoutError(f"a mounted provider did not list its components within {LISTING_DEADLINE:g} s"))
    if failure:
        raise PluginCrash(failure[0])
    return found


def _address(component: Any) -> str:
    return str(getattr(component, "uri_template", None) or component.uri)


def _shape(component: Any) -> str:
    """Return what two components of a kind may not share: the URI without its parameters' names, or the name."""
    return _blank(_address(component)) if component.KEY_PREFIX in {"resource", "template"} else str(component.name)


def _blank(address: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", address)


def _taken(record: PluginRecord, kind: str, name: str, owner: str) -> Fault:
    return Fault(
        "conflict",
        f"{record.distribution} registers the {_KINDS.get(kind, kind)} {name}, which {owner} already has; "
        f"{owner} keeps it.",
        f"Set PACKHORSE_BLOCK to {record.distribution} or to the other one, or ask its author for another name.",
    )
