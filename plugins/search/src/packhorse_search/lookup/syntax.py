"""The syntax of a regular expression, as far as it tells which text every match contains.

RE2 has accepted the pattern before it is read here (its wiki page "Syntax" is the reference). What is not understood
counts as something that may be anything, so that an odd pattern is answered slowly rather than wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from packhorse.errors import InvalidInputError


class Edge(Enum):
    """What may stand beside a text: `CLOSED` no letter, digit or underscore; `ASCII` none of ASCII; `OPEN` anything."""

    CLOSED = "closed"
    ASCII = "ascii"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several sequences."""

    branches: tuple[tuple[Item, ...], ...]


Item = str | Edge | Choice
"""A character, something that is no certain text but has a certain edge on both sides, or a choice."""

_CLASSES = {"s": Edge.CLOSED, "W": Edge.ASCII, "b": Edge.ASCII}
_CONTROLS = {"a": "\a", "f": "\f", "t": "\t", "v": "\v"}
_ARGUMENTS = {"x": 2, "p": 1, "P": 1}
_REFUSED = {
    "A": ("\\A means the beginning of the whole text.", "Use ^ for a line's."),
    "z": ("\\z means the end of the whole text.", "Use $ for a line's."),
    "n": ("Patterns match within one line, as in grep.", "Look for the most telling line and ask for context_lines."),
}
_MAX_DEPTH = 200


class SyntaxReader:
    """Reads one pattern; `folds` says afterwards whether it ignores case somewhere."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0
        self.folds = False

    def read(self) -> tuple[Item, ...]:
        """Return the pattern's items.

        Raises:
            InvalidInputError: it asks for what is not offered: several lines, or the ends of the whole text.
        """
        branches = self._branches()
        return _inline(branches)

    def _branches(self) -> list[tuple[Item, ...]]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise InvalidInputError(f"The pattern nests deeper than {_MAX_DEPTH} groups.", remedy="Simplify it.")
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        self._depth -= 1
        return branches

    def _sequence(self) -> tuple[Item, ...]:
        items: list[Item] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            items += self._repeated(self._atom())
        return tuple(items)

    def _atom(self) -> tuple[Item, ...]:
        character = self._text[self._at]
        self._at += 1
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case ".":
                return (Edge.OPEN,)
            case "^" | "$":
                return (Edge.CLOSED,)
            case _:
                return (character,)

    def _repeated(self, atom: tuple[Item, ...]) -> tuple[Item, ...]:
        """Return an atom with the repetitions that follow it: what may be absent, or come again, is open."""
        while self._at < len(self._text):
            if self._take("*") or self._take("?"):
                atom = (Edge.OPEN,)
            elif self._take("+"):
                atom = _again(atom)
            elif (found := self._count()) is not None:
                atom = _again(atom) if found else (Edge.OPEN,)
            else:
                break
            self._take("?")  # lazy or not, the same is required
        return atom

    def _count(self) -> int | None:
        """Take `{n}`, `{n,}` or `{n,m}` and return n; None when the brace is a character."""
        end = self._text.find("}", self._at)
        if not self._text.startswith("{", self._at) or end < 0:
            return None
        least, _, most = self._text[self._at + 1 : end].partition(",")
        if not (least + most).isdigit() or not (least + most).isascii():
            return None
        self._at = end + 1
        return int(least or "0")

    def _group(self) -> tuple[Item, ...]:
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                self._until(">")
            else:
                flags = self._flags()
                if flags.endswith(")"):
                    return ()
        branches = self._branches()
        self._take(")")
        return _inline(branches)

    def _flags(self) -> str:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in ":)":
            self._at += 1
        self._at += 1
        flags = self._text[start : self._at]
        on, _, off = flags.partition("-")
        self.folds |= "i" in on
        if "m" in off:
            raise InvalidInputError("The flag m cannot be turned off: every line is matched by itself.")
        return flags

    def _class(self) -> tuple[Item, ...]:
        """Take a class: a certain character if it has one member, closed if all are ASCII and none part of a word."""
        start = self._at
        if self._take("^"):
            start = -1
        self._take("]")
        while self._at < len(self._text) and self._text[self._at] != "]":
            if self._text.startswith("[:", self._at):
                self._until(":]")
                start = -1
            else:
                self._at += 2 if self._text[self._at] == "\\" else 1
        members = self._text[start : self._at] if start >= 0 else ""
        self._at += 1
        return (_class_item(members),)

    def _escape(self) -> tuple[Item, ...]:
        character = self._text[self._at : self._at + 1]
        self._at += 1
        if character == "Q":
            return self._quoted()
        if character in _REFUSED:
            message, remedy = _REFUSED[character]
            raise InvalidInputError(message, remedy=remedy)
        if character in _CLASSES:
            return (_CLASSES[character],)
        if character in _CONTROLS:
            return (_CONTROLS[character],)
        if character and not character.isalnum():
            return (character,)
        self._skip_argument(character)
        return (Edge.OPEN,)

    def _quoted(self) -> tuple[Item, ...]:
        end = self._text.find("\\E", self._at)
        quoted = self._text[self._at :] if end < 0 else self._text[self._at : end]
        self._at = len(self._text) if end < 0 else end + 2
        return tuple(quoted)

    def _skip_argument(self, character: str) -> None:
        """Pass over what belongs to an escape: a character's code, a property's name."""
        if character in ("p", "P", "x") and self._take("{"):
            self._until("}")
        elif character in _ARGUMENTS:
            self._at += _ARGUMENTS[character]
        elif character.isdigit():
            while self._at < len(self._text) and self._text[self._at].isdigit():
                self._at += 1

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _until(self, text: str) -> None:
        end = self._text.find(text, self._at)
        self._at = len(self._text) if end < 0 else end + len(text)


def _inline(branches: list[tuple[Item, ...]]) -> tuple[Item, ...]:
    return branches[0] if len(branches) == 1 else (Choice(tuple(branches)),)


def _again(atom: tuple[Item, ...]) -> tuple[Item, ...]:
    """Return what is there at least once: the first time whole, then perhaps more of it."""
    return atom if len(atom) == 1 and isinstance(atom[0], Edge) else (*atom, Edge.OPEN)


def _class_item(members: str) -> Item:
    if len(members) == 1 and members.isascii():
        return members
    if members == "" or "\\" in members or "-" in members[1:-1] or not members.isascii():
        return Edge.OPEN
    return Edge.OPEN if any(member.isalnum() or member == "_" for member in members) else Edge.CLOSED
