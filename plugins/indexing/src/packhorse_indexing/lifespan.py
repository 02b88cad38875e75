"""What runs while the server does: the index service, its embedder, and the watch over unfinished jobs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from packhorse_indexing.embedding import OURS, choose
from packhorse_indexing.jobs import Jobs
from packhorse_indexing.launch import Launcher
from packhorse_indexing.service import Index
from packhorse_indexing.settings import IndexingSettings
from packhorse_indexing.vectors import keep_indexed
from packhorse_indexing.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from packhorse.context import PluginContext


@asynccontextmanager
async def serve_index(context: PluginContext) -> AsyncIterator[None]:
    """Provide the `Index` for as long as the block lasts.

    Raises:
        ConfigurationError: the embedder is unknown or misconfigured.
    """
    settings = context.settings(IndexingSettings)
    embedder = choose(settings.embedder, list(context.call_hook("register_embedders")))(settings)
    more = ("register_languages", "register_chunkers")
    with_plugins = settings.embedder not in OURS or any(True for hook in more for _ in context.call_hook(hook))
    launcher = Launcher(context.core, settings, context.logger, with_plugins=with_plugins)
    jobs = Jobs(context.database, launcher, context.logger)
    index = Index(context.database, settings, embedder, jobs, context.logger, context.core.data_dir)
    context.provide(Index, index)
    tasks = [asyncio.create_task(jobs.watch(embedder.name, settings.retention_days), name="indexing: watch over jobs")]
    tasks.append(
        asyncio.create_task(
            keep_indexed(context.database, settings.hnsw_chunks, context.logger), name="indexing: indexes of vectors"
        )
    )
    if settings.watch:
        tasks.append(asyncio.create_task(Watcher(index, context.logger).run(), name="indexing: watch over folders"))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await index.refresher.close()
        launcher.close()
        await embedder.aclose()
