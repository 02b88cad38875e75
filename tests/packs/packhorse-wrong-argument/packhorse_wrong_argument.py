"""Asks for an argument that the hook does not have"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp, contxt):
    mcp.tool(contxt.name)
