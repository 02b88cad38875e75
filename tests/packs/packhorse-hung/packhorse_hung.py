"""Its synchronous tools hang"""

import threading

from packhorse import hookimpl

released = threading.Event()  # a test sets it at its end, for no thread can be ended from outside


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def hang() -> str:
        """Hang."""
        released.wait()
        return "released"

    @mcp.tool
    def quick() -> str:
        """Need a thread for a moment."""
        return "quick"
