"""What of a repository is searched: a folder or glob and an extension, as conditions that PostgreSQL checks.

They hold inside both retrievals, before anything is ranked, so that a filter never empties an answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from packhorse.errors import InvalidInputError

_WILDCARDS = re.compile(r"[*?\[]")
_MEMBERS = re.compile(r"(?P<first>[A-Za-z0-9])-(?P<last>[A-Za-z0-9])|.", re.DOTALL)
_MAX_LENGTH = 500
_MAX_WILDCARDS = 20


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on a file; None means any.

    `extension` is lower case and without its dot. `folder` is a relative path that a file is or lies under.
    `pattern` is a regular expression over the relative path, in the dialect that Python and PostgreSQL share.
    """

    extension: str | None = None
    folder: str | None = None
    pattern: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every file passes."""
        return self == Filter()


def parse(file_type: str | None, directory: str | None, roots: tuple[str, ...] = ()) -> Filter:
    """Read the filters of a request; `roots` are the absolute paths of the repositories, cut off from `directory`.

    Raises:
        InvalidInputError: one of them cannot be meant.
    """
    folder, pattern = _directory(directory or "", roots)
    return Filter(extension=_extension(file_type or ""), folder=folder, pattern=pattern)


def _extension(file_type: str) -> str | None:
    extension = file_type.strip().removeprefix("*").removeprefix(".").lower()
    if not extension:
        return None
    if "/" in extension or not extension.isprintable() or _WILDCARDS.search(extension):
        raise InvalidInputError(
            f"file_type is {file_type!r}, which is no extension.", remedy='Give one without the dot, such as "py".'
        )
    return extension.rpartition(".")[2]


def _directory(directory: str, roots: tuple[str, ...]) -> tuple[str | None, str | None]:
    directory = directory.strip().replace("\\", "/")
    if "\0" in directory or not directory.isprintable() or len(directory) > _MAX_LENGTH:
        raise InvalidInputError(
            "directory is no path.", remedy=f"Give a folder or a glob of at most {_MAX_LENGTH} printable characters."
        )
    parts = [part for part in PurePosixPath(_relative(directory, roots)).parts if part not in ("/", ".")]
    if ".." in parts:
        raise InvalidInputError(
            f"directory is {directory!r}, which leaves the repository.",
            remedy="Give a folder relative to the repository's root.",
        )
    path = "/".join(parts)
    if not path:
        return None, None
    if not _WILDCARDS.search(path):
        return path, None
    if len(_WILDCARDS.findall(path)) > _MAX_WILDCARDS:
        raise InvalidInputError("directory has too many wildcards.", remedy=f"Use at most {_MAX_WILDCARDS}.")
    return None, glob_pattern(path)


def _relative(directory: str, roots: tuple[str, ...]) -> str:
    for root in roots:
        if directory == root or directory.startswith(root.rstrip("/") + "/"):
            return directory[len(root.rstrip("/")) :]
    return directory


def glob_pattern(glob: str) -> str:
    r"""Translate a glob into a regular expression that a path, or a folder above it, matches as a whole.

    `*` and `?` stay within a name, `**` crosses folders, `[…]` is a set of characters. As in `.gitignore`, a glob
    without a slash matches at any depth.
    """
    if "/" not in glob:
        glob = "**/" + glob
    out = []
    i = 0
    while i < len(glob):
        if glob.startswith("**/", i):
            out.append("(?:[^/]+/)*")
            i += 3
        elif glob.startswith("**", i):
            out.append(".*")
            i += 2
        elif glob[i] == "*":
            out.append("[^/]*")
            i += 1
        elif glob[i] == "?":
            out.append("[^/]")
            i += 1
        elif glob[i] == "[" and (closing := glob.find("]", i + (3 if glob[i + 1 : i + 2] in ("!", "^") else 2))) > 0:
            out.append(_character_set(glob[i + 1 : closing]))
            i = closing + 1
        else:
            out.append(_literal(glob[i]))
            i += 1
    return f"^{''.join(out)}(?:/.*)?$"


def _character_set(members: str) -> str:
    negated = members[0] in "!^"
    escaped = _MEMBERS.sub(_member, members[1:] if negated else members)
    return f"[^/{escaped}]" if negated else f"[{escaped}]"


def _member(match: re.Match[str]) -> str:
    """Return a range that both dialects take, and every other character as itself."""
    first, last = match["first"], match["last"]
    if first is not None and first <= last:
        return f"{first}-{last}"
    return "".join(_literal(character) for character in match.group())


def _literal(character: str) -> str:
    return character if character.isalnum() or character in "_/ " or not character.isascii() else "\\" + character
