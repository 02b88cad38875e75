"""What surrounds code of a plugin that runs while the server is built: its time, its traces, its failure."""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from packhorse.isolation import contained
from packhorse.overtime import interrupted_after
from packhorse.surroundings import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.records import PluginRecord


@contextmanager
def guarded(record: PluginRecord, doing: str, seconds: float | None) -> Iterator[None]:
    """Run code of a plugin; its record gets the time that it takes and what it changed for everybody, put back by then.

    Args:
        record: the plugin's.
        doing: what it did, such as "was imported".
        seconds: after which it is interrupted; None for no limit.

    Raises:
        PluginCrash: it raised anything at all, or was interrupted.
    """
    start = perf_counter()
    changed: list[str] = []
    try:
        with contained(), kept(changed), interrupted_after(seconds):
            yield
    finally:
        record.seconds += perf_counter() - start
        record.note_changes(doing, changed)
