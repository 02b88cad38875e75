"""JSON lines: one task a line with all its fields, so that an export can be imported elsewhere under the same ids."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from packhorse.errors import InvalidInputError
from packhorse_tasks.formats import Portable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packhorse_tasks.models import Task

_FIELDS = (
    "title", "description", "notes", "status", "priority", "labels", "assignee", "due_date", "acceptance_criteria",
    "planning_references", "symbols", "repository", "branches", "commits",
)  # fmt: skip


def write(tasks: Iterable[Task]) -> Iterator[str]:
    """Yield a line for each task."""
    for task in tasks:
        line: dict[str, Any] = task.shown()
        line["parent_id"] = task.parent.id if task.parent else None
        line["depends_on"] = [link.id for link in task.depends_on]
        for name in ("parent", "subtasks", "blocked"):
            del line[name]
        yield json.dumps(line, ensure_ascii=False) + "\n"


def read(text: str) -> list[Portable]:
    """Return the tasks of a file.

    Raises:
        InvalidInputError: a line is no JSON object with a title; the message has its number.
    """
    found = []
    # Not splitlines, which also splits at characters that JSON allows inside a string.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            found.append(_task(line, number))
    return found


def _task(line: str, number: int) -> Portable:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidInputError(f"Line {number} is not JSON.") from None
    if not isinstance(value, dict) or not isinstance(value.get("title"), str):
        raise InvalidInputError(f"Line {number} is no task: it needs to be an object with a title.")
    comments = [comment["body"] for comment in value.get("comments") or [] if isinstance(comment, dict)]
    return Portable(
        key=str(value.get("id") or f"line {number}"),
        fields={name: value[name] for name in _FIELDS if value.get(name) is not None},
        parent=value.get("parent_id"),
        depends_on=[str(key) for key in value.get("depends_on") or []],
        comments=[body for body in comments if isinstance(body, str)],
    )
