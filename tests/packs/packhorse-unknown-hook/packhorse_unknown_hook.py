"""Implements a hook that does not exist"""

from packhorse import hookimpl


@hookimpl
def register_tool(mcp):
    mcp.tool(str)
