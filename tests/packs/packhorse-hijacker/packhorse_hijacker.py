"""Makes the process's logging its own"""

import logging
import sys

from loguru import logger

from packhorse import hookimpl

logger.remove()  # what many a program does that wants a format of its own
logger.add(sys.stderr)
logging.basicConfig(force=True)
logger.warning("a line while it was imported")


@hookimpl
def register_tools(mcp):
    @mcp.tool
    def note() -> str:
        """Log something."""
        logger.info("a line of loguru's")
        logging.getLogger(__name__).info("a line of the standard library's")
        return "noted"
