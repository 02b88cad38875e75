"""What the process of an isolated plugin is given: the user's environment without what opens the database."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.settings import plugin_prefix
from packhorse.variables import PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from packhorse.variables import Variable

_KEPT = frozenset({"PACKHORSE_TOOL_DEADLINE", "PACKHORSE_LOG_LEVEL", "PACKHORSE_LOG_JSON"})
_REMOVED = re.compile(r"DATABASE_URL|DB_\w+|PG\w+|FASTMCP_\w+|LOG_FILE|PYTHONPATH|PYTHONSTARTUP", re.IGNORECASE)
_ADDRESS = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)


def environment(
    plugin: str, others: Collection[str], variables: Mapping[str, Variable], data_dir: Path
) -> dict[str, str]:
    """Return the environment for the process of `plugin`.

    Left out are `DATABASE_URL`, libpq's `PG…`, every variable whose value is a PostgreSQL address, and everything of
    Packhorse's own but the plugin's settings. The folder of data and of logs is one of its own.

    Args:
        plugin: whose process it is.
        others: the names of all other plugins, whose settings are not this one's.
        variables: all variables that settings are read from, those of the `.env` file included.
        data_dir: the plugin's own folder.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(PREFIX) and not _REMOVED.fullmatch(name) and not _ADDRESS.search(value)
    }
    own = {variable.name: variable.value for variable in variables.values() if _is_own(plugin, others, variable.name)}
    return {
        **kept,
        **own,
        "PACKHORSE_DATA_DIR": str(data_dir),
        "PYTHONFAULTHANDLER": "1",  # the stack of a crash in C code reaches the log through standard error
        # Without the working directory, which `python -m` puts there and which is somebody's repository.
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry not in {"", str(Path.cwd())}),
    }


def _is_own(plugin: str, others: Collection[str], name: str) -> bool:
    if name in _KEPT:
        return True
    prefix = plugin_prefix(plugin)
    # The settings of `git_history` begin with the prefix of `git` too.
    longer = [plugin_prefix(one) for one in others if plugin_prefix(one).startswith(prefix)]
    return name.startswith(prefix) and not any(name.startswith(one) for one in longer)
