"""The plugin's health checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.errors import PackhorseError
from packhorse.health import Health, HealthCheck
from packhorse_indexing.service import Index
from packhorse_indexing.store import catalog, jobs

if TYPE_CHECKING:
    from packhorse.context import PluginContext

SILENT_SECONDS = 120.0
"""A worker reports at least this often unless it hangs, or waits for a very slow embedding service."""


def health_checks(context: PluginContext) -> list[HealthCheck]:
    """Return the checks of the embedder, of chunks that wait for it, and of jobs that give no sign."""

    async def embedder() -> Health:
        index = context.service(Index)
        try:
            vector = await index.embed_query("def main")
        except PackhorseError as error:
            return Health("failed", f"The embedder {index.embedder.name} does not work: {error.message}", error.remedy)
        if len(vector) != index.embedder.dimensions:
            return Health(
                "failed",
                f"The embedder {index.embedder.name} gives {len(vector)} dimensions instead of "
                f"{index.embedder.dimensions}.",
                "Set PACKHORSE_INDEXING_EMBEDDER_DIMENSIONS to what the model gives.",
            )
        return Health("ok", f"The embedder {index.embedder.name} answers.")

    async def pending_chunks() -> Health:
        async with context.database.connection() as connection:
            waiting = await catalog.pending(connection)
        if not waiting:
            return Health("ok", "Every chunk has its embedding.")
        listed = ", ".join(f"{chunks} of {path}" for path, chunks in waiting[:5])
        return Health(
            "warning",
            f"Chunks wait for their embedding and are found by their words meanwhile: {listed}.",
            "They are embedded when the embedder answers, or by indexing again.",
        )

    async def stuck_jobs() -> Health:
        async with context.database.connection() as connection:
            silent = await jobs.stuck(connection, SILENT_SECONDS)
        if not silent:
            return Health("ok", "No indexing job is stuck.")
        listed = ", ".join(f"{path} ({seconds:.0f} s)" for path, seconds in silent[:5])
        return Health(
            "warning", f"Indexing gives no sign of life: {listed}.", "Index again to follow it, or look at the log."
        )

    return [
        HealthCheck("embedder", embedder),
        HealthCheck("pending chunks", pending_chunks),
        HealthCheck("indexing jobs", stuck_jobs),
    ]
