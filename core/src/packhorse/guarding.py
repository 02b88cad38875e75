"""What surrounds code of a plugin that runs while the server is built: its time, its traces, its failure."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from time import perf_counter
from typing import TYPE_CHECKING

from packhorse.control import overruns
from packhorse.errors import ConfigurationError, UnavailableError
from packhorse.isolation import PluginCrash, contained
from packhorse.overtime import Allowance, OvertimeError, interrupted_after
from packhorse.surroundings import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.records import PluginRecord
    from packhorse.settings import CoreSettings


@contextmanager
def guarded(record: PluginRecord, doing: str, settings: CoreSettings) -> Iterator[None]:
    """Run code of a plugin; its record gets the time that it takes and what it changed for everybody, put back by then.

    Args:
        record: the plugin's.
        doing: what it did, such as "was imported".
        settings: which say how long it may take.

    Raises:
        PluginCrash: it raised anything at all, or was interrupted.
    """
    start = perf_counter()
    changed: list[str] = []
    try:
        with _allowed(record, doing, settings) as allowance, contained(), kept(changed), interrupted_after(allowance):
            yield
    finally:
        record.seconds += perf_counter() - start
        record.note_changes(doing, changed)


@contextmanager
def _allowed(record: PluginRecord, doing: str, settings: CoreSettings) -> Iterator[Allowance | None]:
    """Yield what the code may take, and remember for the next starts whether that was enough."""
    if record.isolated:  # its process has a longer limit of its own, and its code is not here
        yield None
        return
    again = overruns.overran(settings.data_dir, record, doing)
    seconds = settings.import_patience if again else settings.import_deadline
    try:
        yield Allowance(seconds, settings.import_patience, shortened=again)
    except PluginCrash as crash:
        if isinstance(crash.cause, OvertimeError) and not crash.cause.stalled:
            overruns.note(settings.data_dir, record, doing)
        raise
    if again:
        with suppress(ConfigurationError, UnavailableError):
            overruns.forget(settings.data_dir, record.distribution)
