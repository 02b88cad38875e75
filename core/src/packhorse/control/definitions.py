"""The definitions of what is on a server, as clients get them: what is listed, hashed, compared and priced."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastmcp import FastMCP
    from fastmcp.tools import Tool

    Component = Any  # a tool, resource, template or prompt of FastMCP's

LISTING_DEADLINE = 6.0  # seconds for mounted providers to say what they offer
CHARACTERS_PER_TOKEN = 4
"""JSON of schemas has about four characters to a token in the tokenizers of the common models."""

_HASHED = (
    *("name", "title", "description", "inputSchema", "outputSchema", "annotations"),
    *("uri", "uriTemplate", "mimeType", "arguments"),
)


def components(mcp: FastMCP) -> dict[str, Component]:
    """Return what is on the server, mounted providers included, by label; callable inside a running loop.

    A provider that does not answer within the deadline offers nothing.
    """
    local = mcp.local_provider
    found: dict[str, Component] = {
        label(component): component
        for component in local._components.values()  # noqa: SLF001 - FastMCP lists its components only asynchronously
    }
    for provider in mcp.providers:
        if provider is not local:
            found |= {label(one): one for one in _listed(provider) if label(one) not in found}
    return {name: found[name] for name in sorted(found)}


def definitions(mcp: FastMCP) -> list[Tool]:
    """Return every tool on the server by name; see `components`."""
    from fastmcp.tools import Tool

    return [component for component in components(mcp).values() if isinstance(component, Tool)]


def label(component: Component) -> str:
    """Return what a component is called in the lock: a tool by its name, others with their kind before it.

    Resources and templates are told apart by the braces in their address.
    """
    kind = component.KEY_PREFIX
    if kind in {"resource", "template"}:
        return f"resource:{getattr(component, 'uri_template', None) or component.uri}"
    return str(component.name) if kind == "tool" else f"{kind}:{component.name}"


def spoken(name: str) -> str:
    """Return a label in words, such as "the tool notes_add" or "the prompt summarise"."""
    kind, colon, rest = name.partition(":")
    if not colon:
        return f"the tool {name}"
    return "the instructions" if kind == "instructions" else f"the {kind} {rest}"


def _listed(provider: Any) -> list[Component]:
    found: list[Component] = []

    async def ask() -> None:
        async with asyncio.timeout(LISTING_DEADLINE):
            found.extend(await provider.list_tools())
            found.extend(await provider.list_resources())
            found.extend(await provider.list_resource_templates())
            found.extend(await provider.list_prompts())

    def run() -> None:
        try:
            asyncio.run(ask())
        except Exception:  # noqa: BLE001 - what a provider cannot list is not there, which its registration has judged
            found.clear()

    # A loop of its own, because the caller may be inside a running one.
    thread = threading.Thread(target=run, daemon=True, name="packhorse-definitions")
    thread.start()
    thread.join(LISTING_DEADLINE + 1)
    return [] if thread.is_alive() else found


def definition(component: Component) -> dict[str, Any]:
    """Return what a client is told of a component and what its approval is about."""
    convert = getattr(component, f"to_mcp_{component.KEY_PREFIX}")
    wire = convert().model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: wire[name] for name in _HASHED if name in wire}


def fingerprint(found: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a definition; the order of its keys does not matter."""
    text = json.dumps(found, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def tokens(found: Mapping[str, Any]) -> int:
    """Estimate how many tokens of an agent's context a definition takes in every conversation."""
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return -(-len(text) // CHARACTERS_PER_TOKEN)
