"""What a worker is told and what it answers: the lines of its two pipes.

A worker reads JSON from its standard input, a line for an order; the first one carries the settings too. It answers on
its standard output with `done` after each job and `idle` when it waits for another order. The end of its input means
that whoever started it is gone.
"""

from __future__ import annotations

import json
import os
import select
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from packhorse_indexing.plan import Plan, Todo
from packhorse_indexing.scan import Head
from packhorse_indexing.store.listing import FileRow, Signature

if TYPE_CHECKING:
    from typing import BinaryIO

DONE, IDLE = "done", "idle"


@dataclass(frozen=True, slots=True)
class Hint:
    """What a job has to do, found by who asked for it, so that its worker need not look for itself.

    It holds for the job `job_id` in the hands of its first worker, as long as `last_job` is the repository's last
    finished job; otherwise the worker scans.
    """

    job_id: UUID
    last_job: UUID | None
    head: Head | None
    plan: Plan
    errors: list[str] = field(default_factory=list)
    """What cannot be read, in sentences."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "job": str(self.job_id),
            "last": None if self.last_job is None else str(self.last_job),
            "head": None if self.head is None else [self.head.branch, self.head.revision],
            "errors": self.errors,
            "plan": {
                "gone": self.plan.gone,
                "skipped": [list(row) for row in self.plan.skipped],
                "todo": [[todo.path, *todo.signature] for todo in self.plan.todo],
                "unchanged": self.plan.unchanged,
                "total_skipped": self.plan.total_skipped,
            },
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Hint:
        """Return what `to_json` gave."""
        plan = data["plan"]
        return Hint(
            job_id=UUID(data["job"]),
            last_job=None if data["last"] is None else UUID(data["last"]),
            head=None if data["head"] is None else Head(*data["head"]),
            errors=data["errors"],
            plan=Plan(
                gone=plan["gone"],
                skipped=[
                    FileRow(path, blob_id, skipped, Signature(*signature))
                    for path, blob_id, skipped, signature in plan["skipped"]
                ],
                todo=[Todo(path, Signature(*signature)) for path, *signature in plan["todo"]],
                unchanged=plan["unchanged"],
                total_skipped=plan["total_skipped"],
            ),
        )


class Orders:
    """A worker's end of its pipes."""

    def __init__(self, source: BinaryIO, answers: int) -> None:
        """Read orders from `source` and write answers to the descriptor `answers`."""
        self._source = source
        self._answers = answers

    @staticmethod
    def of_process() -> Orders:
        """Take this process's standard streams; whatever else prints to standard output is not heard from now on."""
        answers = os.dup(sys.stdout.fileno())
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return Orders(sys.stdin.buffer, answers)

    def next(self, seconds: float) -> dict[str, Any] | None:
        """Return the next order, or None when none comes for so long or nobody is there to give one."""
        ready, _, _ = select.select([self._source], [], [], seconds)
        line = self._source.readline() if ready else b""
        if not line.endswith(b"\n"):
            return None
        order: dict[str, Any] = json.loads(line)
        return order

    def answer(self, word: str) -> None:
        """Say how it stands, if anybody still listens: it is in the database too."""
        with suppress(OSError):
            os.write(self._answers, f"{word}\n".encode())
