"""What the host gives to a plugin: its settings, its logger, the database and the other plugins' services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from packhorse.errors import PackhorseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from loguru import Logger

    from packhorse.asking import Asking
    from packhorse.database.pool import Database
    from packhorse.settings import CoreSettings, PluginSettings

S = TypeVar("S", bound="PluginSettings")
T = TypeVar("T")


class Services:
    """The public services of all plugins, found by the type under which their owner provided them."""

    def __init__(self) -> None:
        self._by_type: dict[type[Any], tuple[str, Any]] = {}

    def provide(self, owner: str, kind: type[T], service: T) -> None:
        """Offer `service` as the one implementation of `kind`.

        Raises:
            PackhorseError: another plugin already provides this type.
        """
        if kind in self._by_type and self._by_type[kind][0] != owner:
            raise PackhorseError(f"{kind.__qualname__} is already provided by the plugin {self._by_type[kind][0]}.")
        self._by_type[kind] = (owner, service)

    def find(self, kind: type[T]) -> T | None:
        """Return the service of this type, or None when no running plugin provides it."""
        entry = self._by_type.get(kind)
        return None if entry is None else entry[1]

    def withdraw(self, owner: str) -> None:
        """Forget everything that `owner` provided."""
        self._by_type = {kind: entry for kind, entry in self._by_type.items() if entry[0] != owner}


class HostServices(Protocol):
    """The part of the host that a context needs; the host implements it."""

    core_settings: CoreSettings
    services: Services
    asking: Asking

    @property
    def database(self) -> Database:
        """The open database, while there is one."""
        ...

    def plugin_settings(self, plugin: str) -> PluginSettings:
        """Return a plugin's validated settings."""
        ...

    def call_hook(self, name: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call a hook of every plugin."""
        ...

    def run(self, main: Callable[[], Awaitable[T]], *, plugin: str | None = None) -> T:
        """Run a plugin's command with everything started."""
        ...

    def failure(self, plugin: str | None = None) -> str:
        """Say why one or any plugin is not running."""
        ...


class PluginContext:
    """One plugin's view of the host, passed to its hooks."""

    def __init__(self, name: str, host: HostServices, logger: Logger) -> None:
        self.name = name
        """The plugin's name: its entry point, its settings prefix and its PostgreSQL schema."""
        self.logger = logger
        """A loguru logger whose records carry the plugin's name."""
        self._host = host

    @property
    def core(self) -> CoreSettings:
        """The host's own settings: the data folder, the database, logging."""
        return self._host.core_settings

    @property
    def database(self) -> Database:
        """The open database.

        Raises:
            PackhorseError: outside the server's or command's life, when there is none.
        """
        return self._host.database

    def settings(self, kind: type[S]) -> S:
        """Return the plugin's validated settings, an instance of the class that it registered."""
        settings = self._host.plugin_settings(self.name)
        if not isinstance(settings, kind):
            raise TypeError(f"the plugin {self.name} registered {type(settings).__name__}, not {kind.__name__}")
        return settings

    def provide(self, kind: type[T], service: T) -> None:
        """Offer a service to the other plugins under its type; do it in `plugin_lifespan`."""
        self._host.services.provide(self.name, kind, service)

    def service(self, kind: type[T]) -> T:
        """Return the service of this type that some plugin provides.

        Raises:
            PackhorseError: no running plugin provides it.
        """
        service = self._host.services.find(kind)
        if service is None:
            raise PackhorseError(
                f"No running plugin provides {kind.__qualname__}. {self._host.failure()}".rstrip(),
                remedy="Run `packhorse plugins` to see which plugins are installed and why one did not load.",
            )
        return service

    def find_service(self, kind: type[T]) -> T | None:
        """Return the service of this type, or None when no running plugin provides it."""
        return self._host.services.find(kind)

    def call_hook(self, name: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call a hook, also one that a plugin declared, and yield (plugin, result) for each implementation.

        An implementation that raises is logged with its plugin's name and passed over.
        """
        return self._host.call_hook(name, **arguments)

    def implemented(self, name: str) -> bool:
        """Tell whether any plugin implements a hook, for one whose arguments take time to prepare."""
        return bool(self._host.asking.implementing(name))

    async def ask_hook(self, name: str, seconds: float, /, **arguments: Any) -> list[tuple[str, Any]]:
        """Ask all implementations of a hook at once and return (plugin, answer) of those that answer in time.

        Plain functions run in threads of their plugin's, coroutine functions on the event loop. One that raises or
        is late is logged and passed over; one that does so time after time is left alone for a while.

        Args:
            name: the hook.
            seconds: to wait for each of them; they are asked beside each other.
            arguments: those of the hook.
        """
        return await self._host.asking.ask(name, seconds, arguments)

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        """Run `main` with the database open and every plugin's lifespan entered; for commands, not for tools.

        Raises:
            PackhorseError: the database or this plugin could not start.
        """
        return self._host.run(main, plugin=self.name)
