"""The words that code is found by: one function for chunks, paths and queries alike.

An identifier counts whole, lower-cased and without its outer underscores, and beside it, when it has several, its
parts split at case, underscores and digits: `parseHTTPHeader_v2` gives `parsehttpheader_v2`, `parse`, `http`,
`header`. Runs of Chinese, Japanese and Korean script, which are written without spaces, give their bigrams as parts.

A chunk with a word that no lexeme holds as it stands in the text, because it is too long or was normalised, has
`PARTIAL` beside its lexemes, so that a search for exact text knows that it must look there.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import chain

MAX_LEXEME = 64
"""Characters of the longest lexeme; longer words are base64, hashes or noise and only their parts are kept."""

MAX_DIGITS = 16
"""Digits of the longest number that is a lexeme."""

PARTIAL = "~"
"""The lexeme of texts with a word that no other lexeme holds whole; no word can be written like it."""

UNCOUNTED = "~~"
"""The only lexeme of a chunk whose words are not counted; a search for exact text looks at it too."""

_MAX_WORD = 256
_MAX_PARTS = 12
_CACHE_ENTRIES = 1 << 15
"""Words that are remembered, some 10 MB; more are hardly ever met again before they are forgotten."""

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
# A word of one character says nothing in an alphabet and everything in Han script.
_ASCII_WORDS = re.compile(r"\w{2,}", re.ASCII)
_WORDS = re.compile(rf"\w{{2,}}|[{_CJK}]")
_ASCII_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_CJK_RUNS = re.compile(rf"[{_CJK}]+|[^{_CJK}]+")

_cache: dict[str, tuple[str, ...]] = {}


def lexemes(text: str) -> list[str]:
    """Return the lexemes of a text in order, with repetitions."""
    return [lexeme for lexeme in _lexemes(text) if lexeme is not PARTIAL]


def _lexemes(text: str) -> list[str]:
    cached = _cache
    out: list[str] = []
    for word in _words(text):
        found = cached.get(word)
        out += _remember(word) if found is None else found
    return out


def counts(text: str) -> Counter[str]:
    """Return how often each lexeme of a chunk occurs, `PARTIAL` once if it has it."""
    found = Counter(_lexemes(text))
    if PARTIAL in found:
        found[PARTIAL] = 1
    return found


def path_lexemes(path: str) -> list[str]:
    """Return the distinct lexemes of a `/`-separated path in order of first occurrence."""
    return list(dict.fromkeys(lexemes(path)))


def _words(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_WORDS.findall(text)
    # Decomposed accents are not word characters and would cut words apart.
    return _WORDS.findall(unicodedata.normalize("NFC", text))


def _remember(word: str) -> tuple[str, ...]:
    """Split one word and keep the answer; the cache starts afresh when full, so that memory stays bounded."""
    if len(_cache) >= _CACHE_ENTRIES:
        _cache.clear()
    found = _cache[word] = _split(word)
    return found


def _split(word: str) -> tuple[str, ...]:
    if len(word) > _MAX_WORD:
        return (PARTIAL,)
    written = word
    if not word.isascii():
        word = unicodedata.normalize("NFKC", word)
    is_partial = word != written
    word = word.strip("_")
    whole = word.lower()
    parts = [] if word.isdigit() else _parts(word)
    longest = MAX_DIGITS if word.isdigit() else MAX_LEXEME
    is_partial |= len(whole) > longest
    kept = chain((whole,), parts if 1 < len(parts) <= _MAX_PARTS else ())
    found = [lexeme for lexeme in kept if len(lexeme) <= longest and _is_telling(lexeme)]
    return (*found, PARTIAL) if is_partial else tuple(found)


def _parts(word: str) -> list[str]:
    if word.isascii():
        return [part.lower() for part in _ASCII_PARTS.findall(word)]
    return [
        part
        for segment in word.split("_")
        for run in _CJK_RUNS.findall(segment)
        for part in (_bigrams(run.lower()) if _is_cjk(run[0]) else _unicode_parts(run))
    ]


def _unicode_parts(run: str) -> list[str]:
    """Split at the boundaries of case and digits of any script, as the ASCII pattern does for its own."""
    parts: list[str] = []
    start = 0
    for i in range(1, len(run)):
        before, here, after = run[i - 1], run[i], run[i + 1 : i + 2]
        into_digits = here.isdigit() != before.isdigit()
        into_word = here.isupper() and (before.islower() or (before.isupper() and after.islower()))
        if into_digits or into_word:
            parts.append(run[start:i].lower())
            start = i
    parts.append(run[start:].lower())
    return parts


def _bigrams(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(max(1, len(run) - 1))]


def _is_cjk(character: str) -> bool:
    return "\u3040" <= character <= "\ud7af"


def _is_telling(lexeme: str) -> bool:
    return len(lexeme) > 1 or (lexeme != "" and _is_cjk(lexeme))
