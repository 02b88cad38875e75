"""The plugin's health checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.database import reading
from packhorse.health import Health, HealthCheck
from packhorse_tasks import meaning, store

if TYPE_CHECKING:
    from packhorse.context import PluginContext

PATIENCE = 600.0
"""Seconds that a changed task may wait for its vector; the embedder's first batch may load a model."""


def health_checks(context: PluginContext) -> list[HealthCheck]:
    """Return the checks of the tracker and of tasks that wait to be found by meaning."""

    async def tracker() -> Health:
        async with reading(context.database) as connection:
            [counted] = await store.rows(connection, store.HEALTH, {})
        summary = f"{counted['open']} open tasks, {counted['claimed']} of them claimed."
        if counted["lapsed"]:
            summary += f" {counted['lapsed']} claims have run out; these tasks are ready for others."
        return Health("ok", summary)

    async def vectors() -> Health:
        embedder = meaning.find_embedder(context)
        if embedder is None:
            return Health("ok", "Tasks are found by their words; by meaning too when the indexing plugin runs.")
        async with reading(context.database) as connection:
            [waiting] = await store.rows(connection, store.WAITING, {"patience": PATIENCE})
        if waiting["late"]:
            return Health(
                "warning",
                f"{waiting['late']} tasks wait for their vector since more than {PATIENCE / 60:.0f} minutes and are "
                "found by their words meanwhile.",
                f"Look whether the embedder {embedder.name} answers: `packhorse doctor` checks it too.",
            )
        return Health("ok", f"Tasks are found by meaning; {waiting['waiting']} wait for their vector.")

    return [HealthCheck("tracker", tracker), HealthCheck("meaning", vectors)]
