"""What a task is made of: the shapes that tools return, commands print and exports hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence

Status = Literal["need to be done", "in-progress", "complete"]
Priority = Literal["critical", "high", "medium", "low"]

STATUSES: tuple[Status, ...] = get_args(Status)
PRIORITIES: tuple[Priority, ...] = get_args(Priority)

_TOLD = 100


def _iso(moment: object) -> object:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.astimezone(UTC).isoformat() if isinstance(moment, datetime) else moment


def _iso_date(day: object) -> object:
    return day.isoformat() if isinstance(day, date) else day


Timestamp = Annotated[str, BeforeValidator(_iso)]
"""ISO 8601 in UTC with the offset `+00:00`, as the contract has it (pydantic alone would write `Z`)."""
Day = Annotated[str, BeforeValidator(_iso_date)]
"""ISO 8601 calendar date, `YYYY-MM-DD`."""
Identifier = Annotated[str, BeforeValidator(str)]
"""A UUID as text."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StatusChange(_Model):
    """One change of a task's status."""

    from_status: Status
    to_status: Status
    changed_at: Timestamp


class Comment(_Model):
    """A remark on a task."""

    author: str
    body: str
    created_at: Timestamp


class Link(_Model):
    """Another task, as little as one must know of it."""

    id: Identifier
    title: str
    status: Status


class Place(_Model):
    """A piece of code that a task is about; `score` runs from 0 to 1."""

    path: str
    start_line: int
    end_line: int
    symbol: str | None = None
    score: float


class Task(_Model):
    """A whole task: the contract's fields first, then ours."""

    id: Identifier
    title: str
    description: str | None
    notes: str | None
    status: Status
    created_at: Timestamp
    updated_at: Timestamp
    planning_references: list[str]
    branches: list[str]
    commits: list[str]
    status_history: list[StatusChange]
    number: int
    version: int
    priority: Priority
    labels: list[str]
    parent: Link | None
    subtasks: list[Link]
    depends_on: list[Link]
    blocked: bool
    assignee: str | None
    due_date: Day | None
    acceptance_criteria: list[str]
    symbols: list[str]
    comments: list[Comment]
    comment_count: int
    repository: str | None
    missing_references: list[str] = []
    claimed_by: str | None
    claimed_until: Timestamp | None
    deleted_at: Timestamp | None
    code: list[Place] | None = None
    hint: str | None = None

    def shown(self) -> dict[str, Any]:
        """Return the task as tools answer it: without what was not asked for."""
        optional = ("missing_references", "code", "hint")
        return {name: value for name, value in self.model_dump().items() if name not in optional or value}

    @property
    def uuid(self) -> UUID:
        """The id as the tracker takes it."""
        return UUID(self.id)


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A task in a listing: what is unremarkable (no assignee, medium priority, not blocked) is None.

    Unlike a `Task` it is not validated: it comes from the database alone, and a page has a hundred of them.
    """

    id: str
    number: int
    title: str
    status: Status
    priority: Priority | None = None
    assignee: str | None = None
    claimed_by: str | None = None
    due_date: str | None = None
    labels: list[str] | None = None
    blocked: Literal[True] | None = None

    def shown(self, *, numbered: bool = False) -> dict[str, Any]:
        """Return the summary as JSON has it; the number is for people, who type it."""
        facts = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        if not numbered:
            del facts["number"]
        return facts


@dataclass(frozen=True, slots=True)
class TaskList:
    """A page of tasks; `total_count` counts all that match, `next_offset` is where the next page starts, if any."""

    tasks: Sequence[Task] | Sequence[TaskSummary]
    total_count: int
    next_offset: int | None = None

    @property
    def summaries(self) -> list[TaskSummary]:
        """The tasks of a page that was not asked for in full."""
        return [task for task in self.tasks if isinstance(task, TaskSummary)]

    def shown(self, *, numbered: bool = False) -> dict[str, Any]:
        """Return the page as JSON has it."""
        tasks = [
            task.shown(numbered=numbered) if isinstance(task, TaskSummary) else task.shown() for task in self.tasks
        ]
        shown: dict[str, Any] = {"tasks": tasks, "total_count": self.total_count}
        return shown if self.next_offset is None else {**shown, "next_offset": self.next_offset}


class AuditEntry(_Model):
    """One recorded change: `changes` maps a field to its old and its new value."""

    version: int
    actor: str
    changes: dict[str, list[object]]
    changed_at: Timestamp

    def told(self) -> str:
        """Return the changes as a person reads them, long values cut."""
        return ", ".join(f"{name} {_short(old)} → {_short(new)}" for name, (old, new) in self.changes.items())


def _short(value: object) -> str:
    shown = "nothing" if value in (None, []) else str(value)
    return shown if len(shown) <= _TOLD else shown[:_TOLD] + "…"
