"""What the embedders behind HTTP share: batches, bounded concurrency, retries, and texts of any length.

A text longer than the model takes is split and its parts' vectors averaged by length; nothing is ever cut off.
Messages name the server without user, password or key.
"""

from __future__ import annotations

import asyncio
import json
import random
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, Self

import httpx
import numpy as np

from packhorse.errors import ConfigurationError, UnavailableError
from packhorse_indexing.embedders.parts import split, weighted_means

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_ATTEMPTS = 5
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
_TOO_MANY = 429
_SERVER_ERROR = 500
_RETRIED = frozenset({408, 425, _TOO_MANY, 500, 502, 503, 504, 529})
_LENGTH_WORDS = ("length", "too long", "too large", "maximum context", "exceed", "token")
_SHORTEST_SPLIT = 64
_BYTES_PER_NUMBER = 32
_BYTES_FREE = 1 << 20


class TooLongError(Exception):
    """The server says that a text, or a batch, is longer than it takes."""


class HttpEmbedder:
    """An embedder behind HTTP; subclasses say how a request and an answer look.

    One object belongs to one event loop.
    """

    kind = "http"
    path = "/"

    def __init__(
        self,
        url: str,
        model: str,
        dimensions: int,
        *,
        headers: Mapping[str, str] | None = None,
        document_prefix: str = "",
        query_prefix: str = "",
        batch: int = 64,
        concurrency: int = 4,
        timeout: float = 60.0,
        max_tokens: int = 2048,
        first_wait: float = _FIRST_WAIT,
    ) -> None:
        """Prepare an embedder; nothing is sent yet.

        Args:
            url: the base URL of the server.
            model: the model's name there.
            dimensions: the length of its vectors; an answer of another length is refused.
            headers: sent with every request; may hold a key and is shown nowhere.
            document_prefix: put before every chunk, for models that were trained so.
            query_prefix: put before every query.
            batch: texts in one request.
            concurrency: requests at the same time.
            timeout: seconds for one request.
            max_tokens: what the model takes at once; longer texts are split.
            first_wait: seconds before the first retry; each next one waits twice as long.

        Raises:
            ConfigurationError: the URL is not one of HTTP.
        """
        self._url = _parsed(url)
        self.shown_url = _without_secrets(self._url)
        self.model = model
        self.dimensions = dimensions
        self._prefixes = (document_prefix, query_prefix)
        self._batch = batch
        self._max_tokens = max_tokens
        self._first_wait = first_wait
        self._semaphore = asyncio.Semaphore(concurrency)
        self._client = httpx.AsyncClient(
            base_url=self._url,
            headers=dict(headers or {}),
            timeout=timeout,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        )

    @property
    def name(self) -> str:
        """The identity of the vectors: kind, model and length, and the prefixes where there are any."""
        prefixes = "".join(f"+{prefix.strip().rstrip(':')}" for prefix in self._prefixes if prefix)
        return f"{self.kind}:{self.model}@{self.dimensions}{prefixes}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed chunks: shape (n, dimensions), unit rows; a blank text is a zero row and is not sent.

        Raises:
            UnavailableError: the server cannot be reached, or refuses to work.
        """
        return await self._embed(texts, self._prefixes[0])

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question: shape (dimensions,).

        Raises:
            UnavailableError: the server cannot be reached, or refuses to work.
        """
        vector: NDArray[np.float32] = (await self._embed([text], self._prefixes[1]))[0]
        return vector

    def body(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the request for a batch."""
        raise NotImplementedError

    def vectors(self, answer: Any, count: int) -> list[list[float]]:
        """Return an answer's vectors in the order of the request; any exception means that it is no answer."""
        raise NotImplementedError

    def refusal(self, status: int) -> str:
        """Return the remedy for a status that no retry will change, or nothing."""
        return "Check the embedder's API key." if status in {401, 403} else ""

    async def _embed(self, texts: Sequence[str], prefix: str) -> NDArray[np.float32]:
        parts: list[str] = []
        owners: list[int] = []
        for owner, text in enumerate(texts):
            if text.strip():
                pieces = split(text, self._max_tokens, prefix)
                parts += [prefix + piece for piece in pieces]
                owners += [owner] * len(pieces)
        batches = [parts[start : start + self._batch] for start in range(0, len(parts), self._batch)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._embed_batch(batch, prefix)) for batch in batches]
        except* UnavailableError as errors:
            raise errors.exceptions[0] from None
        rows = np.concatenate([task.result() for task in tasks]) if tasks else self._nothing(0)
        weights = np.array([len(part) - len(prefix) for part in parts], dtype=np.float32)
        return weighted_means(rows, weights, owners, len(texts))

    async def _embed_batch(self, batch: Sequence[str], prefix: str) -> NDArray[np.float32]:
        """Embed one batch, in halves when the server finds it too long, down to the parts of a single text."""
        try:
            async with self._semaphore:
                return await self._ask(batch)
        except TooLongError as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                halves = [await self._embed_batch(half, prefix) for half in (batch[:middle], batch[middle:])]
                return np.concatenate(halves)
            text = batch[0][len(prefix) :]
            if len(text) < _SHORTEST_SPLIT:
                raise UnavailableError(f"{self._server} refuses a text of {len(text)} characters: {error}") from error
            middle = len(text) // 2
            pieces = (text[:middle], text[middle:])
            rows = np.concatenate([await self._embed_batch([prefix + piece], prefix) for piece in pieces])
            return weighted_means(rows, np.array(list(map(len, pieces)), dtype=np.float32), [0, 0], 1)

    async def _ask(self, batch: Sequence[str]) -> NDArray[np.float32]:
        wait, problem = self._first_wait, ""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response, content = await self._post(batch)
            except httpx.RequestError as error:
                problem, asked = f"{type(error).__name__}: {error}".rstrip(": "), None
            else:
                if response.status_code not in _RETRIED:
                    return self._read(response, content, len(batch))
                problem, asked = f"HTTP {response.status_code} {_message(content)}".rstrip(), _retry_after(response)
                if response.status_code >= _SERVER_ERROR and _is_about_length(content):
                    raise TooLongError(problem)
            if attempt < _ATTEMPTS:
                pause = wait * (1 + random.random() / 4) if asked is None else asked  # noqa: S311 - no secret
                await asyncio.sleep(min(pause, _LONGEST_WAIT))
                wait *= 2
        raise UnavailableError(
            f"{self._server} did not answer after {_ATTEMPTS} attempts ({problem}).",
            remedy="Start it, or choose another with PACKHORSE_INDEXING_EMBEDDER.",
        )

    async def _post(self, batch: Sequence[str]) -> tuple[httpx.Response, bytes]:
        """Send a batch and read the answer, up to the size that its vectors can have."""
        limit = _BYTES_FREE + len(batch) * self.dimensions * _BYTES_PER_NUMBER
        async with self._client.stream("POST", self.path, json=self.body(batch)) as response:
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > limit:
                    raise UnavailableError(f"{self._server} answered with more than {limit:,} bytes.")
            return response, bytes(content)

    def _read(self, response: httpx.Response, content: bytes, count: int) -> NDArray[np.float32]:
        if not response.is_success:
            problem = f"HTTP {response.status_code} {_message(content)}".rstrip()
            if response.status_code in {400, 413, 422} and (response.status_code == 413 or _is_about_length(content)):  # noqa: PLR2004
                raise TooLongError(problem)
            raise UnavailableError(f"{self._server} refused: {problem}.", remedy=self.refusal(response.status_code))
        try:
            rows = np.array(self.vectors(json.loads(content), count), dtype=np.float32)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise UnavailableError(f"{self._server} sent an answer that is not one: {error!r:.200}.") from error
        if rows.shape != (count, self.dimensions):
            length = rows.shape[-1] if rows.ndim == len(("rows", "columns")) and len(rows) == count else None
            raise UnavailableError(
                f"{self._server} sent vectors of length {length} instead of {self.dimensions}."
                if length is not None
                else f"{self._server} sent {len(rows)} vectors for {count} texts.",
                remedy="Set PACKHORSE_INDEXING_EMBEDDER_DIMENSIONS to the length of the model's vectors.",
            )
        if not np.isfinite(rows).all():
            raise UnavailableError(f"{self._server} sent vectors that are not finite.")
        return rows

    def _nothing(self, rows: int) -> NDArray[np.float32]:
        return np.zeros((rows, self.dimensions), dtype=np.float32)

    @property
    def _server(self) -> str:
        return f"The embedder {self.kind} ({self.model} at {self.shown_url})"


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ConfigurationError("The embedder's URL is not a URL.", remedy=_URL_REMEDY) from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigurationError("The embedder's URL must begin with http:// or https://.", remedy=_URL_REMEDY)
    return parsed


_URL_REMEDY = "Set PACKHORSE_INDEXING_EMBEDDER_URL, for example to http://localhost:11434."


def _without_secrets(url: httpx.URL) -> str:
    return str(url.copy_with(username=None, password=None, query=None, fragment=None)).rstrip("/")


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that a server asks to wait, given in seconds or as a date."""
    value = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, TypeError):
        return None


def _message(content: bytes) -> str:
    """Return what an error answer says, in the forms that Ollama, OpenAI and their like use."""
    try:
        answer = json.loads(content)
    except ValueError:
        return ""
    error = answer.get("error", answer.get("message", "")) if isinstance(answer, dict) else ""
    if isinstance(error, dict):
        error = error.get("message", "")
    return " ".join(str(error).split())[:300]


def _is_about_length(content: bytes) -> bool:
    message = _message(content).lower()
    return any(word in message for word in _LENGTH_WORDS)
