"""Changes the process for everybody when it is imported"""

import json
import os
import signal
import sys

from packhorse import hookimpl

json.dumps = None
sys.stderr = None
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.chdir("/")
os.umask(0o777)
os.environ["DATABASE_URL"] = "postgresql://elsewhere/x"
os.environ["MEDDLER_ITSELF"] = "its own"
sys.setrecursionlimit(100)


class Finder:
    def find_spec(self, name, path=None, target=None):
        raise SystemExit(f"no {name} any more")


sys.meta_path.insert(0, Finder())


@hookimpl
def register_tools(mcp):
    type(mcp).list_tools = None
