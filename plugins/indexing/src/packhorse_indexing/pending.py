"""The turn of the embedder: vectors for the chunks that wait for them, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from packhorse.errors import UnavailableError
from packhorse_indexing.store import content as store
from packhorse_indexing.store import upkeep

if TYPE_CHECKING:
    from packhorse_indexing.crew import Encode
    from packhorse_indexing.pipeline import Run


def embed_pending(run: Run, encode: Encode, batch: int) -> None:
    """Embed whatever waits in the run's pool, `batch` chunks in a transaction.

    An embedder that fails ends it with a sentence among the run's errors; what waits goes on waiting.

    Raises:
        CancelledRunError: between batches.
    """
    pool = run.job.pool_id
    waiting = upkeep.pending_total(run.connection, pool)
    if not waiting:
        return
    run.phase, run.embed_total, run.embed_done = "embed", waiting, 0
    with run.transaction(progressed=False):
        pass
    try:
        _embed(run, encode, batch)
    except UnavailableError as error:
        left = upkeep.pending_total(run.connection, pool)
        run.errors.append(f"{left} chunks wait for their embedding and are found by their words meanwhile: {error}")
    finally:
        if not run.connection.closed:
            upkeep.count_repositories(run.connection, pool)


def _embed(run: Run, encode: Encode, batch: int) -> None:
    pool = run.job.pool_id
    while chunks := upkeep.pending_chunks(run.connection, pool, batch):
        texts = {chunk.hash: chunk.content for chunk in chunks}
        older = store.embedded_chunks(run.connection, pool, list(texts))
        made = [chunk_hash for chunk_hash in texts if chunk_hash not in older]
        with run.stage("embed"):
            array = encode([texts[chunk_hash] for chunk_hash in made]) if made else np.zeros((0, 1), np.float32)
        rows = {chunk_hash: row for row, chunk_hash in enumerate(made)}
        fresh = [chunk for chunk in chunks if chunk.hash in rows]
        copies = [chunk for chunk in chunks if chunk.hash in older]
        run.embed_done += len(chunks)
        with run.stage("write"), run.transaction():
            # What an embedder gave costs more than a wait for the disk: a killed server would lose several batches.
            run.connection.execute("SET LOCAL synchronous_commit = on")
            store.add_embeddings(
                run.connection,
                pool,
                np.array([chunk.id for chunk in fresh], dtype=np.int32),
                np.array([chunk.blob_id for chunk in fresh], dtype=np.int32),
                array[[rows[chunk.hash] for chunk in fresh]] if fresh else array,
            )
            store.copy_embeddings(
                run.connection,
                pool,
                [chunk.id for chunk in copies],
                [chunk.blob_id for chunk in copies],
                [older[chunk.hash] for chunk in copies],
            )
            upkeep.count_embedded(run.connection, pool, [chunk.blob_id for chunk in chunks])
