"""What a worker does for its pool between jobs: old content collected, segments merged, statistics renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse_indexing.store import listing, postings, upkeep, work
from packhorse_indexing.store.freshness import KEPT_JOBS

if TYPE_CHECKING:
    from psycopg import Connection

BLOBS_AT_ONCE = 500


def keep_pool(connection: Connection[Any], pool_id: int, retention_days: float) -> None:
    """Put a pool in order, in short transactions that no search waits for."""
    if collect(connection, pool_id, retention_days):
        listing.delete_unlisted_paths(connection, pool_id)
    work.prune(connection, pool_id, KEPT_JOBS)
    segments = postings.segments_to_merge(connection, pool_id)
    if segments:
        with connection.transaction():
            postings.merge_segments(connection, pool_id, segments)
    if upkeep.grew(connection, pool_id):
        upkeep.analyze(connection, pool_id)


def collect(connection: Connection[Any], pool_id: int, retention_days: float) -> int:
    """Delete the content that has been on no list for longer than the retention; return how many blobs."""
    collected = 0
    while True:
        with connection.transaction():
            expired = upkeep.expired_blobs(connection, pool_id, retention_days, BLOBS_AT_ONCE)
            upkeep.delete_blobs(connection, pool_id, expired)
        collected += len(expired)
        if len(expired) < BLOBS_AT_ONCE:
            return collected
