"""One run over one repository: scan → plan → read → chunk → embed → write, a batch at a time."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from packhorse.errors import NotFoundError
from packhorse_indexing.batch import HEAD_BYTES, Batch, Content
from packhorse_indexing.chunking import detect
from packhorse_indexing.crew import MIN_FILES, Crew
from packhorse_indexing.models import EmbedderChangedError
from packhorse_indexing.plan import UNKNOWN, Plan, Todo, make_plan, paths_of
from packhorse_indexing.prepare import Source
from packhorse_indexing.scan import Limits, UnreadableFileError, open_root, read_file, scan
from packhorse_indexing.store import content as store
from packhorse_indexing.store import listing, upkeep, vectors, work
from packhorse_indexing.writing import Vectors, write_batch, write_list

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from psycopg import Connection

    from packhorse_indexing.crew import Encode
    from packhorse_indexing.orders import Hint
    from packhorse_indexing.prepare import Prepared
    from packhorse_indexing.scan import Head, Scan
    from packhorse_indexing.store.work import Work

GROUP_FILES = 128
"""Files that are read together; after a death, those that are under suspicion."""

GROUP_BYTES = 2_000_000
"""… and their size: what is made of them takes ten times as much until it is in the batch."""

BATCH_CHUNKS = (1_000, 4_000, 8_000)
"""Chunks of the first batches and of all later ones: something is searchable soon, and the segments are few."""

BATCH_BYTES = 8_000_000
"""The size of the files from which a batch is full all the same: the worker holds it in memory."""

ANEW_FILES = 5_000
"""Files to index from which on the HNSW index is built anew afterwards: adding to it takes as long, but now."""

_NO_VECTORS = np.zeros((0, 0), dtype=np.float16)


class CancelledRunError(Exception):
    """The job was cancelled, or removed with its repository."""


class Run:
    """A job at work, on a connection of its own.

    Args:
        connection: in autocommit mode, holding the pool's lock.
        job: what to do.
        embedder: the identity and dimensions of the configured embedder.
        encode: the embedder itself when it is local and fast, so that a batch is embedded as it is made; None when
            its turn comes after everything is found by its words.
        max_file_bytes: larger files are skipped.
        hint: what there is to do, if it still holds.
        hire: gets helpers for a run with many new files.
    """

    def __init__(
        self,
        connection: Connection[Any],
        job: Work,
        embedder: tuple[str, int],
        encode: Encode | None,
        *,
        max_file_bytes: int,
        hint: Hint | None = None,
        hire: Callable[[], Crew] | None = None,
    ) -> None:
        self.connection = connection
        self.job = job
        self.embedder = embedder
        self.encode = encode
        self.max_file_bytes = max_file_bytes
        self.hint = hint
        self.hire = hire
        self.errors: list[str] = []
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """Wall time by stage."""
        self.files_total = self.files_done = self.files_unchanged = self.files_skipped = 0
        self.embed_total = self.embed_done = 0
        self.redacted: Counter[str] = Counter()
        """Secrets that were taken out of the texts, by kind."""
        self.phase = "scan"
        self._listed: Collection[str] = ()
        self._poisonous = Counter(job.poisonous)
        """How often a worker died of a file alone: then it is cut by lines, and left out if that was no help."""
        self._reported_chunks = 0
        self._crew = Crew(encode)
        self._left = 0

    def index(self) -> Head | None:
        """Bring the repository's list up to date, and return where the scan that it now equals found its HEAD.

        Raises:
            CancelledRunError: between batches; what is committed stays.
            PackhorseError: the repository cannot be indexed at all.
        """
        self._check_embedder()
        head, plan = self._follow_hint() or self._look()
        self._begin(plan)
        root = open_root(Path(self.job.path))
        try:
            self._index_files(root, plan.todo)
        finally:
            os.close(root)
        return head

    def _look(self) -> tuple[Head | None, Plan]:
        with self.stage("scan"):
            scanned_at = time.time_ns()
            found = self._scan()
        with self.stage("plan"):
            stored = listing.files(self.connection, self.job.repository_id)
            everything = self.job.force and not self.job.marked
            plan = make_plan(found, stored, now_ns=scanned_at, everything=everything)
        self._listed = stored.keys()
        return found.head, plan

    def _follow_hint(self) -> tuple[Head | None, Plan] | None:
        """Return what the one who asked for the job found, unless anything has happened to the list since."""
        hint, job = self.hint, self.job
        if hint is None or hint.job_id != job.id or job.attempts > 1 or job.force or job.suspects or job.poisonous:
            return None
        if work.last_job(self.connection, job.repository_id) != hint.last_job:
            return None
        plan = hint.plan
        with self.stage("plan"):
            paths = [*paths_of(plan.todo), *(row.path for row in plan.skipped)]
            self._listed = listing.listed_paths(self.connection, job.repository_id, paths)
        self.errors += hint.errors
        return hint.head, plan

    def _scan(self) -> Scan:
        try:
            found = scan(Path(self.job.path), Limits(max_bytes=self.max_file_bytes))
        except OSError as error:
            raise NotFoundError(
                f"{self.job.path} cannot be read: {error.strerror}.",
                remedy="If it is gone for good, remove it with `packhorse forget`.",
            ) from error
        self.errors += [f"{skip.path}: it cannot be read." for skip in found.skipped if skip.reason == "unreadable"]
        return found

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the block's duration to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start

    @contextmanager
    def transaction(self, *, progressed: bool = True) -> Iterator[None]:
        """Run a block in a transaction of the job, reported when it ends; see `work.report`.

        Raises:
            CancelledRunError: the job is not to go on.
        """
        with self.connection.transaction():
            if not work.hold(self.connection, self.job.id):
                raise CancelledRunError
            yield
            work.report(
                self.connection,
                self.job.id,
                phase=self.phase,
                files_total=self.files_total,
                files_done=self.files_done,
                files_unchanged=self.files_unchanged,
                files_skipped=self.files_skipped,
                chunks_created=self._reported_chunks,
                embed_total=self.embed_total,
                embed_done=self.embed_done,
                progressed=progressed,
            )
        self._reported_chunks = 0

    def _check_embedder(self) -> None:
        stored = (self.job.embedder, self.job.dimensions)
        if stored != self.embedder and not self.job.force:
            raise EmbedderChangedError(self.job.path, stored[0], self.embedder[0])

    def _begin(self, plan: Plan) -> None:
        """Take what is gone off the list, before anything is read."""
        self.phase = "index"
        self.files_total = plan.unchanged + len(plan.todo)
        self.files_done = self.files_unchanged = plan.unchanged
        self.files_skipped = plan.total_skipped
        if len(plan.todo) >= ANEW_FILES:
            vectors.drop(self.connection, self.job.pool_id)
        with self.stage("write"), self.transaction(progressed=False):
            write_list(self.connection, self.job, plan.skipped, plan.gone, self._listed)
            if self.job.force and not self.job.marked:
                upkeep.mark_for_rebuild(self.connection, self.job.id, self.job.pool_id, self.job.repository_key)
                if (self.job.embedder, self.job.dimensions) != self.embedder:
                    upkeep.replace_embedder(self.connection, self.job.pool_id, *self.embedder)
            if plan.gone or plan.skipped:
                upkeep.update_orphans(self.connection, self.job.pool_id)
            if plan.gone or plan.skipped:
                upkeep.count_repositories(self.connection, self.job.pool_id, self.job.repository_key)

    def _index_files(self, root: int, todo: list[Todo]) -> None:
        batch, sizes = Batch(), iter(BATCH_CHUNKS)
        limit = next(sizes)
        self._left = len(todo)
        try:
            for group, alone in self._groups(todo):
                self._take(root, batch, group, alone=alone)
                self._left -= len(group)
                if batch.chunks >= limit or batch.source_bytes >= BATCH_BYTES:
                    self._commit(batch)
                    batch, limit = Batch(), next(sizes, limit)
        finally:
            self._crew.dismiss()
        if batch.files:
            self._commit(batch)

    def _groups(self, todo: list[Todo]) -> Iterator[tuple[list[Todo], bool]]:
        """Yield the files a group at a time, and first, one by one, those among which a worker died."""
        suspects = {*self.job.suspects, *self._poisonous}
        yield from (([one], True) for one in todo if one.path in suspects)
        group, size = [], 0
        for one in todo:
            if one.path in suspects:
                continue
            group.append(one)
            size += one.signature.size or 0
            if len(group) >= GROUP_FILES or size >= GROUP_BYTES:
                yield group, False
                group, size = [], 0
        if group:
            yield group, False

    def _take(self, root: int, batch: Batch, group: list[Todo], *, alone: bool) -> None:
        """Read a group of files into the batch."""
        with self.stage("read"):
            contents = [one for todo in group if (one := self._read(root, batch, todo)) is not None]
        with self.stage("look up"):
            known = store.known_blobs(
                self.connection, self.job.pool_id, [one.hash for one in contents], [one.language for one in contents]
            )
        new: list[tuple[Content, int | None]] = []
        for one in contents:
            blob_id, rebuild = known.get(one.key, (None, True))
            if blob_id is not None and not rebuild:
                batch.listed.append((one.todo, blob_id))
            elif one.key in batch.blobs:
                batch.contents.append(one.cut())
            else:
                new.append((one, blob_id))
        if new:
            work.suspect(self.connection, self.job.id, paths_of(one.todo for one, _ in new), isolating=alone)
            if self.hire is not None and self._left >= MIN_FILES and 2 * len(new) > len(group) > 1:
                # Most is new, and more is to come.
                self._crew, self.hire = self.hire(), None
            self._chunk(batch, new, alone=alone)
            if alone:
                work.suspect(self.connection, self.job.id, (), isolating=False)

    def _read(self, root: int, batch: Batch, todo: Todo) -> Content | None:
        if self._poisonous[todo.path] > 1:
            self.files_skipped += 1
            batch.skipped.append((todo, "too slow"))
            self.errors.append(f"{todo.path}: it killed the worker, cut by lines too, so it was left out.")
            return None
        try:
            data = read_file(root, todo.path, self.max_file_bytes)
        except UnreadableFileError as error:
            self._leave_out(batch, todo, error.reason)
            return None
        return Content(todo, data, sha256(data).digest(), detect(todo.path, data[:HEAD_BYTES]), len(data))

    def _leave_out(self, batch: Batch, todo: Todo, reason: str) -> None:
        if reason == "vanished":
            self.errors.append(f"{todo.path}: it vanished while the repository was indexed.")
            batch.gone.append(todo.path)
            return
        if reason == "unreadable":
            self.errors.append(f"{todo.path}: it cannot be read.")
        self.files_skipped += 1
        batch.skipped.append((Todo(todo.path, UNKNOWN), reason))

    def _chunk(self, batch: Batch, new: list[tuple[Content, int | None]], *, alone: bool) -> None:
        fresh: dict[tuple[bytes, str], tuple[Content, int | None]] = {}
        for one, blob_id in new:
            fresh.setdefault(one.key, (one, blob_id))
        with self.stage("chunk"):
            prepared, vectors = self._crew.prepare(
                [
                    Source(one.todo.path, one.data, one.language, parse=one.todo.path not in self._poisonous)
                    for one, _ in fresh.values()
                ],
                alone=alone,
            )
        batch.vectors.append(vectors)
        made = dict(zip(fresh, prepared, strict=True))
        for one, blob_id in fresh.values():
            self._note(one, made[one.key])
            batch.take(one, blob_id, made[one.key])
        for one, _ in new:
            if one is fresh[one.key][0]:
                continue
            if one.key in batch.blobs:
                batch.contents.append(one.cut())
            else:
                self._note(one, made[one.key])
                batch.take(one, None, made[one.key])

    def _note(self, one: Content, prepared: Prepared) -> None:
        self.files_skipped += prepared.reason is not None
        if one.todo.path in self._poisonous:
            self.errors.append(f"{one.todo.path}: parsing it killed the worker twice, so it was cut by lines.")
        elif prepared.failed:
            self.errors.append(f"{one.todo.path}: {prepared.fallback}, so it was cut by lines.")

    def _commit(self, batch: Batch) -> None:
        with self.stage("embed"):
            vectors = self._vectors(batch)
        with self.stage("write"):
            self.files_done += batch.files
            self._reported_chunks = batch.chunks
            if self.encode is None:
                self.embed_total += batch.chunks
            with self.transaction():
                write_batch(self.connection, self.job, batch, vectors, self._listed)
                upkeep.count_repositories(self.connection, self.job.pool_id, self.job.repository_key)
        self.redacted.update(batch.redacted)

    def _vectors(self, batch: Batch) -> Vectors:
        if self.encode is not None:
            hashes = [chunk_hash for blob in batch.blobs.values() for chunk_hash in blob.hashes]
            made = [array for array in batch.vectors if len(array)]
            array = np.concatenate(made) if made else _NO_VECTORS
            batch.vectors.clear()
            return Vectors({chunk_hash: row for row, chunk_hash in enumerate(hashes)}, array, {})
        # A vector may not be taken from a blob that the same batch makes anew.
        anew = any(blob.id is not None for blob in batch.blobs.values())
        wanted = {chunk_hash for blob in batch.blobs.values() for chunk_hash in blob.hashes}
        older = {} if anew or not wanted else store.embedded_chunks(self.connection, self.job.pool_id, list(wanted))
        return Vectors({}, _NO_VECTORS, older)
