"""Saying why a plugin is out: what its crash means, and what the reader does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.errors import PackhorseError
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
    remedy = cause.remedy if isinstance(cause, PackhorseError) else ""
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        module = cause.name.partition(".")[0]
        remedy = (
            f"Install what is missing (pip install {module}), "
            f"or reinstall it: pip install --force-reinstall {record.distribution}"
        )
    error = cause.message if isinstance(cause, PackhorseError) else f"It failed when it {doing}: {crash}."
    return Fault("failed", error, remedy or report(record))
