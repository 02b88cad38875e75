"""Sleeps, and is busy, when it registers its tools"""

import os
import time

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    try:
        time.sleep(float(os.environ.get("SLEEPER_SECONDS", "0.1")))
        end = time.monotonic() + float(os.environ.get("SLEEPER_BUSY", "0"))
        while time.monotonic() < end:
            pass
    except Exception as error:
        raise AssertionError("what wakes it is no Exception") from error
