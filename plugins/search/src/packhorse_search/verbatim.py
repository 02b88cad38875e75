"""How much of a query stands in a text word for word, as a message stands in the code that prints it.

The values put into a message break it, and a logger's prefix comes before it; so the longest run of the query's words
side by side counts, and has to be most of them.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_WORDS = 4
"""Of a query of three, all of them."""

LEAST_SHARE = 0.6
"""Half of a question's words may stand side by side anywhere, in its answer or not."""

_SHORTEST = 3

_WORD = re.compile(r"\w+")


def shares(query: str, texts: Sequence[str]) -> list[float]:
    """Return the share of the query's words that stand in each text side by side; 0 where these are too few."""
    asked = _WORD.findall(query.lower())
    if len(asked) < _SHORTEST:
        return [0.0] * len(texts)
    least = max(min(LEAST_WORDS, len(asked)), math.ceil(LEAST_SHARE * len(asked)))
    # Whatever run is long enough holds the words in the middle: most texts are dismissed by them.
    middle = re.compile(r"\W+".join(asked[len(asked) - least : least]))
    lowered = [text.lower() for text in texts]
    return [_longest(asked, text, least) / len(asked) if middle.search(text) else 0.0 for text in lowered]


def _longest(asked: list[str], text: str, least: int) -> int:
    """Return the length of the longest run; 0 where it is shorter than `least`."""
    words = f" {' '.join(_WORD.findall(text))} "
    found = least - 1
    for first in range(len(asked)):
        while first + found < len(asked) and f" {' '.join(asked[first : first + found + 1])} " in words:
            found += 1
    return found if found >= least else 0
