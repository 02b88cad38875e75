"""Seeing to it that large pools have an index of their vectors, while the server runs and without anybody waiting."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import psycopg

from packhorse.database import reading
from packhorse.errors import PackhorseError
from packhorse_indexing.store import vectors as store

if TYPE_CHECKING:
    from loguru import Logger

    from packhorse.database import Database
    from packhorse_indexing.store.vectors import Unindexed

PAUSE = 5.0
"""Seconds between two looks for pools that want an index."""

RETRY = 300.0
"""Seconds after which a build that failed is tried again."""

LONGEST = 4 * 3600.0
"""Seconds that a build may take."""


async def keep_indexed(database: Database, least: int, messages: Logger) -> None:
    """Build, for ever, the indexes of pools with at least so many vectors, one at a time.

    PostgreSQL builds them beside reading and writing. What is interrupted, by whatever dies, leaves an invalid index,
    which no search uses and the next build removes.
    """
    failed: dict[int, float] = {}
    while True:
        await asyncio.sleep(PAUSE)
        try:
            async with reading(database) as connection:
                pools = await store.unindexed(connection, least)
            for pool in pools:
                if time.monotonic() < failed.get(pool.pool_id, 0.0):
                    continue
                failed[pool.pool_id] = time.monotonic() + RETRY
                if await _build(database, pool):
                    messages.info("Indexed some {} vectors of pool {}", pool.vectors, pool.pool_id)
                del failed[pool.pool_id]
        except (PackhorseError, psycopg.Error) as error:
            messages.warning("An index of vectors could not be built; searches scan meanwhile: {}", error)


async def _build(database: Database, pool: Unindexed) -> bool:
    async with database.connection(deadline=LONGEST) as connection:
        await connection.set_autocommit(True)
        try:
            return await store.build(connection, pool)
        finally:
            if not connection.broken:
                await connection.set_autocommit(False)
