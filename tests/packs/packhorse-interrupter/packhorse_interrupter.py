"""Its tools raise what ends a process"""

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    @mcp.tool
    async def interrupt() -> str:
        """Interrupt."""
        raise KeyboardInterrupt

    @mcp.tool
    def interrupt_in_thread() -> str:
        """Interrupt from a thread."""
        raise KeyboardInterrupt

    @mcp.tool
    async def leave() -> str:
        """Exit."""
        raise SystemExit(3)
