"""What a stranger's plugin adds to the index through its hooks: an embedder, chosen by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from packhorse import hookimpl
from packhorse.errors import ConfigurationError
from packhorse_indexing.service import Index

if TYPE_CHECKING:
    from packhorse.testing import MakeHost

pytestmark = pytest.mark.integration


class Constant:
    """An embedder for which everything means the same."""

    name = "constant:1"
    dimensions = 4

    async def embed_documents(self, texts):
        return np.tile(np.array([1, 0, 0, 0], dtype=np.float32), (len(texts), 1))

    async def embed_query(self, text):
        return np.array([1, 0, 0, 0], dtype=np.float32)

    async def aclose(self):
        """Nothing to close."""


class Stranger:
    """A plugin that works with and without the indexing plugin."""

    @hookimpl(optionalhook=True)
    def register_embedders(self):
        return {"constant": lambda settings: Constant()}


async def test_an_embedder_of_another_plugin_is_chosen_by_its_name(packhorse_host: MakeHost) -> None:
    settings = {"PACKHORSE_INDEXING_EMBEDDER": "constant"}
    host = packhorse_host("indexing", ("stranger", Stranger()), settings=settings)
    async with host.running():
        index = host.services.find(Index)
        assert index is not None
        assert index.embedder.name == "constant:1"
        assert (await index.embedder.embed_query("x")).tolist() == [1, 0, 0, 0]


def test_the_plugin_loads_without_the_one_that_declares_the_hook(packhorse_host: MakeHost) -> None:
    assert packhorse_host(("stranger", Stranger())).record("stranger").loaded


async def test_a_name_that_nobody_registers_is_refused_with_those_that_there_are(packhorse_host: MakeHost) -> None:
    host = packhorse_host(
        "indexing",
        ("stranger", Stranger()),
        settings={"PACKHORSE_INDEXING_EMBEDDER": "constnat", "PACKHORSE_STRICT": "1"},
    )
    with pytest.raises(ConfigurationError, match="there are constant, ollama"):
        async with host.running():
            pass
