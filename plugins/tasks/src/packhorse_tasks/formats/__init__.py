"""Readers and writers of tasks in files: JSON lines, Markdown checklists, task-master's tasks.json, Backlog.md."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packhorse.errors import InvalidInputError
from packhorse_tasks.validation import CRITERION_LENGTH, TITLE_LENGTH

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 50 * 1024 * 1024
MOST_CRITERIA = 20
"""More lines than these are no list of criteria but prose."""
_BULLET = re.compile(r"\s*([-*+]|\d+[.)])\s+")


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
    return _printable(text)[:TITLE_LENGTH] or "untitled"


def criteria(text: str) -> list[str] | None:
    """Return the lines of a text as acceptance criteria; None when it is too much for that: prose for the notes."""
    found = [_printable(_BULLET.sub("", line, count=1)) for line in text.splitlines() if line.strip()]
    fit = len(found) <= MOST_CRITERIA and all(len(one) <= CRITERION_LENGTH for one in found)
    return [one for one in found if one] if fit else None


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


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
