"""Keeping FastMCP to what this package tells it: everyone who imports it goes through here first."""

from __future__ import annotations

import os
import sys

_PREFIX = "FASTMCP_"
_FIXED = {
    "FASTMCP_ENV_FILE": os.devnull,  # by default it reads the working directory's .env, which is somebody's repository
    "FASTMCP_SHOW_SERVER_BANNER": "false",
    "FASTMCP_CHECK_FOR_UPDATES": "off",
}


def settle_fastmcp() -> None:
    """Have FastMCP read no settings but ours: no `.env`, no banner, no update check, no other transport or masking.

    Its `FASTMCP_…` variables are taken out of the environment, because a stray one could change the transport, show
    the details of errors, or stop its import with an error that no user of Packhorse understands.
    """
    for name in [name for name in os.environ if name.upper().startswith(_PREFIX)]:
        del os.environ[name]
    os.environ.update(_FIXED)
    imported = sys.modules.get("fastmcp")
    if imported is not None:  # somebody was earlier; what it read is put right
        imported.settings.show_server_banner = False
        imported.settings.check_for_updates = "off"
        imported.settings.transport = "stdio"
        imported.settings.mask_error_details = True
