"""Cutting a chunk to the lines that matter, counting tokens, and making hidden characters visible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from packhorse.redaction import visible
from packhorse_search.likely import hits

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_LINE = 200
"""Characters of a line that are shown; longer ones are prose, data or minified."""

_CUT = " …"
_DEFINITION_WORTH = 5
"""What the line of a definition is worth, in words of the query."""
_COMMENT = re.compile(r"\s*(?:#(?!\w)|//|/?\*|--|;|%|['\"]{3})")

_WORD = re.compile(r"\w")

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
    others = 0 if text.isascii() else len(_NOT_ASCII.findall(text))
    return int((len(text) - others) / _CHARACTERS_PER_TOKEN) + others + 1


def excerpt(
    content: str,
    start_line: int,
    probes: Collection[str],
    *,
    allowance: int,
    lines: int = 1_000,
    symbol: str | None = None,
) -> Excerpt:
    """Return the chunk without the blank lines around it, or the window of its lines that says most about a query.

    Args:
        content: the chunk's text.
        start_line: the number of its first line.
        probes: what the window should hold, for each word of the query what it and its forms begin with, say; to cut
            every line into its words takes ten times as long and shows no better lines (`docs/retrieval.md`).
        allowance: the tokens that it may cost; at least one line is kept.
        lines: how many lines it may have.
        symbol: a name whose first line, where it is defined most likely, is worth more than others.
    """
    texts = content.replace("\r\n", "\n").split("\n")
    filled = [i for i, text in enumerate(texts) if text.strip()] or [0]
    texts = texts[filled[0] : filled[-1] + 1]
    start_line += filled[0]
    if lines == 1 and len(texts) > 1:
        values = _values(texts, probes, symbol)
        first = values.index(max(values))
        return Excerpt(_line(texts[first]), start_line + first, start_line + first, True)
    texts = list(map(_line, texts))
    costs = [tokens(text) for text in texts]
    if len(texts) <= lines and sum(costs) <= allowance:
        truncated = any(text.endswith(_CUT) and len(text) > MAX_LINE for text in texts)
        return Excerpt("\n".join(texts), start_line, start_line + len(texts) - 1, truncated)
    first, last = _best_window(costs, _values(texts, probes, symbol), lines, allowance)
    while first < last and not texts[last].strip():
        last -= 1
    while first < last and not texts[first].strip():
        first += 1
    return Excerpt("\n".join(texts[first : last + 1]), start_line + first, start_line + last, True)


def _values(texts: list[str], probes: Collection[str], symbol: str | None) -> list[int]:
    """Return what each line is worth: the words of the query in it, and the definition."""
    values = hits(probes, texts)
    if symbol:
        defined = next((i for i, text in enumerate(texts) if _names(text, symbol)), None)
        if defined is not None:
            values[defined] += _DEFINITION_WORTH
    return values


def _names(text: str, symbol: str) -> bool:
    """Whether a line that is no comment holds the symbol as a word of its own."""
    first = text.find(symbol)
    while first >= 0:
        last = first + len(symbol)
        if not _WORD.match(text[first - 1 : first]) and not _WORD.match(text[last : last + 1]):
            return not _COMMENT.match(text)
        first = text.find(symbol, first + 1)
    return False


def _best_window(costs: list[int], values: list[int], lines: int, allowance: int) -> tuple[int, int]:
    """Return the window of lines worth most that fits; of equals, the earliest."""
    best, best_value = (0, 0), -1
    first = cost = value = 0
    for last in range(len(costs)):
        cost += costs[last]
        value += values[last]
        while (cost > allowance or last - first >= lines) and first < last:
            cost -= costs[first]
            value -= values[first]
            first += 1
        if value > best_value:
            best, best_value = (first, last), value
    # A window that ends at its last hit wastes what is left; let it run on, and back where it cannot.
    first, last = best
    cost = sum(costs[first : last + 1])
    while last + 1 < len(costs) and last - first + 1 < lines and cost + costs[last + 1] <= allowance:
        last += 1
        cost += costs[last]
    while first > 0 and last - first + 1 < lines and cost + costs[first - 1] <= allowance:
        first -= 1
        cost += costs[first]
    return first, last


def shown_lines(text: str) -> str:
    """Return lines of code with their hidden characters escaped and the longest of them cut."""
    return "\n".join(map(_line, text.split("\n")))


def shown(text: str) -> str:
    """Return a name or path on one line with its hidden characters escaped."""
    return visible(text)


def _line(line: str) -> str:
    line = line if len(line) <= MAX_LINE else line[:MAX_LINE] + _CUT
    plain = line.isascii() and line.replace("\t", "").isprintable()
    return line if plain else visible(line, keep="\t")
