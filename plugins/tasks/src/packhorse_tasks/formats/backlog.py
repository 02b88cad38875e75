"""Folders of Backlog.md: a Markdown file for each task, its fields in front matter, its text in sections."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from packhorse.errors import InvalidInputError
from packhorse_tasks.formats import Portable, one_line, read_text
from packhorse_tasks.validation import CRITERION_LENGTH, LIST_LENGTH, reference

if TYPE_CHECKING:
    from pathlib import Path

_FOLDERS = {"tasks": None, "completed": "complete"}
_STATUS = {"to do": "need to be done", "in progress": "in-progress", "done": "complete"}
_SECTION = re.compile(r"^##[ \t]+(.+?)[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CRITERION = re.compile(r"^\s*[-*] \[([ xX])\] (?:#\d+ )?(.*\S)\s*$", re.MULTILINE)
_CRITERIA = "acceptance criteria"
_PREFIX = re.compile(r"[a-z]+-(?=\d)")
_FILES = ("modified_files", "references", "documentation")


def read(folder: Path) -> list[Portable]:
    """Return the tasks of a project or of its `backlog` folder, drafts and archived ones left out.

    Raises:
        InvalidInputError: there is no folder of tasks, or a file cannot be read.
    """
    root = folder / "backlog" if (folder / "backlog").is_dir() else folder
    if not (root / "tasks").is_dir():
        raise InvalidInputError(f"{folder} is no folder of Backlog.md: it has no backlog/tasks.")
    tasks = [
        task
        for name, status in _FOLDERS.items()
        if (root / name).is_dir()
        for path in sorted((root / name).glob("*.md"))
        if (task := _task(read_text(path), status)) is not None
    ]
    return _connected(tasks)


def _connected(tasks: list[Portable]) -> list[Portable]:
    """Return the tasks, their references right also where a project's prefix changed and older files say the former."""
    keys = {task.key for task in tasks}
    by_number = {_PREFIX.sub("", task.key): task.key for task in tasks}

    def meant(key: str) -> str:
        return key if key in keys else by_number.get(_PREFIX.sub("", key), key)

    for task in tasks:
        task.parent = None if task.parent is None else meant(task.parent)
        task.depends_on = [meant(key) for key in task.depends_on]
    return tasks


def _task(text: str, status: str | None) -> Portable | None:
    """Return the task of a file; None for one without an id, such as a readme."""
    matter, body = _split(text)
    if not matter.get("id"):
        return None
    sections = _sections(body)
    description = sections.pop("description", "") or sections.pop("", "")
    found = _CRITERION.findall(sections.get(_CRITERIA, ""))
    if len(found) <= LIST_LENGTH and all(len(text) <= CRITERION_LENGTH for _, text in found):
        sections.pop(_CRITERIA, None)
    else:
        found = []
    notes = "\n\n".join(f"{name.capitalize()}\n{text}".strip() for name, text in sections.items() if text)
    stated = str(matter.get("status") or "to do").lower()
    labels = [*_list(matter.get("labels")), *([stated] if stated not in _STATUS else [])]
    priority = str(matter.get("priority") or "medium").lower()
    fields: dict[str, Any] = {
        "title": one_line(str(matter.get("title") or matter["id"])),
        "status": status or _STATUS.get(stated, "need to be done"),
        "priority": priority if priority in {"low", "medium", "high", "critical"} else "medium",
        "labels": labels,
        "assignee": next(iter(_list(matter.get("assignee"))), "").removeprefix("@") or None,
        "description": description or None,
        "notes": notes or None,
        "acceptance_criteria": [f"{'[x] ' if met != ' ' else ''}{text}" for met, text in found],
        "planning_references": [path for name in _FILES for path in _list(matter.get(name)) if _is_file(path)],
    }
    return Portable(
        key=_key(str(matter["id"])),
        fields={name: value for name, value in fields.items() if value},
        parent=_key(str(matter["parent_task_id"])) if matter.get("parent_task_id") else None,
        depends_on=[_key(one) for one in _list(matter.get("dependencies"))],
    )


def _is_file(path: str) -> bool:
    """Tell whether a reference is a path in the repository, and neither an address nor one that climbs out."""
    try:
        return "://" not in path and bool(reference("reference", path))
    except InvalidInputError:
        return False


def _key(name: str) -> str:
    return name.strip().lower()


def _split(text: str) -> tuple[dict[str, Any], str]:
    """Return the front matter and what follows; the little YAML that Backlog.md writes, no more."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in [line.strip() for line in lines[1:]]:
        return {}, text
    end = [line.strip() for line in lines].index("---", 1)
    matter: dict[str, Any] = {}
    name = ""
    for line in lines[1:end]:
        item = re.match(r"\s*- (.*)$", line)
        if item and name:
            matter[name] = [*_list(matter.get(name)), _scalar(item[1])]
            continue
        pair = re.match(r"([A-Za-z_]+):\s*(.*)$", line)
        if pair:
            name = pair[1]
            matter[name] = _value(pair[2])
        elif name and line.startswith(" ") and isinstance(matter[name], str):
            matter[name] = f"{matter[name].rstrip('>-|')} {line.strip()}".strip()
    return matter, "\n".join(lines[end + 1 :])


def _value(text: str) -> Any:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_scalar(item) for item in text[1:-1].split(",") if item.strip()]
    return _scalar(text)


def _scalar(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text


def _list(value: Any) -> list[str]:
    return [str(item) for item in value if item] if isinstance(value, list) else [str(value)] if value else []


def _sections(body: str) -> dict[str, str]:
    parts = _SECTION.split(_COMMENT.sub("", body))
    sections = {"": parts[0].strip()}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        sections[name.lower()] = text.strip()
    return sections
