"""What the definitions of the search tools cost in tokens: as `tools/list` sends them and as a model sees them.

usage: python benchmarks/schemas.py [--most 900]

The exit code is 1 when they cost more together. A model is shown the name, the description and the input schema; the
rest is for the client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import tokens

TOOLS = frozenset({"search_code", "grep_code", "find_symbol", "outline_code", "similar_code"})
SHOWN = ("name", "description", "inputSchema")


async def definitions() -> list[dict[str, Any]]:
    """Return the definitions of the search plugin's tools, as a client gets them."""
    from fastmcp import Client

    from packhorse.plugins import PluginHost
    from packhorse.server import build_server
    from packhorse.settings import load_settings

    os.environ["PACKHORSE_PLUGINS"] = "packhorse-indexing,packhorse-search"
    host = PluginHost(load_settings())
    host.load()
    async with Client(build_server(host)) as client:
        found = await client.list_tools()
    return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in found if tool.name in TOOLS]


def cost(tool: dict[str, Any]) -> int:
    """Return the tokens of a definition as compact JSON."""
    return tokens.count(json.dumps(tool, separators=(",", ":"), ensure_ascii=False), tokens.SCHEMA)


def main() -> int:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=900)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="packhorse-bench-", ignore_cleanup_errors=True) as folder:
        os.environ["PACKHORSE_DATA_DIR"] = folder
        os.environ["PACKHORSE_EMBEDDED_GRACE"] = "0"
        tools = asyncio.run(definitions())
    rows = [(tool["name"], cost(tool), cost({key: tool[key] for key in SHOWN})) for tool in tools]
    rows.append(("together", sum(sent for _, sent, _ in rows), sum(shown for _, _, shown in rows)))
    print(f"{'':16}{'sent':>6}{'shown':>8}  tokens, {tokens.method(tokens.SCHEMA)}")
    for name, sent, shown in rows:
        print(f"{name:16}{sent:6}{shown:8}")
    return int(rows[-1][1] > arguments.most)


if __name__ == "__main__":
    sys.exit(main())
