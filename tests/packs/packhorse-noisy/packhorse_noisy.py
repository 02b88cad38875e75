"""Writes on standard output from Python, C and a child, when imported and when called"""

import ctypes
import logging
import os
import subprocess
import sys

from packhorse import hookimpl


def make_noise(when):
    print(f"noise of print, {when}", flush=True)
    sys.__stdout__.write(f"noise of the original stdout, {when}\n")
    sys.__stdout__.flush()
    os.write(1, f"noise of the descriptor, {when}\n".encode())
    libc = ctypes.CDLL(None)
    libc.printf(f"noise of C, {when}\n".encode())
    libc.fflush(None)
    subprocess.run([sys.executable, "-c", f"print('noise of a child, {when}')"], check=True)
    logging.getLogger(__name__).warning("a line of its own, %s", when)


make_noise("imported")


@hookimpl
def register_tools(mcp, context):
    @mcp.tool
    def shout() -> str:
        """Make noise."""
        make_noise("called")
        context.logger.info("a line of its context")
        return "shouted"
