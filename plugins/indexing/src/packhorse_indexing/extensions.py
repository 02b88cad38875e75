"""What a worker process needs of the plugins before it can work: their languages and their embedders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse_indexing.chunking import registry
from packhorse_indexing.embedding import choose, factories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packhorse.settings import CoreSettings
    from packhorse_indexing.embedding import Factory
    from packhorse_indexing.settings import IndexingSettings


def embedder_factory(core: CoreSettings, settings: IndexingSettings, *, with_plugins: bool) -> Factory:
    """Return the factory of the configured embedder; with plugins, theirs too, and their languages added to ours."""
    return choose(settings.embedder, _extend(core) if with_plugins else [("indexing", factories())])


def _extend(core: CoreSettings) -> list[tuple[str, Mapping[str, Factory]]]:
    from packhorse.plugins import PluginHost

    host = PluginHost(core)
    host.load()
    for _, languages in host.call_hook("register_languages"):
        for language in languages:
            registry.add(language)
    return list(host.call_hook("register_embedders"))
