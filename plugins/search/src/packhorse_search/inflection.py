"""Related forms of an English word, so that a question about "parsing routes" finds `parse_route`.

The index keeps words as they are written; a question is widened instead. The rules over-generate on purpose: a form
that no code contains costs nothing.
"""

from __future__ import annotations

from functools import lru_cache

MIN_LENGTH = 4
"""Letters of the shortest word that is inflected; shorter ones are mostly abbreviations."""

_MIN_STEM = 3
_DOUBLED = 4
_TO_STEM = (
    ("ies", "y"),
    ("sses", "ss"),
    ("es", ""),
    ("es", "e"),
    ("s", ""),
    ("ing", ""),
    ("ing", "e"),
    ("ed", ""),
    ("ed", "e"),
    ("er", ""),
    ("er", "e"),
    ("or", "e"),
    ("or", ""),
    ("ation", "e"),
    ("ation", ""),
    ("tion", "t"),
    ("ion", "e"),
    ("ion", ""),
    ("ment", ""),
    ("able", ""),
    ("ly", ""),
)
_FROM_STEM = ("s", "es", "ing", "ed", "er", "ion", "or", "ation")


@lru_cache(maxsize=4096)
def related_forms(word: str) -> frozenset[str]:
    """Return other forms that a lower-case word may take, without the word itself; nothing for what is no word."""
    if len(word) < MIN_LENGTH or not word.isascii() or not word.isalpha():
        return frozenset()
    stems = set(_stems(word))
    forms = set(stems)
    for stem in stems | {word}:
        forms.update(stem + suffix for suffix in _FROM_STEM)
        if stem.endswith("e"):
            forms.update(stem[:-1] + suffix for suffix in _FROM_STEM if suffix[0] != "s")
    forms.discard(word)
    return frozenset(forms)


def _stems(word: str) -> list[str]:
    stems = []
    for suffix, replacement in _TO_STEM:
        if word.endswith(suffix) and len(word) - len(suffix) >= _MIN_STEM:
            stem = word[: -len(suffix)] + replacement
            stems.append(stem)
            if not replacement and len(stem) >= _DOUBLED and stem[-1] == stem[-2]:
                stems.append(stem[:-1])  # "mapping" -> "mapp" -> "map"
    return stems
