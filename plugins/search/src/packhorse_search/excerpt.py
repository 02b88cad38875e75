"""Cutting a chunk to the lines that matter, counting tokens, and making hidden characters visible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packhorse.redaction import visible
from packhorse_indexing.lexemes import lexemes

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_LINE = 400
"""Characters of a line that are shown; longer ones are data or minified."""

_CHARACTERS_PER_TOKEN = 2.5
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class Excerpt(NamedTuple):
    """Consecutive lines of a file, 1-based and inclusive; `truncated` when the chunk has more."""

    content: str
    start_line: int
    end_line: int
    truncated: bool


def tokens(text: str) -> int:
    """Return a careful estimate of a text's tokens: code has 3 to 4 ASCII characters a token, other scripts 1."""
    others = len(_NOT_ASCII.findall(text))
    return int((len(text) - others) / _CHARACTERS_PER_TOKEN) + others + 1


def excerpt(content: str, start_line: int, words: Collection[str], allowance: int) -> Excerpt:
    """Return the chunk with hidden characters escaped, or the window of its lines with most of `words` in it.

    Args:
        content: the chunk's text.
        start_line: the number of its first line.
        words: the lexemes that the window should hold.
        allowance: the tokens that it may cost; at least one line is kept.
    """
    lines = [_line(line) for line in content.replace("\r\n", "\n").removesuffix("\n").split("\n")]
    costs = [tokens(line) for line in lines]
    if sum(costs) <= allowance:
        truncated = any(line.endswith("…") and len(line) > MAX_LINE for line in lines)
        return Excerpt("\n".join(lines), start_line, start_line + len(lines) - 1, truncated)
    values = [len(set(lexemes(line)) & set(words)) for line in lines]
    first, last = _best_window(costs, values, allowance)
    shown = lines[first : last + 1]
    return Excerpt("\n".join(shown), start_line + first, start_line + last, True)


def _best_window(costs: list[int], values: list[int], allowance: int) -> tuple[int, int]:
    """Return the window of lines worth most that the allowance pays for; of equals, the earliest."""
    best, best_value = (0, 0), -1
    first = cost = value = 0
    for last in range(len(costs)):
        cost += costs[last]
        value += values[last]
        while cost > allowance and first < last:
            cost -= costs[first]
            value -= values[first]
            first += 1
        if value > best_value:
            best, best_value = (first, last), value
    # A window that ends at its last hit wastes what is left; let it run on.
    first, last = best
    cost = sum(costs[first : last + 1])
    while last + 1 < len(costs) and cost + costs[last + 1] <= allowance:
        last += 1
        cost += costs[last]
    return first, last


def shown_lines(text: str) -> str:
    """Return lines of code with their hidden characters escaped and the longest of them cut."""
    return "\n".join(map(_line, text.split("\n")))


def shown(text: str) -> str:
    """Return a name or path on one line with its hidden characters escaped."""
    return visible(text)


def _line(line: str) -> str:
    line = line if len(line) <= MAX_LINE else line[:MAX_LINE] + " …"
    return visible(line, keep="\t")
