"""Hides characters in a description"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool(description="Add two numbers.\u200b\U000e0041\U000e0042\u202e")
    def add(a: int, b: int) -> int:
        return a + b
