"""What a worker process needs of the plugins before it can work: their languages, chunkers and embedders.

What a plugin registers wrongly is passed over with a line in the log: it must not keep others' files out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from loguru import logger

from packhorse_indexing.chunking import Language, registry
from packhorse_indexing.embedding import choose, factories

if TYPE_CHECKING:
    from packhorse.settings import CoreSettings
    from packhorse_indexing.embedding import Factory
    from packhorse_indexing.settings import IndexingSettings


def embedder_factory(core: CoreSettings, settings: IndexingSettings, *, with_plugins: bool) -> Factory:
    """Return the factory of the configured embedder; with plugins, theirs too, their languages and chunkers added."""
    return choose(settings.embedder, _extend(core) if with_plugins else [("indexing", factories())])


def _extend(core: CoreSettings) -> list[tuple[str, Mapping[str, Factory]]]:
    from packhorse.plugins import PluginHost

    host = PluginHost(core)
    host.load()
    for plugin, languages in host.call_hook("register_languages"):
        _add_languages(plugin, languages)
    for plugin, chunkers in host.call_hook("register_chunkers"):
        _add_chunkers(plugin, chunkers)
    return list(host.call_hook("register_embedders"))


def _add_languages(plugin: str, languages: object) -> None:
    for language in languages if isinstance(languages, Iterable) else [languages]:
        if isinstance(language, Language):
            registry.add(language)
        else:
            logger.warning("The plugin {} registers {!r:.100}, which is no Language.", plugin, language)


def _add_chunkers(plugin: str, chunkers: object) -> None:
    for key, chunker in chunkers.items() if isinstance(chunkers, Mapping) else [("", chunkers)]:
        if not isinstance(key, str) or not key.strip(".") or not callable(chunker):
            logger.warning("The plugin {} registers {!r:.100}, which is no chunker.", plugin, chunker)
        elif not registry.add_chunker(key, chunker):
            logger.warning("The plugin {} registers a chunker for {}, which has one from another.", plugin, key)
