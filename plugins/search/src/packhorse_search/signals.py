"""What other plugins know of the candidates, asked of whoever implements the hook `search_signals`."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packhorse.context import PluginContext
    from packhorse_search.candidates import Candidate, ChunkKey
    from packhorse_search.scope import Scope

PATIENCE = 0.1
"""Seconds to wait for the implementations of the hook; every search waits for the slowest."""

CONTRIBUTED = "plugin "
"""What the name of a contributed signal begins with; the plugin's name follows."""


class Place(NamedTuple):
    """A chunk that may answer: `file_path` lies in the indexed folder `repository_path`, lines are 1-based."""

    repository_path: str
    file_path: str
    start_line: int
    end_line: int
    symbol: str | None
    language: str


async def contributed(
    context: PluginContext, query: str, where: Scope, candidates: Sequence[Candidate]
) -> dict[ChunkKey, dict[str, float]]:
    """Return the signals of other plugins, by chunk and name; nothing from one that fails or takes too long."""
    if not context.implemented("search_signals"):
        return {}
    folders = {repository.id: repository.path for repository in where.repositories}
    keys: dict[Place, list[ChunkKey]] = defaultdict(list)
    for candidate in candidates:
        file = candidate.file
        folder = folders[file.repository_id]
        lines = candidate.start_line, candidate.end_line
        keys[Place(folder, file.path, *lines, candidate.symbol, file.language)].append(candidate.key)
    found: dict[ChunkKey, dict[str, float]] = defaultdict(dict)
    for plugin, said in await context.ask_hook("search_signals", PATIENCE, query=query, places=list(keys)):
        try:
            values = _values(said)
        except Exception as error:  # noqa: BLE001 - another plugin's nonsense must not cost the answer
            context.logger.warning("search_signals of {plugin} cannot be read: {error!r}", plugin=plugin, error=error)
            continue
        for place, value in values.items():
            for key in keys.get(place, ()):
                found[key][f"{CONTRIBUTED}{plugin}"] = value
    return found


def _values(said: Mapping[Any, Any]) -> dict[Any, float]:
    """Return what a plugin said within -1..1, without what is no number or says nothing."""
    numbers = {place: float(value) for place, value in said.items()}
    return {place: max(-1.0, min(1.0, value)) for place, value in numbers.items() if value and not math.isnan(value)}
