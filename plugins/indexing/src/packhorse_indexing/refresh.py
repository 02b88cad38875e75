"""Bringing an index up to date just before it answers, in the time that a search can spare."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.errors import PackhorseError
from packhorse_indexing.models import Freshness
from packhorse_indexing.scan import head_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from loguru import Logger

    from packhorse_indexing.jobs import Jobs
    from packhorse_indexing.lookout import Look, Lookout
    from packhorse_indexing.models import Repository
    from packhorse_indexing.scan import Head

REST = 20.0
"""A folder is not looked at again for so many times as long as the last look took, which is 5 % of a core …"""

LONGEST_REST, WATCHED_REST = 1.5, 30.0
"""… and no longer than this, in seconds; the second when a watcher tells of changes."""

EARLY = 2.0, 0.25
"""The next look begins so many times as long as the last one took before that ends, or this share of the rest if it is
less, when somebody asks then: who asks a moment later has no look to wait for."""

FULL_LOOK = 30.0
"""Seconds for which glances stand in for a look: what git sees of a folder need not be all that we see."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """A look that found the index up to date, until when that may be taken for granted, and where HEAD was."""

    began: float
    seconds: float
    head: Head | None


class Refresher:
    """Keeps the indexes of folders up to date while they are searched."""

    def __init__(self, lookout: Lookout, jobs: Jobs, is_ours: Callable[[Repository], bool], logger: Logger) -> None:
        """Use a lookout and jobs; `is_ours` says whether the configured embedder made a repository's vectors."""
        self._lookout = lookout
        self._jobs = jobs
        self._is_ours = is_ours
        self._log = logger
        self._fresh: dict[UUID, _Verdict] = {}
        self._took: dict[UUID, float] = {}
        self._running: dict[UUID, asyncio.Task[Freshness]] = {}
        self._full: dict[UUID, asyncio.Task[Freshness]] = {}
        self._interim: dict[UUID, Freshness] = {}
        self._disturbed: dict[UUID, float] = {}
        self.watched: set[UUID] = set()
        """The repositories whose changes are told to `disturb`."""

    async def refresh(self, repository: Repository, budget_seconds: float) -> Freshness:
        """Bring a repository's index up to date within the budget, or say how it differs from the folder.

        What takes longer goes on, once for all who ask, and a look at a folder that took longer the last time is not
        waited for: it would cost the budget every time and not be done. A look at a folder is taken for granted for a
        moment that depends on how long it took, but not when HEAD has moved.
        """
        if repository.indexed_at is None:
            return Freshness(changes=None)
        until = time.monotonic() + budget_seconds
        verdict = self._fresh.get(repository.id)
        if verdict is not None:
            rest = self._rest(repository, verdict)
            left = verdict.began + verdict.seconds + rest - time.monotonic()
            if left >= 0 and await self._is_there(repository, verdict, budget_seconds):
                if left < min(EARLY[0] * verdict.seconds, EARLY[1] * rest):
                    self._task(repository)
                return Freshness()
        self._fresh.pop(repository.id, None)
        task = self._task(repository)
        hopeless = self._took.get(repository.id, 0.0) > budget_seconds
        await asyncio.wait({task}, timeout=0.0 if hopeless else max(0.0, until - time.monotonic()))
        if task.done():
            return task.result()
        return self._interim.get(repository.id) or Freshness(
            changes=None, note=f"{repository.path} is still being compared with its index{_of(repository)}."
        )

    def disturb(self, repository_id: UUID) -> None:
        """Take nothing for granted any more: something in the folder has changed."""
        self._fresh.pop(repository_id, None)
        self._disturbed[repository_id] = time.monotonic()

    async def close(self) -> None:
        """Stop following; jobs go on."""
        tasks = [*self._running.values(), *self._full.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _rest(self, repository: Repository, verdict: _Verdict) -> float:
        return WATCHED_REST if repository.id in self.watched else min(REST * verdict.seconds, LONGEST_REST)

    async def _is_there(self, repository: Repository, verdict: _Verdict, seconds: float) -> bool:
        """Whether HEAD is where it was, as far as that can be told within some seconds."""
        try:
            return await asyncio.wait_for(asyncio.to_thread(head_of, Path(repository.path)), seconds) == verdict.head
        except TimeoutError:
            return False

    def _task(self, repository: Repository) -> asyncio.Task[Freshness]:
        """Return the task that compares the folder with its index, beginning it if none is at work."""
        task = self._running.get(repository.id)
        if task is None:
            task = asyncio.create_task(self._update(repository), name=f"indexing: refresh {repository.path}")
            self._running[repository.id] = task
            task.add_done_callback(lambda _: self._running.pop(repository.id, None))
        return task

    async def _update(self, repository: Repository, *, glance: bool = True) -> Freshness:
        try:
            return await self._compare(repository, glance=glance)
        except OSError as error:
            return Freshness(
                changes=None,
                note=f"{repository.path} cannot be read now ({error.strerror}); this is its index{_of(repository)}.",
            )
        except PackhorseError as error:
            return Freshness(
                changes=None, note=f"The index of {repository.path} could not be brought up to date: {error}"
            )
        except Exception:  # noqa: BLE001 - a search is answered all the same, from the index as it is
            self._log.exception("Refreshing {} failed", repository.path)
            return Freshness(changes=None, note=f"Whether the index of {repository.path} is up to date is not known.")
        finally:
            self._interim.pop(repository.id, None)

    async def _compare(self, repository: Repository, *, glance: bool) -> Freshness:
        look = await self._lookout.look(repository, glance=glance)
        if look is not None:
            is_glance = look.began > look.compared
            self._took[repository.id] = look.seconds if is_glance or not look.may_glance else 0.0
        if look is None or look.state.busy:
            return Freshness(changes=None)  # gone, or at work, which whoever asks sees without us
        if look.changes or not look.plan.unchanged:
            self._fresh.pop(repository.id, None)
            return await self._index(repository, look)
        if look.moved:
            await self._lookout.record_unchanged(repository, look)
        if look.began > self._disturbed.get(repository.id, -1.0):
            self._fresh[repository.id] = _Verdict(look.began, look.seconds, look.head)
        if look.began - look.compared > FULL_LOOK and repository.id not in self._full:
            task = asyncio.create_task(self._update(repository, glance=False), name=f"indexing: look {repository.path}")
            self._full[repository.id] = task
            task.add_done_callback(lambda _: self._full.pop(repository.id, None))
        return Freshness()

    async def _index(self, repository: Repository, look: Look) -> Freshness:
        found = difference(repository, look)
        if not self._is_ours(repository):
            advice = "its embedder is not the configured one, so index it with force_reindex=true"
            return Freshness(changes=look.changes, note=f"{found}; {advice}.")
        self._interim[repository.id] = Freshness(
            changes=look.changes, note=f"{found}; they are being indexed, so ask again in a moment."
        )
        job_id, is_new = await self._jobs.request(repository.id, force=False)
        job = await self._jobs.follow(job_id, None, None, look.hint(job_id) if is_new else None)
        if job.status in {"failed", "cancelled"}:
            return Freshness(changes=look.changes, note=f"{found}; indexing them {job.status}: {' '.join(job.errors)}")
        return Freshness(updated=True)


def difference(repository: Repository, look: Look) -> str:
    """Say in a clause how a folder differs from its index."""
    branch, revision = look.place
    files = f"{look.changes} files may differ" if look.changes != 1 else "1 file may differ"
    where = ""
    if branch != repository.branch:
        was = repository.branch or "a detached HEAD"
        where = f" is on {branch or 'a detached HEAD'} now, and its index is of {was}:"
    elif revision != repository.revision:
        where = " is at another commit than its index:"
    return f"{repository.path}{where or ':'} {files} from the index{_of(repository)}"


def _of(repository: Repository) -> str:
    return f" of {repository.indexed_at:%Y-%m-%d %H:%M} UTC" if repository.indexed_at else ""
