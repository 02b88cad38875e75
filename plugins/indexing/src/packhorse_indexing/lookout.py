"""A look at a folder: is its index up to date, and if not, what is there to do? Nothing is parsed, little is read."""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse_indexing.decode import Skipped, decode
from packhorse_indexing.glance import is_unchanged
from packhorse_indexing.orders import Hint
from packhorse_indexing.plan import RACY_NS, Plan, make_plan
from packhorse_indexing.scan import Limits, Scan, UnreadableFileError, open_root, read_file, scan, take_footprint
from packhorse_indexing.store import freshness as store

if TYPE_CHECKING:
    from uuid import UUID

    from packhorse.database.pool import Database
    from packhorse_indexing.models import Repository
    from packhorse_indexing.scan import Footprint, Head
    from packhorse_indexing.store.freshness import State
    from packhorse_indexing.store.listing import Signature, StoredFile

MAX_HINTED = 5000
"""Changes that are told to a worker; it finds more by itself, in a fraction of the time that they take."""

MAX_READ = 200
"""Files that were changed just before they were indexed, and are read again to see whether they are the same still."""

UNREADABLE = "unreadable"

_KEPT_LISTS = 4
_LOOKS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Look:
    """A folder compared with its list. `state` was read before the list, and the list before the folder.

    `began` is the monotonic clock's time of its beginning, `seconds` its duration. `compared` is the beginning of the
    look that this one found still to hold, if it was a glance; `may_glance` says that the next may be one.
    """

    state: State
    head: Head | None
    plan: Plan
    errors: list[str]
    began: float
    seconds: float
    compared: float
    may_glance: bool

    @property
    def changes(self) -> int:
        """How many files are new, gone or may have changed."""
        return len(self.plan.todo) + len(self.plan.gone) + len(self.plan.skipped)

    @property
    def place(self) -> tuple[str | None, str | None]:
        """The branch and revision that the folder is at."""
        return (self.head.branch, self.head.revision) if self.head else (None, None)

    @property
    def moved(self) -> bool:
        """Whether the folder is at another branch or revision than the index."""
        return self.place != (self.state.branch, self.state.revision)

    @property
    def is_conclusive(self) -> bool:
        """Whether nothing but the files themselves could be a reason to index."""
        state = self.state
        return not (state.indexed_at is None or state.busy or state.rebuilding or state.pending)

    def hint(self, job_id: UUID) -> Hint | None:
        """Return what a job that begins now has to do, when that is little."""
        if self.state.busy or self.state.rebuilding or self.changes > MAX_HINTED:
            return None
        return Hint(job_id, self.state.last_job, self.head, self.plan, self.errors)


@dataclass(slots=True)
class _Known:
    """A list as the job `last_job` left it, and the last look if a glance may tell whether it still holds."""

    last_job: UUID | None
    listed: dict[str, StoredFile]
    proven: tuple[Look, Footprint] | None = None


class Lookout:
    """Looks at folders, two at a time, and remembers the lists of those that it looked at last."""

    def __init__(self, database: Database, max_file_bytes: int) -> None:
        self._database = database
        self._limits = Limits(max_bytes=max_file_bytes)
        self._lists: OrderedDict[UUID, _Known] = OrderedDict()
        self._slots = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def look(self, repository: Repository, *, glance: bool = False) -> Look | None:
        """Compare a repository's folder with its list; None when it was removed from the index.

        With `glance`, it is enough that the folder is as it was when it was last found to need nothing.

        Raises:
            OSError: the folder cannot be read.
        """
        began = time.monotonic()
        async with self._slots:
            async with self._database.connection() as connection:
                state = await store.state(connection, repository.id)
                if state is None:
                    return None
                known = self._remembered(repository.id, state)
                if known is None:
                    known = _Known(state.last_job, await store.files(connection, repository.id))
                    self._remember(repository.id, state, known)
            if glance and known.proven is not None:
                before, footprint = known.proven
                if await asyncio.to_thread(is_unchanged, footprint, known.listed):
                    return replace(before, state=state, began=began, seconds=time.monotonic() - began)
            found, plan, unreadable, settled, left = await asyncio.to_thread(
                _compare, repository.path, self._limits, known.listed
            )
            if settled:
                await self._settle(repository.id, known.listed, settled)
        errors = [f"{path}: it cannot be read." for path in unreadable]
        seconds = time.monotonic() - began
        look = Look(state, found.head, plan, errors, began, seconds, began, left is not None)
        known.proven = None if left is None else (look, left)
        return look

    async def record_unchanged(self, repository: Repository, look: Look) -> UUID | None:
        """Record that a look found nothing to do, as a job that is done; None when that no longer holds."""
        async with self._database.connection() as connection:
            job_id = await store.record_unchanged(
                connection,
                repository.id,
                look.state.last_job,
                head=look.place,
                files=look.plan.unchanged,
                skipped=look.plan.total_skipped,
                errors=look.errors,
                seconds=look.seconds,
            )
        known = self._lists.get(repository.id)
        if job_id is not None and known is not None and known.last_job == look.state.last_job:
            known.last_job = job_id
        return job_id

    async def _settle(
        self, repository_id: UUID, listed: dict[str, StoredFile], settled: list[tuple[str, int | None, Signature]]
    ) -> None:
        async with self._database.connection() as connection:
            await store.settle(connection, repository_id, settled)
        for path, _, signature in settled:
            listed[path] = listed[path]._replace(signature=signature, hash=None)

    def _remembered(self, repository_id: UUID, state: State) -> _Known | None:
        known = self._lists.get(repository_id)
        if known is None or known.last_job != state.last_job or state.busy or state.rebuilding:
            return None
        self._lists.move_to_end(repository_id)
        return known

    def _remember(self, repository_id: UUID, state: State, known: _Known) -> None:
        if state.busy or state.rebuilding:
            self._lists.pop(repository_id, None)
            return
        self._lists[repository_id] = known
        while len(self._lists) > _KEPT_LISTS:
            self._lists.popitem(last=False)


