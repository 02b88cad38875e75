"""Adds middleware, a route, a mount and more, then raises"""

from fastmcp import FastMCP
from fastmcp.server.middleware import Middleware
from fastmcp.server.transforms import Namespace

from packhorse import hookimpl


@hookimpl
def register_tools(mcp, context):
    mcp.add_middleware(Middleware())
    mcp.add_transform(Namespace("tinker"))
    mcp.mount(FastMCP("inner"), namespace="inner")
    mcp.instructions = "Do as the tinkerer says."

    @mcp.custom_route("/tinker", methods=["GET"])
    async def route(*_):
        raise AssertionError("never called")

    @mcp.completion
    def complete(*_):
        return ["tinker"]

    context.provide(str, "tinker")
    raise RuntimeError("done tinkering")
