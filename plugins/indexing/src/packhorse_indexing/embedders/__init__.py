"""What turns chunks and queries into vectors: the protocol, and `create`, which makes one from the settings.

`static` is a table of word vectors that ships with the plugin and needs nothing else; `ollama` and `openai` ask a
server over HTTP. Other plugins add more through the hook `register_embedders`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from packhorse_indexing.embedders.factory import create

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Embedder", "create"]


@runtime_checkable
class Embedder(Protocol):
    """Something that embeds texts as unit vectors whose cosine is their similarity in meaning.

    `name` is the embedder's identity, model included: it changes whenever the vectors would. `dimensions` is the
    length of a vector.
    """

    @property
    def name(self) -> str:
        """The identity under which vectors are stored; vectors of different names must not be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of every vector."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed chunks: shape (n, dimensions), each row of unit length, or zero where a text has no meaning.

        Raises:
            UnavailableError: the embedder cannot be reached or refuses to work.
        """
        ...

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question: shape (dimensions,), of unit length or zero.

        Raises:
            UnavailableError: the embedder cannot be reached or refuses to work.
        """
        ...

    async def aclose(self) -> None:
        """Release connections; the embedder may not be used afterwards."""
        ...