def _compare(
    path: str, limits: Limits, listed: dict[str, StoredFile]
) -> tuple[Scan, Plan, list[str], list[tuple[str, int | None, Signature]], Footprint | None]:
    """Return the scan, what is to do, what cannot be read, and the signatures of files found unchanged without one.

    Last the footprint, when there is nothing to do and no file may yet change and look the same.
    """
    now = time.time_ns()
    found = scan(Path(path), limits)
    plan = make_plan(found, listed, now_ns=now, everything=False)
    same = _unchanged(path, limits, plan, listed)
    closed = [name for name in same if listed[name].skipped == UNREADABLE]
    settled = [
        (todo.path, same[todo.path], todo.signature)
        for todo in plan.todo
        # What cannot be read may become readable without a change of its own.
        if todo.signature.mtime_ns is not None and todo.path in same and listed[todo.path].skipped != UNREADABLE
    ]
    todo = [one for one in plan.todo if one.path not in same]
    left_out = sum(blob is None for blob in same.values())
    compared = replace(
        plan, todo=todo, unchanged=plan.unchanged + len(same), total_skipped=plan.total_skipped + left_out
    )
    is_settled = not (todo or plan.gone or plan.skipped) and len(settled) == len(same)
    unreadable = [*(skip.path for skip in found.skipped if skip.reason == UNREADABLE), *closed]
    return found, compared, unreadable, settled, _footprint(path, found, now - RACY_NS) if is_settled else None


def _footprint(path: str, found: Scan, settled_ns: int) -> Footprint | None:
    root = Path(os.path.realpath(path))
    root_fd = open_root(root)
    try:
        return take_footprint(root_fd, root, found, settled_ns)
    finally:
        os.close(root_fd)


def _unchanged(path: str, limits: Limits, plan: Plan, listed: dict[str, StoredFile]) -> dict[str, int | None]:
    """Read those files whose stat data say nothing, if they are few; return those that are what the list says.

    Each comes with its blob, or with None when it was left out and is to be left out still.
    """
    racy = [
        (todo.path, before)
        for todo in plan.todo
        if (before := listed.get(todo.path)) is not None and before.signature.mtime_ns is None and not before.rebuild
    ]
    closed = [one for one in racy if one[1].skipped == UNREADABLE]
    if len(racy) - len(closed) > MAX_READ:
        racy = closed
    if not racy:
        return {}
    root = open_root(Path(path))
    try:
        return {name: before.blob_id for name, before in racy if _is_still(root, name, before, limits.max_bytes)}
    finally:
        os.close(root)


def _is_still(root: int, name: str, before: StoredFile, max_bytes: int) -> bool:
    try:
        data = read_file(root, name, max_bytes)
    except UnreadableFileError as error:
        return error.reason == before.skipped == UNREADABLE
    if before.skipped is None:
        return sha256(data).digest() == before.hash
    decoded = decode(data, max_bytes=max_bytes)
    return isinstance(decoded, Skipped) and decoded.reason == before.skipped
