"""One transaction for one batch: blobs, chunks, vectors, definitions, postings and the list, or nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from packhorse_indexing.plan import path_row
from packhorse_indexing.store import content as store
from packhorse_indexing.store import listing
from packhorse_indexing.store import postings as lexical
from packhorse_indexing.store.content import BlobRow, ChunkRow, DefinitionRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray
    from psycopg import Connection

    from packhorse_indexing.batch import Batch, NewBlob
    from packhorse_indexing.store.listing import FileRow
    from packhorse_indexing.store.work import Work


MAX_NAME = 500
"""Characters of a defined name that are kept: an entry of a B-tree holds 2,700 bytes, and a hostile file more."""


class Vectors:
    """The vectors of a batch's chunks, by the hash of their content: made now, or those of older chunks.

    A chunk whose hash is in neither waits for its embedder.
    """

    def __init__(self, made: dict[bytes, int], array: NDArray[np.float16], older: dict[bytes, int]) -> None:
        self.made = made
        """The row of `array` for a hash."""
        self.array = array
        self.older = older
        """The stored chunk that has the vector of a hash."""

    def has(self, chunk_hash: bytes) -> bool:
        """Say whether there is a vector for a chunk of this hash."""
        return chunk_hash in self.made or chunk_hash in self.older


def write_batch(
    connection: Connection[Any], work: Work, batch: Batch, vectors: Vectors, listed_before: Collection[str]
) -> None:
    """Write a batch inside the caller's transaction; `listed_before` are the paths that have a row already."""
    pool = work.pool_id
    fresh = [blob for blob in batch.blobs.values() if blob.id is None]
    anew = [blob for blob in batch.blobs.values() if blob.id is not None]
    first_blob, first_chunk, segment = store.allocate(connection, pool, len(fresh), batch.chunks, min(batch.chunks, 1))
    ids = {blob.content.key: first_blob + number for number, blob in enumerate(fresh)}
    ids |= {blob.content.key: blob.id for blob in anew if blob.id is not None}
    if fresh:
        store.add_blobs(connection, pool, [_blob_row(blob, ids[blob.content.key], vectors) for blob in fresh])
    if anew:
        store.clear_blobs(connection, pool, [_blob_row(blob, ids[blob.content.key], vectors) for blob in anew])
    if batch.chunks:
        rows = [row for blob in batch.blobs.values() for row in _chunk_rows(blob, ids[blob.content.key], first_chunk)]
        store.add_chunks(connection, pool, rows)
        _write_vectors(connection, pool, rows, vectors)
        store.add_definitions(
            connection,
            pool,
            [
                row
                for blob in batch.blobs.values()
                for row in _definition_rows(blob, ids[blob.content.key], first_chunk)
            ],
        )
        lexical.add_segment(
            connection, pool, segment, batch.chunks, batch.postings.length, batch.postings.rows(first_chunk)
        )
    write_list(connection, work, batch.rows(ids), batch.gone, listed_before)
    store.revive_blobs(connection, pool, [blob_id for _, blob_id in batch.listed])


def write_list(
    connection: Connection[Any],
    work: Work,
    files: Sequence[FileRow],
    gone: Sequence[str],
    listed_before: Collection[str],
) -> None:
    """Put files on the work's list or change what it says of them, and take others off, in the caller's transaction."""
    pool, repository = work.pool_id, work.repository_key
    replaced = [row.path for row in files if row.path in listed_before]
    listing.delete_files(connection, pool, repository, [*gone, *replaced])
    if not files:
        return
    paths = [row.path for row in files]
    known = listing.known_paths(connection, pool, paths)
    if work.force:
        listing.renew_paths(connection, pool, [path_row(path_id, path) for path, path_id in known.items()])
    new = [path for path in paths if path not in known]
    if new:
        made = [
            path_row(path_id, path)
            for path_id, path in enumerate(new, listing.allocate_paths(connection, pool, len(new)))
        ]
        listing.add_paths(connection, pool, made)
        known |= {row.path: row.id for row in made}
    listing.add_files(connection, pool, repository, files, known)


def _blob_row(blob: NewBlob, blob_id: int, vectors: Vectors) -> BlobRow:
    return BlobRow(
        id=blob_id,
        hash=blob.content.hash,
        language=blob.content.language,
        lines=blob.lines,
        bytes=blob.content.size,
        chunks=len(blob.chunks),
        embedded=sum(map(vectors.has, blob.hashes)),
        fallback=blob.fallback,
    )


def _chunk_rows(blob: NewBlob, blob_id: int, first_chunk: int) -> Iterator[ChunkRow]:
    for ordinal, chunk in enumerate(blob.chunks):
        yield ChunkRow(
            id=first_chunk + blob.first + ordinal,
            blob_id=blob_id,
            ordinal=ordinal,
            start_line=chunk.start_line,
            end_line=chunk.end_line,
            kind=chunk.kind,
            symbol=chunk.symbol,
            scope=chunk.scope,
            signature=chunk.signature,
            hash=blob.hashes[ordinal],
            length=blob.lengths[ordinal],
            content=chunk.content,
        )


def _definition_rows(blob: NewBlob, blob_id: int, first_chunk: int) -> Iterator[DefinitionRow]:
    for definition in blob.definitions:
        chunk_id = first_chunk + blob.first + definition.chunk
        yield DefinitionRow(
            name=definition.name[:MAX_NAME],
            kind=definition.kind,
            chunk_id=chunk_id,
            blob_id=blob_id,
            line=definition.line,
            end_line=definition.end_line,
            scope=definition.scope,
        )


def _write_vectors(connection: Connection[Any], pool_id: int, rows: list[ChunkRow], vectors: Vectors) -> None:
    made = [(row.id, row.blob_id, vectors.made[row.hash]) for row in rows if row.hash in vectors.made]
    table = np.array(made, dtype=np.int32).reshape(-1, 3)
    store.add_embeddings(connection, pool_id, table[:, 0], table[:, 1], vectors.array[table[:, 2]])
    older = [row for row in rows if row.hash not in vectors.made and row.hash in vectors.older]
    store.copy_embeddings(
        connection,
        pool_id,
        [row.id for row in older],
        [row.blob_id for row in older],
        [vectors.older[row.hash] for row in older],
    )
