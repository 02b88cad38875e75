"""What runs while the server does: the index service, its embedder, and the watch over unfinished jobs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from packhorse_indexing.embedding import OURS, choose
from packhorse_indexing.jobs import Jobs
from packhorse_indexing.launch import Launcher
from packhorse_indexing.service import Index
from packhorse_indexing.settings import IndexingSettings

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
    with_plugins = settings.embedder not in OURS or any(context.call_hook("register_languages"))
    launcher = Launcher(context.core, settings, context.logger, with_plugins=with_plugins)
    jobs = Jobs(context.database, launcher, context.logger)
    context.provide(Index, Index(context.database, settings, embedder, jobs))
    watch = asyncio.create_task(jobs.watch(embedder.name), name="indexing: watch over jobs")
    try:
        yield
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await embedder.aclose()
