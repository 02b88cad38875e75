"""The places of an index whose names are most like one that it does not have."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SLASH = re.compile("/")
_NEAR = 0.6
"""How alike, in 0..1, a name must be."""


def folders(paths: Iterable[str]) -> set[str]:
    """Return every folder that one of these files is below, but the root."""
    return {path[: slash.start()] for path in paths for slash in _SLASH.finditer(path)}


def nearest(asked: str, places: Iterable[str], count: int) -> list[str]:
    """Return the places whose names are most like that of the one asked for, those whose paths are likest first.

    Args:
        asked: a path that is none of them.
        places: paths of files or folders; all of them compared as a whole would take a second where names take 50 ms.
        count: how many to return at most.
    """
    named: dict[str, list[str]] = {}
    for place in sorted(places):
        named.setdefault(place.rpartition("/")[2], []).append(place)
    names = difflib.get_close_matches(asked.rpartition("/")[2], named, n=count, cutoff=_NEAR)
    return difflib.get_close_matches(asked, [place for name in names for place in named[name]], n=count, cutoff=0)
