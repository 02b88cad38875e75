"""A provider that a plugin mounted, asked for a limited time only: every listing and call looks into all of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from fastmcp.server.providers import Provider
from loguru import logger

from packhorse.bounded import GRACE, OutOfTimeError, bounded, end, first_of
from packhorse.circuit import Circuit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

T = TypeVar("T")

SECONDS = 2.0  # for one question; a client waits for the slowest provider at every request
PAUSE = 30.0  # seconds in which one that did not answer is not asked again


class BoundedProvider(Provider):
    """Passes everything on to a plugin's provider, and answers for it when it hangs."""

    def __init__(self, inner: Provider, plugin: str, seconds: float = SECONDS) -> None:
        super().__init__()
        self.inner = inner
        self._plugin = plugin
        self._seconds = seconds
        self._circuit = Circuit(failures=1, pause=PAUSE)

    def __repr__(self) -> str:
        return f"BoundedProvider({self.inner!r}, {self._plugin!r})"

    async def _ask(self, question: Callable[[], Awaitable[T]], otherwise: T) -> T:
        if self._circuit.wait():
            return otherwise
        try:
            answer = await bounded(question(), self._seconds, f"packhorse-provider-{self._plugin}")
        except OutOfTimeError:
            self._circuit.failed("it hangs")
            logger.error("A provider of the plugin {} hangs and is not asked for {:g} seconds.", self._plugin, PAUSE)
            return otherwise
        except BaseException:
            self._circuit.gave_up()
            raise
        self._circuit.succeeded()
        return answer

    def required_extensions(self) -> Sequence[Any]:
        """Return those of the plugin's provider."""
        return self.inner.required_extensions()

    @contextmanager
    def _extension_runtime(self, available: frozenset[str], *, root: Any) -> Iterator[None]:
        with self.inner._extension_runtime(available, root=root):  # noqa: SLF001 - as FastMCP's own wrapper does
            yield

    async def list_tools(self) -> Sequence[Any]:
        """Return the tools, or none."""
        return await self._ask(self.inner.list_tools, ())

    async def list_resources(self) -> Sequence[Any]:
        """Return the resources, or none."""
        return await self._ask(self.inner.list_resources, ())

    async def list_resource_templates(self) -> Sequence[Any]:
        """Return the templates, or none."""
        return await self._ask(self.inner.list_resource_templates, ())

    async def list_prompts(self) -> Sequence[Any]:
        """Return the prompts, or none."""
        return await self._ask(self.inner.list_prompts, ())

    async def get_tool(self, name: str, version: Any = None) -> Any:
        """Return the tool of this name, or None."""
        return await self._ask(lambda: self.inner.get_tool(name, version), None)

    async def get_app_tool(self, app_name: str, tool_name: str) -> Any:
        """Return the tool of this application, or None."""
        return await self._ask(lambda: self.inner.get_app_tool(app_name, tool_name), None)

    async def get_tool_by_hash(self, tool_hash: str, tool_name: str) -> Any:
        """Return the tool of this hash, or None."""
        return await self._ask(lambda: self.inner.get_tool_by_hash(tool_hash, tool_name), None)

    async def get_resource(self, uri: str, version: Any = None) -> Any:
        """Return the resource at this address, or None."""
        return await self._ask(lambda: self.inner.get_resource(uri, version), None)

    async def get_resource_template(self, uri: str, version: Any = None) -> Any:
        """Return the template that covers this address, or None."""
        return await self._ask(lambda: self.inner.get_resource_template(uri, version), None)

    async def get_prompt(self, name: str, version: Any = None) -> Any:
        """Return the prompt of this name, or None."""
        return await self._ask(lambda: self.inner.get_prompt(name, version), None)

    async def get_tasks(self) -> Sequence[Any]:
        """Return the components that can run as tasks, or none."""
        return await self._ask(self.inner.get_tasks, ())

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Live as long as the provider's own lifespan, in a task beside it; one that hangs or fails is passed over."""
        leave, entered = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(self._live(entered, leave), name=f"packhorse-provider-{self._plugin}")
        await first_of(task, entered, self._seconds)
        if not entered.is_set():
            logger.error("A provider of the plugin {} is not ready after {:g} seconds.", self._plugin, self._seconds)
        try:
            yield
        finally:
            leave.set()
            await asyncio.wait({task}, timeout=self._seconds)
            await end(task, GRACE)

    async def _live(self, entered: asyncio.Event, leave: asyncio.Event) -> None:
        try:
            async with self.inner.lifespan():
                entered.set()
                await leave.wait()
        except BaseException as error:  # noqa: BLE001 - an exit or interrupt would end the loop and the server with it
            logger.opt(exception=error).error("The lifespan of a provider of the plugin {} failed.", self._plugin)
