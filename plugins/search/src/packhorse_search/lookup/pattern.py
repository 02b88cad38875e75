"""A pattern, compiled by RE2: linear in the text whatever the pattern, within a fixed memory, outside the GIL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from packhorse.errors import InvalidInputError
from packhorse_search.lookup.literals import Required, required
from packhorse_search.lookup.syntax import Edge, SyntaxReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    import re2

    from packhorse_search.lookup.syntax import Item

MAX_LENGTH = 500
"""Characters of the longest pattern, as of a query."""

MAX_STEPS = 50_000_000
"""Instructions of a pattern times bytes of a text: at 5 ns each, the worst case, a text costs a quarter of a second."""

MAX_SIZE = 20_000
"""Instructions of a pattern, so that no ordinary chunk is too long for it."""

_MAX_MEMORY = 1 << 20
_REMEDIES = {
    "invalid perl operator: (?": "Look-around is not supported: match the line and read what is around it.",
    "invalid escape sequence: \\Z": "Use $ for the end of a line.",
    "invalid repetition size": "Repeat at most 1000 times, nested repetitions multiplied.",
    "pattern too large": "Simplify it; at most 1000 repetitions are allowed, fewer of large classes.",
    "missing ": "Escape brackets that are meant literally, or set literal.",
    "no argument for repetition operator": "Escape *, + and ? that are meant literally, or set literal.",
}


class Hit(NamedTuple):
    """A line of a text that matches: its number, from 0, and where in it the first match begins and ends, in bytes."""

    line: int
    text: bytes
    start: int
    end: int


@dataclass(frozen=True)
class Pattern:
    """What is looked for, and what every match contains."""

    required: Required
    _compiled: re2._Regexp
    _size: int
    """Instructions of what was asked for; what `word` adds is many, but hardly more than one of them is ever active."""
    _word: bool

    def is_cheap(self, text: bytes) -> bool:
        """Whether matching this text takes no longer than may be spent on one."""
        return self._size * len(text) <= MAX_STEPS

    def hits(self, text: bytes) -> Iterator[Hit]:
        r"""Yield the lines of a text, which end at `\n`, that match."""
        at = line = 0
        while at < len(text) and (match := self._compiled.search(text, at)) is not None:
            first = text.rfind(b"\n", 0, match.start()) + 1
            end = text.find(b"\n", max(match.start(), first))
            end = len(text) if end < 0 else end
            line += text.count(b"\n", at, first)
            yield Hit(line, text[first:end], match.start() - first, min(match.end(), end) - first)
            line += 1
            at = end + 1

    def spans(self, line: str) -> list[tuple[int, int]]:
        """Return where in a line, in characters, it matches, without what `word` asks for beside it."""
        found = [match.span() for match in self._compiled.finditer(line)]
        if not self._word:
            return found
        return [
            (start + (not _is_in_word(line[start])), end - (not _is_in_word(line[end - 1])))
            for start, end in found
            if end > start
        ]


def _is_in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def parse(pattern: str, *, literal: bool = False, ignore_case: bool = False, word: bool = False) -> Pattern:
    """Read a pattern in RE2's syntax, or a text that is looked for as it is.

    Args:
        pattern: what to look for, within one line.
        literal: it is a text, not a regular expression.
        ignore_case: letters match whatever their case.
        word: a match may not be part of a longer word.

    Raises:
        InvalidInputError: it is empty, too long, not valid, or asks for more than one line.
    """
    # As the index holds it: a lone surrogate is nowhere, a NUL is written so.
    pattern = pattern.encode("utf-8", "ignore").decode().replace("\0", "\ufffd")
    if not pattern:
        raise InvalidInputError("The pattern is empty.", remedy="Give the text or regular expression to look for.")
    if len(pattern) > MAX_LENGTH:
        raise InvalidInputError(
            f"The pattern has {len(pattern)} characters; at most {MAX_LENGTH} are allowed.",
            remedy="Look for its most telling part.",
        )
    if "\n" in pattern:
        raise InvalidInputError(
            "Patterns match within one line, as in grep.",
            remedy="Look for the most telling line and ask for context_lines.",
        )
    expression = _escaped(pattern) if literal else pattern
    plain, compiled = _compile(expression, pattern, ignore_case=ignore_case, word=word)
    if plain.programsize > MAX_SIZE:
        raise InvalidInputError(
            f"The pattern {pattern!r} is too intricate: {plain.programsize} instructions of {MAX_SIZE}.",
            remedy="Repeat fewer times, or smaller classes.",
        )
    reader = SyntaxReader(expression)
    items: tuple[Item, ...] = tuple(pattern) if literal else reader.read()
    if word:
        items = (Edge.CLOSED, *items, Edge.CLOSED)
    return Pattern(required(items, folds=ignore_case or reader.folds), compiled, plain.programsize, word)


def _escaped(text: str) -> str:
    return "".join(f"\\{one}" if one.isascii() and not one.isalnum() and one != "_" else one for one in text)


def _compile(expression: str, pattern: str, *, ignore_case: bool, word: bool) -> tuple[re2._Regexp, re2._Regexp]:
    import re2  # here, because a server starts sooner without it

    options = re2.Options()
    options.max_mem = _MAX_MEMORY
    options.never_nl = True
    options.never_capture = True
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        # By itself first: `a)(b` becomes valid in the group that a word is.
        plain = re2._Regexp(expression, options)  # noqa: SLF001 - `compile` keeps what it made, whoever sent it
        if word:
            outside = r"[^\pL\pM\pN_]"
            expression = f"(?:^|{outside})(?:{expression})(?:{outside}|$)"
        return plain, re2._Regexp(f"(?m){expression}", options)  # noqa: SLF001
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise InvalidInputError(
            f"The pattern {pattern!r} is not valid: {reason}.",
            remedy=next((remedy for start, remedy in _REMEDIES.items() if start in reason), _back_reference(reason)),
        ) from None


def _back_reference(reason: str) -> str:
    if reason.startswith("invalid escape sequence: \\") and reason[-1:].isdigit():
        return "Back-references are not supported."
    return "The syntax is RE2's; set literal to look for the text as it is."
