"""The plain data of a redaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of text that is a secret; one secret may be several stretches, of which the first is `counted`."""

    start: int
    end: int
    kind: str
    counted: int = 1


Finder = Callable[[str, int, str], Iterable[Span]]
"""Given a text, the offset of an anchor in it and the file's language, yields the secrets there."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its secrets.

    Attributes:
        text: as many lines as before, with the same line ends.
        count: secrets that were taken out.
        kinds: how many of each kind.
    """

    text: str
    count: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
