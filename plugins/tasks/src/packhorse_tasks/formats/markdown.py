r"""Markdown checklists: `- [ ] Title !high #label @who due:2026-12-01`, sub-tasks indented, text indented below.

`[x]` is complete and `[/]` in progress. What a title itself ends with is escaped as in `\#12`.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from packhorse_tasks.formats import Portable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packhorse_tasks.models import Task

_ITEM = re.compile(r"(?P<indent>\s*)[-*+] \[(?P<mark>[ xX/-])\] (?P<title>.*\S)\s*")
_TAG = re.compile(r"(?:^|\s)(?P<tag>![a-z]+|#[^\s#@!\\]+|@[^\s\\]+|due:\d{4}-\d\d-\d\d)$")
_STATUS = {" ": "need to be done", "x": "complete", "X": "complete", "/": "in-progress", "-": "in-progress"}
_MARK = {"need to be done": " ", "complete": "x", "in-progress": "/"}
_PRIORITIES = {"!critical", "!high", "!medium", "!low"}
_INDENT = "  "


def write(tasks: Iterable[Task]) -> Iterator[str]:
    """Yield the lines of a checklist; a sub-task stands below its parent when that is among the tasks."""
    listed = {task.id: task for task in tasks}
    children: dict[str | None, list[Task]] = {}
    for task in listed.values():
        parent = task.parent.id if task.parent and task.parent.id in listed else None
        children.setdefault(parent, []).append(task)
    waiting = [(task, 0) for task in reversed(children.get(None, []))]
    while waiting:
        task, depth = waiting.pop()
        yield from _lines(task, _INDENT * depth)
        waiting += [(child, depth + 1) for child in reversed(children.get(task.id, []))]


def _lines(task: Task, indent: str) -> Iterator[str]:
    tags = [f"!{task.priority}"] if task.priority != "medium" else []
    tags += [f"#{label}" for label in task.labels if not re.search(r"[\s#@!\\]", label)]
    tags += [f"@{task.assignee}"] if task.assignee and not re.search(r"[\s\\]", task.assignee) else []
    tags += [f"due:{task.due_date}"] if task.due_date else []
    yield f"{indent}- [{_MARK[task.status]}] {' '.join([_escaped(task.title), *tags])}\n"
    for line in (task.description or "").splitlines():
        # A line that looks like an item would come back as a task.
        escape = "\\" if _ITEM.fullmatch(line) else ""
        yield f"{indent}{_INDENT}{escape}{line}".rstrip() + "\n"


def _escaped(title: str) -> str:
    words = title.split(" ")
    return " ".join("\\" + word if _TAG.search(word) or word.startswith("\\") else word for word in words)


def read(text: str) -> list[Portable]:
    """Return the tasks of a checklist; other lines count only as the description of the item above them."""
    found: list[Portable] = []
    open_items: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    for line in text.splitlines():
        item = _ITEM.fullmatch(line)
        if item is None:
            _describe(found, open_items, line)
            continue
        depth = len(item["indent"].expandtabs(4))
        while open_items and open_items[-1][0] >= depth:
            open_items.pop()
        parent = open_items[-1][1] if open_items else None
        fields = _fields(item["title"], _STATUS[item["mark"]])
        key = _key(parent, fields["title"], seen)
        found.append(Portable(key=key, fields=fields, parent=parent))
        open_items.append((depth, key))
    for task in found:
        if "description" in task.fields:
            task.fields["description"] = task.fields["description"].strip("\n")
    return found


def _describe(found: list[Portable], open_items: list[tuple[int, str]], line: str) -> None:
    blank = not line.strip()
    if not found or not open_items or (not blank and len(line) - len(line.lstrip()) <= open_items[-1][0]):
        open_items.clear()
        return
    fields = found[-1].fields
    if blank and "description" not in fields:
        return
    told = line.strip()
    fields["description"] = fields.get("description", "") + (told[1:] if _ITEM.fullmatch(told[1:]) else told) + "\n"


def _fields(text: str, status: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"status": status}
    labels: list[str] = []
    while (found := _TAG.search(text)) is not None and found.start() > 0:
        tag = found["tag"]
        if tag.startswith("!") and tag not in _PRIORITIES:
            break
        text = text[: found.start()].rstrip()
        if tag.startswith("#"):
            labels.insert(0, tag[1:])
        elif tag.startswith("@"):
            fields["assignee"] = tag[1:]
        elif tag.startswith("!"):
            fields["priority"] = tag[1:]
        else:
            fields["due_date"] = tag[4:]
    if labels:
        fields["labels"] = labels
    fields["title"] = " ".join(word.removeprefix("\\") for word in text.split(" "))
    return fields


def _key(parent: str | None, title: str, seen: dict[str, int]) -> str:
    """Return what names the item in its file: its title and place, not its line, so that lines can be added above."""
    key = hashlib.sha256(f"{parent}\n{title}".encode("utf-8", "replace")).hexdigest()[:24]
    seen[key] = seen.get(key, 0) + 1
    return key if seen[key] == 1 else f"{key}-{seen[key]}"
