"""What the texts of tools, resources and prompts may not hold, and what in them deserves a second look.

An agent reads these texts as it reads instructions. A person who reviews them must see what the agent sees.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

LONGEST = 40_000
"""Characters of one definition, some 10,000 tokens: more than what all tools of a good server take together."""
_ALLOWED = frozenset("\n\r\t")
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
# Letters and marks that are drawn as nothing: Hangul fillers, the Braille blank, variation selectors that carry bytes.
_BLANK = re.compile("[\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U000e0100-\U000e01ef]")
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget)\b[^.\n]{0,40}\b(?:instructions?|prompts?|rules|messages)\b"
    r"|\b(?:do not|don't|never)\b[^.\n]{0,30}\b(?:tell|mention|inform|reveal)\b[^.\n]{0,30}\buser\b"
    r"|<\s*/?\s*(?:system|important|instructions?)\s*>"
    r"|\b(?:before|instead of)\b[^.\n]{0,40}\bany other tools?\b",
    re.IGNORECASE,
)


def texts(component: Any) -> Iterator[tuple[str, str]]:
    """Yield (where, text) for everything of a component that a client shows to its model."""
    yield "the title", component.title or ""
    yield "the description", component.description or ""
    annotations = getattr(component, "annotations", None)
    yield "the annotations", getattr(annotations, "title", None) or ""
    for where in ("parameters", "output_schema", "meta"):
        for text in _strings(getattr(component, where, None)):
            yield f"the {where.replace('_', ' ')}", text
    for argument in getattr(component, "arguments", None) or ():
        yield "the arguments", argument.description or ""


def _strings(value: Any) -> Iterator[str]:
    waiting, seen = [value], set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, (dict, list, tuple)):
            if id(one) in seen:
                continue  # a cycle, or a part that stands in two places
            seen.add(id(one))
            waiting += [*one.keys(), *one.values()] if isinstance(one, dict) else one


def unreadable(component: Any) -> str:
    """Say why no client could take a component's schemas and `meta` or should: they go round in circles, are too long.

    Empty for one that is well.
    """
    parts = [getattr(component, where, None) for where in ("parameters", "output_schema", "meta")]
    try:
        length = len(json.dumps(parts)) + len(component.description or "")
    except (TypeError, ValueError, RecursionError) as error:
        return f"cannot be sent as JSON: {error}"
    if length <= LONGEST:
        return ""
    return f"takes {length:,} characters of every conversation; at most {LONGEST:,} are accepted"


def hidden(text: str) -> list[str]:
    """Return the code points in `text` that a person cannot see, such as `U+200B`, each once, in order."""
    if text.isascii() and text.isprintable():
        return []
    found = (c for c in text if c not in _ALLOWED and (unicodedata.category(c) in _INVISIBLE or _BLANK.match(c)))
    return list(dict.fromkeys(f"U+{ord(c):04X}" for c in found))


def doubts(text: str, tools_of_others: Collection[str]) -> list[str]:
    """Return what a text says that a description seldom needs: orders to the agent, the names of others' tools.

    They are doubts, not proofs: a scanner's description may well quote what it looks for.
    """
    found = []
    order = _ORDERS.search(text)
    if order is not None:
        found.append(f"gives the agent orders: {' '.join(order[0].split())!a}")
    # A name of one plain word is a name only when it is marked as one.
    words = re.findall(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b|(?<=[`'\"])[a-z][a-z0-9]*(?=[`'\"(])", text)
    named = sorted(set(words) & set(tools_of_others))
    if named:
        found.append(f"names tools of other plugins: {', '.join(named)}")
    return found
