"""Saying why a plugin is out: what its crash means, and what the reader does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.errors import PackhorseError
from packhorse.overtime import OvertimeError
from packhorse.records import Fault

if TYPE_CHECKING:
    from packhorse.isolation import PluginCrash
    from packhorse.records import PluginRecord


class Refusal(Exception):  # noqa: N818 - carries a fault, is none
    """What a plugin registered cannot stand."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.error)
        self.fault = fault


def report(record: PluginRecord) -> str:
    """Return the remedy for a defect of a plugin."""
    return (
        f"Report it to the author of {record.distribution} {record.version} (packhorse-core {record.core_version}), "
        f"or set PACKHORSE_BLOCK={record.distribution}."
    )


def fault_of(record: PluginRecord, doing: str, crash: PluginCrash) -> Fault:
    """Say what a plugin's crash means and what to do about it; `doing` is such as "was imported"."""
    cause = crash.cause
    if isinstance(cause, Refusal):
        return cause.fault
    if isinstance(cause, OvertimeError):
        return _overtime(record, doing, cause)
    remedy = cause.remedy if isinstance(cause, PackhorseError) else ""
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        module = cause.name.partition(".")[0]
        remedy = (
            f"Install what is missing (pip install {module}), "
            f"or reinstall it: pip install --force-reinstall {record.distribution}"
        )
    error = cause.message if isinstance(cause, PackhorseError) else f"It failed when it {doing}: {crash}."
    return Fault("failed", error, remedy or report(record))


def _overtime(record: PluginRecord, doing: str, cause: OvertimeError) -> Fault:
    """Say that a plugin was interrupted, and what would give it more time."""
    error, more = f"It failed when it {doing}: {cause}.", "PACKHORSE_IMPORT_DEADLINE sets how long it may take."
    if cause.stalled:
        more = "PACKHORSE_IMPORT_PATIENCE sets how long it may wait."
    elif cause.shortened:
        error = f"{error} It has no more, because at an earlier start it took longer than its whole time."
        more = f"After an upgrade, or packhorse plugins enable {record.name}, it has all of it."
    return Fault("failed", error, f"{report(record)} {more}")
