"""Whether a chunk defines a name: by the index's definitions, or by the text where the language has no parser.

The text is read by two general rules that hold over the languages we know: a definition is a keyword, perhaps a
receiver or type parameters, and the name; or, without a keyword, a line that begins with modifiers and types, names
something, opens a parameter list and is no statement.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from packhorse_search.filenames import parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packhorse_search.candidates import Candidate

TYPE, CALLABLE, VALUE, PART = 1.0, 0.8, 0.5, 0.3
"""How likely the place that defines a name as such is what is asked for."""

OTHER_CASE = 0.5
"""The factor for a name that differs in upper and lower case only."""

OTHER_OWNER = 0.5
"""The factor for a member of something else than the query names: `Task.close` is not `Pool.close`."""

LONG_NAME = 2.0
"""The factor for a name of three words or more, which is no other thing's by chance."""

_LONG = 3

_STRENGTHS = {
    TYPE: "class struct interface trait enum union type typedef object module defmodule namespace record protocol"
    " newtype data actor annotation concept defprotocol typealias mixin contract service message schema table view",
    CALLABLE: "def defp defmacro defmacrop defguard fn func fun function sub proc macro_rules macro define method"
    " constructor procedure rule section key",
    VALUE: "const let var val static property field constant variable declaration",
    PART: "impl extension instance",
}
_STRENGTH = {word: strength for strength, words in _STRENGTHS.items() for word in words.split()}
_QUALIFIER = re.compile(r".*(?:\.|::)")
_KEYWORD = "|".join(word for word in _STRENGTH if word not in _STRENGTHS[PART].split())
_BEFORE = re.compile(
    rf"(?:^|[\s#@])(?P<keyword>{_KEYWORD})!?(?:\s*\([^()]*\))?(?:\s*<[^<>]*>)?[\s*&]+(?:[\w$]+(?:<[^<>]*>)?(?:\.|::))*$"
)
_AFTER = re.compile(
    r"\s*(?:::\s|=\s*(?:async\s+)?(?:function\b|\([^()]*\)\s*(?::[^=]+)?=>|\w+\s*=>|class\b|lambda\b)|:\s*function\b|\(\)\s*\{)"
)
_TYPED_BEFORE = re.compile(r"^(?: {0,4}|\t)(?:[\w*&<>\[\],.:?@]+[ \t]+)+[*&]*$")
_TYPED_AFTER = re.compile(r"(?:<[^<>()]*>)?\([^;]*$")
_DECLARED = {
    **dict.fromkeys(("struct", "enum", "union"), re.compile(r"\s*[*&]+\s*\w|\s+\w+\s*[;,=()\[]")),
    **dict.fromkeys(("static", "const"), re.compile(r"\s*[*&]+\s*\w")),
}
"""What follows a name that only is the type of something else: of `Pool` in `static Pool *shared`."""
_WORD = re.compile(r"[\w$]")
_STATEMENT = re.compile(
    r"^\s*(?:return|else|new|throw|await|if|for|while|case|yield|in|not|and|or|assert|raise|import|use)\b"
)


def definition_strength(names: Iterable[str], candidate: Candidate, owner: str | None = None) -> float:
    """Return how surely, in 0..2, the chunk defines one of these names, of `owner`; the strongest name counts."""
    if not (candidate.definitions or candidate.content):
        return 0.0
    return max([_factor(name) * _strength(name, candidate, owner) for name in names], default=0.0)


@lru_cache(maxsize=256)
def _factor(name: str) -> float:
    return LONG_NAME if len(parts(name)) >= _LONG else 1.0


def _owned(owner: str | None, name: str, candidate: Candidate) -> bool:
    """Whether the owner is among what encloses a definition, by its own name or by its chunk's."""
    around = (candidate.scope, candidate.symbol, name)
    return owner is None or owner.lower() in re.split(r"\W+", " ".join(filter(None, around)).lower())


def _strength(name: str, candidate: Candidate, owner: str | None) -> float:
    folded = name.lower()
    listed = [
        _STRENGTH.get(definition.kind, CALLABLE)
        * (1.0 if last == name else OTHER_CASE)
        * (1.0 if _owned(owner, definition.name, candidate) else OTHER_OWNER)
        for definition in candidate.definitions
        if folded in definition.name.lower() and (last := _QUALIFIER.sub("", definition.name)).lower() == folded
    ]
    return max(listed) if listed else _read(name, candidate.content) if candidate.content else 0.0


def _read(name: str, content: str) -> float:
    best = 0.0
    for first, last in _occurrences(name, content):
        start = content.rfind("\n", 0, first) + 1
        end = content.find("\n", last)
        before, after = content[start:first], content[last : end if end >= 0 else None]
        strength = _line_strength(before, after)
        best = max(best, strength if content[first:last] == name else strength * OTHER_CASE)
    return best


def _occurrences(name: str, content: str) -> Iterator[tuple[int, int]]:
    """Find where a name stands as a word of its own, whatever its case."""
    if not (name.isascii() and content.isascii()):  # upper and lower case are not always pairs
        yield from (match.span() for match in _pattern(name).finditer(content))
        return
    # Ten times as fast as the pattern.
    folded, lowered = name.lower(), content.lower()
    first = lowered.find(folded)
    while first >= 0:
        last = first + len(folded)
        if not (first and _WORD.match(lowered, first - 1)) and not _WORD.match(lowered, last):
            yield first, last
        else:
            last = first + 1
        first = lowered.find(folded, last)


def _line_strength(before: str, after: str) -> float:
    keyword = _BEFORE.search(before)
    if keyword:
        declared = _DECLARED.get(keyword["keyword"])
        return 0.0 if declared and declared.match(after) else _STRENGTH[keyword["keyword"]]
    if not before.strip() and _AFTER.match(after):
        return CALLABLE
    if _TYPED_BEFORE.match(before) and _TYPED_AFTER.match(after) and not _STATEMENT.match(before):
        return CALLABLE
    return 0.0


@lru_cache(maxsize=256)
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w$]){re.escape(name)}(?![\w$])", re.IGNORECASE)
