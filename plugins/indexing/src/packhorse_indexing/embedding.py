"""Which embedder is configured: ours, or one that another plugin registers."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from packhorse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from packhorse_indexing.embedders import Embedder
    from packhorse_indexing.settings import IndexingSettings

    Factory = Callable[[IndexingSettings], Embedder]
    """Makes an embedder from the plugin's settings; it may be slow to make, and must not need the network."""

OURS = ("static", "ollama", "openai")


def factories() -> dict[str, Factory]:
    """Return our own embedders by name; heavy modules are imported when one is made."""
    return dict.fromkeys(OURS, _create)


def _create(settings: IndexingSettings) -> Embedder:
    from packhorse_indexing import embedders

    return embedders.create(settings)


def choose(name: str, registered: Sequence[tuple[str, Mapping[str, Factory]]]) -> Factory:
    """Return the factory of an embedder among those that plugins registered.

    Raises:
        ConfigurationError: there is none of this name, or there are two.
    """
    found = [(plugin, table[name]) for plugin, table in registered if name in table]
    if len(found) > 1:
        owners = " and ".join(plugin for plugin, _ in found)
        raise ConfigurationError(
            f"The embedder {name} is registered by the plugins {owners}.", remedy="Block one of them (PACKHORSE_BLOCK)."
        )
    if not found:
        known = sorted({*OURS, *(key for _, table in registered for key in table)})
        near = get_close_matches(name, known, n=1)
        raise ConfigurationError(
            f"PACKHORSE_INDEXING_EMBEDDER is {name!r}, which no plugin registers; there are {', '.join(known)}.",
            remedy=f"Did you mean {near[0]}?" if near else "",
        )
    return found[0][1]
