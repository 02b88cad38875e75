"""The definitions of the tools on a server, as clients get them: what is listed, hashed, compared and priced."""

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

LISTING_DEADLINE = 6.0  # seconds for mounted providers to say what they offer
CHARACTERS_PER_TOKEN = 4
"""JSON of schemas has about four characters to a token in the tokenizers of the common models."""

_HASHED = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")


def definitions(mcp: FastMCP) -> list[Tool]:
    """Return every tool on the server, those of mounted providers included, by name; callable inside a running loop.

    A provider that does not answer within the deadline offers nothing.
    """
    from fastmcp.tools import Tool

    local = mcp.local_provider
    found: dict[str, Any] = {
        component.name: component
        for component in local._components.values()  # noqa: SLF001 - FastMCP lists its components only asynchronously
        if isinstance(component, Tool)
    }
    for provider in mcp.providers:
        if provider is not local:
            found |= {tool.name: tool for tool in _listed(provider) if tool.name not in found}
    return [found[name] for name in sorted(found)]


def _listed(provider: Any) -> list[Tool]:
    tools: list[Tool] = []

    async def ask() -> None:
        async with asyncio.timeout(LISTING_DEADLINE):
            tools.extend(await provider.list_tools())

    def run() -> None:
        try:
            asyncio.run(ask())
        except Exception:  # noqa: BLE001 - what a provider cannot list is not there, which its registration has judged
            tools.clear()

    # A loop of its own, because the caller may be inside a running one.
    thread = threading.Thread(target=run, daemon=True, name="packhorse-definitions")
    thread.start()
    thread.join(LISTING_DEADLINE + 1)
    return [] if thread.is_alive() else tools


def definition(tool: Tool) -> dict[str, Any]:
    """Return what a client is told of a tool and what its approval is about."""
    wire = tool.to_mcp_tool().model_dump(mode="json", by_alias=True, exclude_none=True)
    return {name: wire[name] for name in _HASHED if name in wire}


def fingerprint(found: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a definition; the order of its keys does not matter."""
    text = json.dumps(found, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def tokens(found: Mapping[str, Any]) -> int:
    """Estimate how many tokens of an agent's context a definition takes in every conversation."""
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return -(-len(text) // CHARACTERS_PER_TOKEN)
