"""Tasks by meaning: vectors from the indexing plugin's embedder, when that is installed.

The vectors are made behind the writers' backs, so that an embedder that is slow or down never holds up a change; until
then, and without the indexing plugin, tasks are found by their words alone.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from packhorse.errors import PackhorseError
from packhorse_tasks import store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from packhorse.context import PluginContext
    from packhorse_indexing.embedders import Embedder
    from packhorse_tasks.search import Nearness

BATCH = 16
"""How many are embedded at a time: a call of a tool waits for no more of it."""
REST = 2.0
"""How long to rest after each batch, in times that it took, so that many that wait leave calls their processors."""
PAUSE = 1.0
"""Seconds between looks for new texts; also before the first, so that a short command never loads a model."""
_AFTER_FAILURE = 30.0


def find_embedder(context: PluginContext) -> Embedder | None:
    """Return the embedder of the indexing plugin, if that is installed and running."""
    try:
        from packhorse_indexing.service import Index
    except ImportError:
        return None
    index = context.find_service(Index)
    return None if index is None else index.embedder


async def near(context: PluginContext, query: str) -> tuple[Nearness | None, str | None]:
    """Return what to look near to, or None and the reason why only words count."""
    from pgvector import HalfVector

    from packhorse_tasks.search import Nearness

    embedder = find_embedder(context)
    if embedder is None:
        return None, "Found by words only: the indexing plugin, which understands meaning, is not running."
    try:
        vector = await embedder.embed_query(query)
    except PackhorseError as error:
        return None, f"Found by words only: {error.message}"
    if not vector.any():
        return None, None
    return Nearness(embedder.name, HalfVector(vector)), None


@asynccontextmanager
async def embedding(context: PluginContext) -> AsyncIterator[None]:
    """Keep the tasks' vectors up to date while inside."""
    worker = asyncio.create_task(_keep_up(context), name="tasks: embedding")
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def _keep_up(context: PluginContext) -> None:
    known = ""
    while True:
        await asyncio.sleep(PAUSE)
        embedder = find_embedder(context)
        if embedder is None:
            return
        try:
            if embedder.name != known:
                await _prepare(context, embedder)
                known = embedder.name
            started = time.monotonic()
            while await embed_batch(context, embedder) == BATCH:
                await asyncio.sleep(REST * (time.monotonic() - started))
                started = time.monotonic()
        except PackhorseError as error:
            context.logger.warning("Tasks wait to be embedded: {error}", error=error)
            await asyncio.sleep(_AFTER_FAILURE)


async def _prepare(context: PluginContext, embedder: Embedder) -> None:
    """Forget the vectors of other embedders, and have an index for those of this one."""
    async with context.database.connection() as connection:
        await store.rows(connection, store.LOCK_EMBEDDING, {})
        await store.rows(connection, store.FORGET_OTHER_EMBEDDERS, {"embedder": embedder.name})
        await store.rows(connection, store.INDEX_EMBEDDINGS, {"dimensions": embedder.dimensions})


async def embed_batch(context: PluginContext, embedder: Embedder) -> int:
    """Embed up to `BATCH` tasks that wait for it and return how many were; 0 too when another process is at it.

    The embedder works outside any transaction: no lock waits for a model.
    """
    from pgvector import HalfVector

    async with context.database.connection() as connection:
        waiting = await store.rows(connection, store.UNEMBEDDED, {"limit": BATCH})
    if not waiting:
        return 0
    vectors = await embedder.embed_documents([row["text"] for row in waiting])
    async with context.database.connection() as connection:
        turn = await store.row(connection, store.EMBEDDING_TURN, {})
        if turn is None or not turn["mine"]:
            return 0
        arguments = {
            "embedder": embedder.name,
            "ids": [row["id"] for row in waiting],
            "versions": [row["version"] for row in waiting],
            "vectors": [HalfVector(vector) for vector in vectors],
        }
        return len(await store.rows(connection, store.EMBED, arguments))
