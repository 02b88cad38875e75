"""The tasks.json of task-master: a list of tasks with sub-tasks, in newer versions one list for each tag."""

from __future__ import annotations

import json
from typing import Any

from packhorse.errors import InvalidInputError
from packhorse_tasks.formats import Portable, criteria, one_line

_STATUS = {
    "pending": "need to be done", "deferred": "need to be done", "blocked": "need to be done",
    "in-progress": "in-progress", "review": "in-progress",
    "done": "complete", "completed": "complete", "cancelled": "complete",
}  # fmt: skip
_LABELLED = {"deferred", "blocked", "review", "cancelled"}
_MAIN_TAG = "master"


def read(text: str) -> list[Portable]:
    """Return the tasks and sub-tasks of all tags; a status or tag that we lack becomes a label.

    Raises:
        InvalidInputError: it is no tasks.json.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInputError("The file is not JSON.") from None
    lists = _lists(value)
    if not lists:
        raise InvalidInputError('The file is no tasks.json of task-master: it has no list of "tasks".')
    found: dict[str, Portable] = {}
    for task in (task for tag, tasks in lists.items() for task in _tasks(tag, tasks)):
        name, times = task.key, 1
        while task.key in found:  # files that task-master itself has written repeat a number now and then
            times += 1
            task.key = f"{name} ({times})"
        found[task.key] = task
    return list(found.values())


def _lists(value: Any) -> dict[str, list[dict[str, Any]]]:
    if not isinstance(value, dict):
        return {}
    tagged = {_MAIN_TAG: value} if isinstance(value.get("tasks"), list) else value
    return {
        tag: [task for task in content["tasks"] if isinstance(task, dict)]
        for tag, content in tagged.items()
        if isinstance(content, dict) and isinstance(content.get("tasks"), list)
    }


def _tasks(tag: str, tasks: list[dict[str, Any]]) -> list[Portable]:
    found = []
    for task in tasks:
        key = f"{tag}/{task.get('id')}"
        needs = [f"{tag}/{one}" for one in task.get("dependencies") or []]
        found.append(Portable(key, _fields(task, tag), depends_on=needs))
        for sub in task.get("subtasks") or []:
            if isinstance(sub, dict):
                # A sub-task's number alone means its sibling, "3.1" any sub-task, and a text of one number a task.
                siblings = [
                    f"{key}.{one}" if isinstance(one, int) else f"{tag}/{one}" for one in sub.get("dependencies") or []
                ]
                found.append(Portable(f"{key}.{sub.get('id')}", _fields(sub, tag), parent=key, depends_on=siblings))
    return found


def _fields(task: dict[str, Any], tag: str) -> dict[str, Any]:
    status = str(task.get("status") or "pending").lower()
    labels = ([tag] if tag != _MAIN_TAG else []) + ([status] if status in _LABELLED or status not in _STATUS else [])
    priority = str(task.get("priority") or "medium").lower()
    notes = [_text(task.get("details"))]
    wanted: list[str] = []
    for name, heading in (("acceptanceCriteria", "Acceptance criteria"), ("testStrategy", "Test strategy")):
        text = _text(task.get(name))
        lines = criteria(text)
        if lines is None:
            notes.append(f"{heading}\n{text}")
        else:
            wanted += lines
    fields: dict[str, Any] = {
        "title": one_line(_text(task.get("title"))),
        "status": _STATUS.get(status, "need to be done"),
        "priority": priority if priority in {"low", "medium", "high", "critical"} else "medium",
        "description": _text(task.get("description")) or None,
        "notes": "\n\n".join(part for part in notes if part),
        "labels": labels,
        "acceptance_criteria": wanted,
    }
    return {name: value for name, value in fields.items() if value}


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
