"""Sleeps when it registers its tools"""

import os
import time

from packhorse import hookimpl


@hookimpl
def register_tools(mcp):
    try:
        time.sleep(float(os.environ.get("SLEEPER_SECONDS", "0.1")))
    except Exception as error:
        raise AssertionError("what wakes it is no Exception") from error
