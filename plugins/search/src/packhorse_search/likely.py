"""Texts that may hold a word of a query, found without cutting every text into its words."""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

_MIN_PREFIX = 3


def probes(forms: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return strings of which every lower-cased text with one of these words or their related forms holds one.

    What a word and its forms begin with stands for all of them: "pars" for parse, parser and parsing.
    """
    found = []
    for word, related in forms.items():
        prefix: str = os.path.commonprefix([word, *related])  # noqa: RUF071 - of words, not of paths
        found += [prefix] if len(prefix) >= min(_MIN_PREFIX, len(word)) else [word, *related]
    return tuple(dict.fromkeys(found))


def likely(probes: Iterable[str], texts: Sequence[str]) -> set[int]:
    """Return which of the texts, by their numbers, may hold a word for which the probes stand."""
    together, lowered = _lowered(texts)
    # A lexeme may be written otherwise than its text where that is not ASCII.
    found = set() if together.isascii() else {i for i, text in enumerate(texts) if not text.isascii()}
    for probe in probes:
        if probe in together:
            found.update([i for i, text in enumerate(lowered) if probe in text])
    return found


def hits(probes: Iterable[str], texts: Sequence[str]) -> list[int]:
    """Return how many of the probes each text holds, in whatever case."""
    together, lowered = _lowered(texts)
    found = [0] * len(texts)
    for probe in probes:
        if probe in together:
            for i, text in enumerate(lowered):
                if probe in text:
                    found[i] += 1
    return found


def _lowered(texts: Sequence[str]) -> tuple[str, list[str]]:
    """Return the texts in lower case, joined and one by one; none holds a NUL, which PostgreSQL cannot store."""
    together = "\0".join(texts).lower()
    return together, together.split("\0") if texts else []
