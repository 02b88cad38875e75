"""Which plugins used up their time before the server ran: `overruns.json` in the data folder.

{"packhorse-notes": {"version": "1.0", "was imported": true}}

At the next starts the same code of the same version has only as long as code that waits, so that it costs its whole
time once. If it is done by then, or the user enables the plugin, that is forgotten.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from packhorse.control import files
from packhorse.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from packhorse.records import PluginRecord

FILE = "overruns.json"


def overran(data_dir: Path, record: PluginRecord, doing: str) -> bool:
    """Tell whether this version took too long with what it is doing; a file that cannot be read knows nothing."""
    with suppress(ConfigurationError):
        found = files.read(data_dir / FILE).get(record.distribution)
        return isinstance(found, dict) and found.get("version") == record.version and doing in found
    return False


def note(data_dir: Path, record: PluginRecord, doing: str) -> None:
    """Remember that this version took too long, if the data folder can be written."""
    with suppress(ConfigurationError, UnavailableError), files.changing(data_dir / FILE) as content:
        content[record.distribution] = {"version": record.version, doing: True}


def forget(data_dir: Path, distribution: str) -> bool:
    """Give the distribution its whole time again, and tell whether that changed anything.

    Raises:
        ConfigurationError, UnavailableError: the file cannot be read or written.
    """
    with files.changing(data_dir / FILE) as content:
        return content.pop(distribution, None) is not None
