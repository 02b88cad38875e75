"""The process of one isolated plugin: `python -m packhorse.isolated NAME DISTRIBUTION`, an MCP server for the host."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packhorse.plugins import PluginHost
    from packhorse.stdio import Channel

ARGUMENTS = 3


def main(arguments: list[str]) -> int:
    """Serve the plugin over standard input and output until they are closed, and return the exit code."""
    if len(arguments) != ARGUMENTS:
        sys.stderr.write("This is the process of an isolated plugin; `packhorse serve` starts it.\n")
        return 2
    from packhorse import stdio

    channel = stdio.claim()  # before anything of the plugin is imported
    try:
        return _serve(channel, arguments[1], arguments[2])
    finally:
        stdio.release()


def _serve(channel: Channel, name: str, distribution: str) -> int:
    from packaging.utils import canonicalize_name

    from packhorse import stdio
    from packhorse.discovery import discover
    from packhorse.isolated.process import OFFER
    from packhorse.log import logging_to_file, silence_frameworks
    from packhorse.plugins import PluginHost
    from packhorse.server import build_server
    from packhorse.settings import load_settings
    from packhorse.variables import Variable

    # The settings file is not read: it may hold the address of the database.
    variables = {key.upper(): Variable(key, value, "environment") for key, value in os.environ.items()}
    settings = load_settings(variables)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with logging_to_file(settings):
        wanted = (name, canonicalize_name(distribution))
        candidates = [one for one in discover() if (one.name, one.key) == wanted]
        host = PluginHost(settings, candidates=candidates, variables=variables)
        host.without_database = True
        host.load()
        mcp = build_server(host, strict=False)
        silence_frameworks()

        @mcp.resource(OFFER, mime_type="application/json")
        async def offer() -> str:
            """Tell the host what became of the plugin."""
            return json.dumps({"record": host.record(name).as_dict(), "instructions": _instructions(host)})

        return asyncio.run(stdio.serve(mcp, channel))


def _instructions(host: PluginHost) -> str:
    from packhorse.instructions import ABOUT, compose

    return compose(host).removeprefix(ABOUT).strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
