"""Takes its time to be imported"""

import time

from packhorse import hookimpl

end = time.monotonic() + 1.1
while time.monotonic() < end:  # as an import does that has much to compute
    pass


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def arrive() -> str:
        """Arrive at last."""
        return "here"
