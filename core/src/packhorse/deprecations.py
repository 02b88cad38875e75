"""Every hook that is on its way out, in one place: since when, until when, and what to implement instead.

A hook is deprecated by an entry here and stays in its specification, working, until the release that the entry names.
The host logs a line for each plugin that implements it, `packhorse check` warns its author, and `docs/hooks.md` lists
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Deprecation:
    """A hook, or with `argument` one of its arguments, that a later release will not have."""

    hook: str
    since: str
    removed_in: str
    instead: str
    argument: str = ""

    def __str__(self) -> str:
        """Return the sentence for the plugin's author."""
        what = f"the argument {self.argument} of {self.hook}" if self.argument else f"the hook {self.hook}"
        return f"{what} is deprecated since {self.since} and will be gone in {self.removed_in}; {self.instead}"


DEPRECATIONS: tuple[Deprecation, ...] = ()


def of(hooks: Iterable[str]) -> list[Deprecation]:
    """Return what is deprecated among these hooks as a whole."""
    implemented = set(hooks)
    return [one for one in DEPRECATIONS if one.hook in implemented and not one.argument]
