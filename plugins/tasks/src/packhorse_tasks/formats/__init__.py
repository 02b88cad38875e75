"""Readers and writers of tasks in files: JSON lines, Markdown checklists, task-master's tasks.json, Backlog.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packhorse.errors import InvalidInputError
from packhorse_tasks.validation import TITLE_LENGTH

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 50 * 1024 * 1024


@dataclass(slots=True)
class Portable:
    """A task on its way between a file and the tracker.

    `key` names it within its file; `parent` and `depends_on` are keys. `fields` are those of a draft.
    """

    key: str
    fields: dict[str, Any]
    parent: str | None = None
    depends_on: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


def one_line(text: str) -> str:
    """Return a title that the tracker takes: on one line, without control characters, cut at its length."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:TITLE_LENGTH] or "untitled"


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        InvalidInputError: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InvalidInputError(f"{path} is larger than {MOST_BYTES // 1024 // 1024} MB.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{path} is not UTF-8 text.") from None
