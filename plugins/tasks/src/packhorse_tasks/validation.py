"""What is refused before it reaches the database, each with one sentence that names the field and the remedy."""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from uuid import UUID

from packhorse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLE_LENGTH = 200
TEXT_LENGTH = 50_000
COMMENT_LENGTH = 10_000
NAME_LENGTH = 200
PATH_LENGTH = 1_000
LIST_LENGTH = 100
CRITERION_LENGTH = 1_000

_COMMIT = re.compile(r"[0-9a-f]{40}")
# What git-check-ref-format(1) and git-branch(1) refuse in the name of a branch, control characters aside.
_NO_BRANCH = re.compile(r"[ ~^:?*\[\\]|\.\.|@\{|//|(^|/)\.|\.lock(/|$)|^[-/]|[/.]$|^(@|HEAD)$")
_DRIVE = re.compile(r"[A-Za-z]:")
_QUOTED_LENGTH = 60


def quoted(value: str) -> str:
    """Return the value as a message may show it: short, on one line, without control characters."""
    shown = value if len(value) <= _QUOTED_LENGTH else value[:_QUOTED_LENGTH] + "…"
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown) + '"'


def text(name: str, value: str, *, limit: int = TEXT_LENGTH) -> str:
    """Return the text unchanged.

    Raises:
        InvalidInputError: it is longer than `limit` characters, or has characters that PostgreSQL cannot store.
    """
    if len(value) > limit:
        raise InvalidInputError(f"{name} has {len(value):,} characters; {limit:,} are allowed.", field=name)
    if "\0" in value:
        raise InvalidInputError(f"{name} contains a NUL character; remove it.", field=name)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{name} contains a lone surrogate at character {error.start + 1}; it is no valid Unicode.", field=name
        ) from None
    return value


def line(name: str, value: str, *, limit: int = NAME_LENGTH) -> str:
    """Return a text of one line, stripped of surrounding blanks.

    Raises:
        InvalidInputError: it is blank, too long, or has control characters.
    """
    stripped = text(name, value, limit=limit).strip()
    if not stripped:
        raise InvalidInputError(f"{name} is empty; give 1 to {limit:,} characters.", field=name)
    if any(ord(c) < ord(" ") or c == "\x7f" for c in stripped):
        raise InvalidInputError(f"{name} contains a line break or another control character; remove it.", field=name)
    return stripped


def title(value: str) -> str:
    """Return the title of a task, 1 to 200 characters on one line."""
    return line("title", value, limit=TITLE_LENGTH)


def lines(name: str, values: Sequence[str], *, limit: int = NAME_LENGTH, count: int = LIST_LENGTH) -> list[str]:
    """Return the list without duplicates, its order kept.

    Raises:
        InvalidInputError: it has more than `count` items, or one is not acceptable to `line`.
    """
    if len(values) > count:
        raise InvalidInputError(f"{name} has {len(values):,} items; {count:,} are allowed.", field=name)
    return list(dict.fromkeys(line(f"{name}[{i}]", value, limit=limit) for i, value in enumerate(values)))


def identifier(name: str, value: str) -> UUID:
    """Return the id of a task.

    Raises:
        InvalidInputError: it is no UUID.
    """
    try:
        return UUID(text(name, value, limit=NAME_LENGTH))
    except ValueError:
        raise InvalidInputError(
            f"{name} {quoted(value)} is no task id, which is a UUID.", remedy="list_tasks shows the ids.", field=name
        ) from None


def identifiers(name: str, values: Sequence[str]) -> list[UUID]:
    """Return the ids of several tasks without duplicates, their order kept."""
    return [identifier(f"{name}[{i}]", value) for i, value in enumerate(lines(name, values))]


def branch(value: str) -> str:
    """Return the name of a branch.

    Raises:
        InvalidInputError: git would not take it.
    """
    name = line("branch", value)
    wrong = _NO_BRANCH.search(name)
    if wrong:
        raise InvalidInputError(
            f"branch {quoted(name)} is no name that git takes, because of {quoted(wrong[0])}.",
            remedy="Give it as `git branch --show-current` prints it.",
            field="branch",
        )
    return name


def commit(value: str) -> str:
    """Return the full hash of a commit.

    Raises:
        InvalidInputError: it is not 40 lower-case hexadecimal digits.
    """
    if not _COMMIT.fullmatch(value):
        raise InvalidInputError(
            f"commit {quoted(value)} is not the full hash of a commit, 40 lower-case hexadecimal digits.",
            remedy="`git rev-parse HEAD` prints it.",
            field="commit",
        )
    return value


def due_date(value: str) -> date:
    """Return a calendar date.

    Raises:
        InvalidInputError: it is not YYYY-MM-DD, or no such day exists.
    """
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise InvalidInputError(
            f"due_date {quoted(value)} is no date; write it as YYYY-MM-DD.", field="due_date"
        ) from None


def reference(name: str, value: str) -> str:
    """Return a path relative to the repository, '/'-separated, without `.` and doubled slashes.

    Raises:
        InvalidInputError: it is absolute, begins at a home folder, or leaves the repository by `..`.
    """
    path = line(name, value, limit=PATH_LENGTH).replace("\\", "/")
    if path.startswith(("/", "~")) or _DRIVE.match(path):
        raise InvalidInputError(
            f"{name} {quoted(value)} is not relative; give the path from the repository's root.", field=name
        )
    if ".." in PurePosixPath(path).parts:
        raise InvalidInputError(f"{name} {quoted(value)} contains '..'; references stay in the repository.", field=name)
    normal = PurePosixPath(path).as_posix()
    if normal == ".":
        raise InvalidInputError(f"{name} {quoted(value)} names no file.", field=name)
    return normal


def references(name: str, values: Sequence[str]) -> list[str]:
    """Return several relative paths without duplicates, their order kept."""
    if len(values) > LIST_LENGTH:
        raise InvalidInputError(f"{name} has {len(values):,} items; {LIST_LENGTH} are allowed.", field=name)
    return list(dict.fromkeys(reference(f"{name}[{i}]", value) for i, value in enumerate(values)))
