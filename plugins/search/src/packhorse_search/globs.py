"""Folders and globs as regular expressions over relative paths, in the dialect that Python and PostgreSQL share."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from packhorse.errors import InvalidInputError

WILDCARDS = re.compile(r"[*?\[]|\{[^{}]*,[^{}]*\}")
_ALTERNATIVES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_MEMBERS = re.compile(r"(?P<first>[A-Za-z0-9])-(?P<last>[A-Za-z0-9])|.", re.DOTALL)
_MAX_LENGTH = 500
_MAX_WILDCARDS = 20


def pattern(directory: str, roots: tuple[str, ...] = ()) -> str | None:
    """Return a regular expression for the files in a folder or under a glob; None for the whole repository.

    Args:
        directory: relative to the repository's root, or absolute beneath one of `roots`.
        roots: the absolute paths of the repositories.

    Raises:
        InvalidInputError: it cannot be meant.
    """
    directory = directory.strip().replace("\\", "/")
    if not directory.isprintable() or len(directory) > _MAX_LENGTH:
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
        return None
    if len(WILDCARDS.findall(path)) > _MAX_WILDCARDS:
        raise InvalidInputError("directory has too many wildcards.", remedy=f"Use at most {_MAX_WILDCARDS}.")
    # A folder may be called `[id]`: what is written like a glob means the folder of that name too.
    literal = f"^{''.join(map(_literal, path))}(?:/|$)"
    return f"{literal}|{glob_pattern(path)}" if WILDCARDS.search(path) else literal


def _relative(directory: str, roots: tuple[str, ...]) -> str:
    for root in roots:
        if directory == root or directory.startswith(root.rstrip("/") + "/"):
            return directory[len(root.rstrip("/")) :]
    return directory


def glob_pattern(glob: str) -> str:
    r"""Translate a glob into a regular expression that a path, or a folder above it, matches as a whole.

    `*` and `?` stay within a name, `**` crosses folders, `[…]` is a set of characters, `{a,b}` one or the other. As in
    `.gitignore`, a glob without a slash matches at any depth.
    """
    if "/" not in glob:
        glob = "**/" + glob
    return f"^{_translated(glob)}(?:/|$)"


def _translated(glob: str) -> str:
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
        elif alternatives := _ALTERNATIVES.match(glob, i):
            out.append(f"(?:{'|'.join(map(_translated, alternatives[1].split(',')))})")
            i = alternatives.end()
        else:
            out.append(_literal(glob[i]))
            i += 1
    return "".join(out)


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
