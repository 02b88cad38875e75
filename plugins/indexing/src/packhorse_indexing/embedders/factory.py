"""Making the embedder that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from packhorse.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from packhorse_indexing.embedders import Embedder

_DEFAULT_TOKENS = 512


class EmbedderSettings(Protocol):
    """The part of the plugin's settings that embedders read."""

    @property
    def embedder(self) -> str:
        """Which one: `static`, `ollama` or `openai`."""
        ...

    @property
    def embedder_model(self) -> str | None:
        """The model's name at the service."""
        ...

    @property
    def embedder_url(self) -> str | None:
        """The service's base URL."""
        ...

    @property
    def embedder_api_key(self) -> SecretStr | None:
        """The key for the service."""
        ...

    @property
    def embedder_dimensions(self) -> int | None:
        """The length of the vectors."""
        ...

    @property
    def embedder_batch(self) -> int:
        """Texts in one request."""
        ...

    @property
    def embedder_concurrency(self) -> int:
        """Requests at the same time."""
        ...

    @property
    def embedder_timeout(self) -> float:
        """Seconds for one request."""
        ...


def create(settings: EmbedderSettings) -> Embedder:
    """Make the embedder that the settings name; nothing is sent anywhere yet.

    Raises:
        ConfigurationError: there is none of the name, or the length of its vectors is not known.
    """
    if settings.embedder == "static":
        return create_static(settings)
    if settings.embedder == "ollama":
        return create_ollama(settings)
    if settings.embedder == "openai":
        return create_openai(settings)
    raise ConfigurationError(
        f"There is no embedder {settings.embedder!r}.",
        remedy="Set PACKHORSE_INDEXING_EMBEDDER to static, ollama or openai.",
    )


def create_static(settings: EmbedderSettings) -> Embedder:
    """Load the embedder that ships with the plugin.

    Raises:
        ConfigurationError: the settings ask for vectors of another length than its own.
    """
    from packhorse_indexing.embedders.static import StaticEmbedder

    if settings.embedder_dimensions not in {None, StaticEmbedder.dimensions}:
        raise ConfigurationError(
            f"The static embedder has {StaticEmbedder.dimensions} dimensions, not {settings.embedder_dimensions}.",
            remedy="Remove PACKHORSE_INDEXING_EMBEDDER_DIMENSIONS.",
        )
    return StaticEmbedder()


def create_ollama(settings: EmbedderSettings) -> Embedder:
    """Make an embedder that asks Ollama.

    Raises:
        ConfigurationError: the length of the model's vectors is not known.
    """
    from packhorse_indexing.embedders import ollama

    model = settings.embedder_model or ollama.MODEL
    known = ollama.MODELS.get(model.partition(":")[0])
    _, tokens, document_prefix, query_prefix = known or (0, _DEFAULT_TOKENS, "", "")
    return ollama.OllamaEmbedder(
        settings.embedder_url or ollama.URL,
        model,
        settings.embedder_dimensions or _known(model, known[0] if known else None),
        headers=_headers(settings),
        document_prefix=document_prefix,
        query_prefix=query_prefix,
        batch=settings.embedder_batch,
        concurrency=settings.embedder_concurrency,
        timeout=settings.embedder_timeout,
        max_tokens=tokens,
    )


def create_openai(settings: EmbedderSettings) -> Embedder:
    """Make an embedder that asks a server with OpenAI's protocol.

    Raises:
        ConfigurationError: the length of the model's vectors is not known, or OpenAI's own server lacks its key.
    """
    from packhorse_indexing.embedders import openai

    if settings.embedder_url is None and settings.embedder_api_key is None:
        raise ConfigurationError(
            "OpenAI's embedder needs a key.",
            remedy="Set PACKHORSE_INDEXING_EMBEDDER_API_KEY, "
            "or PACKHORSE_INDEXING_EMBEDDER_URL for a server that needs none.",
        )
    model = settings.embedder_model or openai.MODEL
    known = openai.MODELS.get(model)
    embedder = openai.OpenAIEmbedder(
        (settings.embedder_url or openai.URL).rstrip("/") + "/",
        model,
        settings.embedder_dimensions or _known(model, known[0] if known else None),
        headers=_headers(settings),
        batch=settings.embedder_batch,
        concurrency=settings.embedder_concurrency,
        timeout=settings.embedder_timeout,
        max_tokens=known[1] if known else _DEFAULT_TOKENS,
    )
    embedder.shortened = known is not None and settings.embedder_dimensions not in {None, known[0]}
    return embedder


def _known(model: str, dimensions: int | None) -> int:
    if dimensions is None:
        raise ConfigurationError(
            f"The length of the vectors of {model!r} is not known.",
            remedy="Set PACKHORSE_INDEXING_EMBEDDER_DIMENSIONS.",
        )
    return dimensions


def _headers(settings: EmbedderSettings) -> dict[str, str]:
    key = settings.embedder_api_key
    return {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
