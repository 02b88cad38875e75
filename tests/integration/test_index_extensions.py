"""Other plugins' embedders and languages reach the worker process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from packhorse import hookimpl
from packhorse.errors import ConfigurationError
from packhorse_indexing.extensions import embedder_factory
from packhorse_indexing.settings import IndexingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_index import Repository
    from packhorse.settings import CoreSettings
    from packhorse.testing import MakeHost

pytestmark = pytest.mark.integration


class More:
    """A plugin that brings languages."""

    @hookimpl
    def register_languages(self) -> list[Any]:
        return []


def test_a_worker_that_needs_plugins_gets_their_embedders(packhorse_settings: CoreSettings) -> None:
    only_indexing = packhorse_settings.model_copy(update={"plugins": ("packhorse-indexing",)})
    settings = IndexingSettings(embedder="ollama")
    for with_plugins in (False, True):
        assert embedder_factory(only_indexing, settings, with_plugins=with_plugins)(settings).name.startswith("ollama:")
    with pytest.raises(ConfigurationError, match=r"'nowhere'.*ollama, openai, static"):
        embedder_factory(only_indexing, IndexingSettings(embedder="nowhere"), with_plugins=True)


async def test_a_server_with_more_languages_has_its_workers_load_the_plugins(
    packhorse_host: MakeHost, make_repository: Callable[..., Repository]
) -> None:
    from packhorse_indexing.service import Index

    repository = make_repository()
    repository.write("a.py", "def a():\n    pass\n")
    host = packhorse_host("indexing", ("more", More()))
    async with host.running():
        index = host.services.find(Index)
        assert index is not None
        assert index._jobs._launcher._with_plugins
        assert (await index.index(str(repository))).status == "success"
