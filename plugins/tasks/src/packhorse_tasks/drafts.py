"""What a caller wants of a task: validated before a transaction begins, applied to the row inside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from packhorse.errors import InvalidInputError
from packhorse_tasks import validation
from packhorse_tasks.models import PRIORITIES, STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

LINKS = ("parent_id", "depends_on")
"""The fields that connect tasks, and could close a cycle."""
COLLECTED = 1_000
"""How many branches or commits a task may collect."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields that a caller gave, validated: `values` are set, `added` are appended to lists."""

    values: dict[str, Any] = field(default_factory=dict)
    added: dict[str, list[str]] = field(default_factory=dict)
    comment: str | None = None

    @property
    def links(self) -> bool:
        """Whether the draft touches the connections between tasks."""
        return any(name in self.values for name in LINKS)

    @property
    def linked(self) -> list[UUID]:
        """The other tasks that the draft names."""
        parent = self.values.get("parent_id")
        return [*([] if parent is None else [parent]), *self.values.get("depends_on", [])]

    def applied_to(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of the row that change, with their new values."""
        wanted = dict(self.values)
        for name, items in self.added.items():
            wanted[name] = [*row[name], *(item for item in items if item not in row[name])]
            if len(wanted[name]) > COLLECTED:
                raise InvalidInputError(f"A task keeps {COLLECTED:,} {name} at most; this one has them already.")
        if wanted.get("status", "in-progress") != "in-progress" or wanted.get("deleted"):
            wanted["claimed_by"] = None
        return {name: value for name, value in wanted.items() if value != row[name]}


class Given(TypedDict, total=False):
    """What a caller may give; None means "not given", an empty text or list empties the field."""

    title: str | None
    description: str | None
    notes: str | None
    status: str | None
    priority: str | None
    labels: Sequence[str] | None
    parent_id: str | None
    depends_on: Sequence[str] | None
    assignee: str | None
    due_date: str | None
    acceptance_criteria: Sequence[str] | None
    planning_references: Sequence[str] | None
    symbols: Sequence[str] | None
    repository: str | None
    branches: Sequence[str] | None
    commits: Sequence[str] | None
    comment: str | None
    deleted: bool | None


def _one_of(name: str, value: str, words: Sequence[str]) -> str:
    if value not in words:
        allowed = ", ".join(f'"{word}"' for word in words)
        raise InvalidInputError(f"{name} {validation.quoted(value)} is unknown; it is one of {allowed}.", field=name)
    return value


def _comment(value: str) -> str:
    if not value.strip():
        raise InvalidInputError("comment is empty; leave it out or write something.", field="comment")
    return validation.text("comment", value, limit=validation.COMMENT_LENGTH)


_VALIDATED: dict[str, Callable[[Any], Any]] = {
    "title": validation.title,
    "description": partial(validation.text, "description"),
    "notes": partial(validation.text, "notes"),
    "status": partial(_one_of, "status", words=STATUSES),
    "priority": partial(_one_of, "priority", words=PRIORITIES),
    "labels": partial(validation.lines, "labels"),
    "parent_id": partial(validation.identifier, "parent_id"),
    "depends_on": lambda ids: sorted(validation.identifiers("depends_on", ids)),
    "assignee": partial(validation.line, "assignee"),
    "due_date": validation.due_date,
    "acceptance_criteria": partial(validation.lines, "acceptance_criteria", limit=validation.CRITERION_LENGTH),
    "planning_references": partial(validation.references, "planning_references"),
    "symbols": partial(validation.lines, "symbols"),
    "repository": partial(validation.line, "repository", limit=4_096),
    "branches": lambda names: [validation.branch(name) for name in names],
    "commits": lambda hashes: [validation.commit(commit) for commit in hashes],
    "comment": _comment,
    "deleted": bool,
}
_ADDED = ("branches", "commits")
_CLEARABLE = frozenset({"parent_id", "assignee", "due_date", "repository"})


def draft(**given: Unpack[Given]) -> Draft:
    """Validate what a caller gave.

    Raises:
        InvalidInputError: a value is not acceptable; the message names the field.
    """
    validated: dict[str, Any] = {}
    for name, value in given.items():
        if value is not None:
            validated[name] = None if name in _CLEARABLE and value == "" else _VALIDATED[name](value)
    comment = validated.pop("comment", None)
    added: dict[str, list[str]] = {name: validated.pop(name) for name in _ADDED if name in validated}
    return Draft(validated, added, comment)
