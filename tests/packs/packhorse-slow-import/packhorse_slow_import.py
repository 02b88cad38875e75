"""Takes its time to be imported"""

import time

from packhorse import hookimpl

time.sleep(1.1)


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def arrive() -> str:
        """Arrive at last."""
        return "here"
