"""The plugin host: imports the plugins that discovery admits, keeps each one's faults to itself, and records them."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from loguru import logger

from packhorse.asking import Asking
from packhorse.configuration import refuse, settings_of
from packhorse.context import PluginContext, Services
from packhorse.control.choices import switched_off
from packhorse.control.lock import seniority
from packhorse.discovery import Candidate, discover, named, required, screen, unmatched
from packhorse.errors import ConfigurationError, PackhorseError
from packhorse.faults import fault_of
from packhorse.framework import settle_fastmcp
from packhorse.guarding import guarded
from packhorse.hooks import Hooks
from packhorse.isolation import PluginCrash, contained
from packhorse.log import reclaim
from packhorse.records import Fault, PluginRecord
from packhorse.settings import check_unknown, describe
from packhorse.variables import Variable, read_variables

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from cyclopts import App

    from packhorse.database.pool import Database
    from packhorse.settings import CoreSettings, PluginSettings, SettingDescription

T = TypeVar("T")

START_DEADLINE = 10.0  # seconds for one plugin's lifespan to be entered
STOP_DEADLINE = 5.0  # seconds for one to be left; clients kill a server that does not end


class PluginHost:
    """All installed plugins: those that take part, and the records of all.

    Args:
        core_settings: the host's settings, which say what to load.
        candidates: exactly these plugins instead of the installed ones, for tests.
        variables: where plugins' settings are read; by default the environment and the `.env` file.
    """

    def __init__(
        self,
        core_settings: CoreSettings,
        *,
        candidates: Sequence[Candidate] | None = None,
        variables: Mapping[str, Variable] | None = None,
    ) -> None:
        self.core_settings = core_settings
        self.services = Services()
        self.asking = Asking(self)
        self.records: list[PluginRecord] = []
        self.settings_classes: dict[str, type[PluginSettings] | None] = {}
        """Every discovered plugin's settings class: the base when it has none, None when it is not loaded."""
        self.warnings: list[str] = []
        """What is odd about the configuration without hindering the start: list entries that match no plugin."""
        self.ailing: dict[str, str] = {}
        """What stopped working in plugins that are running, for the health checks."""
        self.starting: dict[str, asyncio.Event] = {}
        """The plugins that are not ready yet, each with what is set when that has changed."""
        self.blocking: dict[str, float] = {}
        """The plugins that blocked the event loop, each with the longest time in seconds."""
        self.without_database = False
        """Whether this is the process of an isolated plugin."""
        self.start_deadline = START_DEADLINE
        self.stop_deadline = STOP_DEADLINE
        self._given = candidates
        self._variables = variables
        self._candidates: dict[str, Candidate] = {}
        self._admitted: dict[str, PluginRecord] = {}
        self._plugins: dict[str, object] = {}
        self._specifications: dict[str, list[object]] = {}
        self._hooks = Hooks()
        self._connected = False
        self._settings: dict[str, PluginSettings] = {}
        self._misconfigured: list[ConfigurationError] = []
        self._contexts: dict[str, PluginContext] = {}
        self._undo: dict[str, list[Callable[[], None]]] = {}
        self._database: Database | None = None

    # Loading

    def load(self) -> None:
        """Discover, import and configure the plugins; one plugin's fault ends in its record, never in an exception."""
        settle_fastmcp()
        found = discover() if self._given is None else list(self._given)
        settings = self.core_settings
        try:
            found = switched_off(found, settings.data_dir)
        except ConfigurationError as error:
            self._misconfigured.append(error)
        for candidate in screen(found, settings.plugins, settings.block, seniority(settings.data_dir)):
            self._note(candidate)
        for entry in unmatched(found, [*(settings.plugins or ()), *settings.block]):
            self.warnings.append(f"PACKHORSE_PLUGINS or PACKHORSE_BLOCK names {entry!a}, which is not installed.")
        for entry in unmatched(found, settings.isolated):
            self.warnings.append(f"PACKHORSE_ISOLATED names {entry!a}, which is not installed.")
        self._import()
        self._connect()
        self._configure()
        for warning in self.warnings:
            logger.warning(warning)

    def _note(self, candidate: Candidate) -> None:
        record = PluginRecord(candidate.name, candidate.distribution, candidate.version, candidate.location)
        self.records.append(record)
        if candidate.fault is not None:
            record.fail(candidate.fault)
        else:
            self._candidates[candidate.name] = candidate
            self._admitted[candidate.name] = record

    def _import(self) -> None:
        for record in [record for record in self.records if not record.loaded]:
            if not any(other.loaded and other.distribution == record.distribution for other in self.records):
                self._drop_dependents(Candidate(record.name, record.distribution), record)
        for name in list(self._candidates):
            if name in self._candidates:
                with self.attempt(name, "was imported"):
                    self._plugins[name] = self._load(self._candidates[name])
                self.record(name).note_import(took_log=reclaim())

    def _load(self, candidate: Candidate) -> object:
        if not named(candidate, self.core_settings.isolated):
            return candidate.load()
        from packhorse.isolated.plugin import IsolatedPlugin

        self.record(candidate.name).isolated = True
        others = {record.name for record in self.records} - {candidate.name}
        plugin = IsolatedPlugin(candidate, self.core_settings, others, self.variables)
        self.on_drop(candidate.name, plugin.process.stop)
        return plugin

    def _connect(self) -> None:
        for name, plugin in list(self._plugins.items()):
            with self.attempt(name, "declared its hooks"):
                self._specifications[name] = self._hooks.specifications_of(name, plugin)
        self._connected = True
        self._rebuild()

    def _rebuild(self) -> None:
        """Build the hooks anew from the plugins that are in; a plugin that does not fit is dropped, and so again."""
        while True:
            hooks = Hooks()
            failed = self._admit_all(hooks)
            if failed is None:
                self._hooks = hooks
                return
            name, fault = failed
            self._drop_one(name, fault)

    def _admit_all(self, hooks: Hooks) -> tuple[str, Fault] | None:
        for phase in ("declare", "admit"):
            for name, plugin in self._plugins.items():
                try:
                    with contained():
                        if phase == "admit":
                            hooks.admit(name, plugin)
                        else:
                            for namespace in self._specifications.get(name, ()):
                                hooks.declare(name, namespace)
                except PluginCrash as crash:
                    return name, fault_of(self.record(name), "was registered", crash)
        return None

    def _configure(self) -> None:
        variables = self.variables
        for name in list(self._plugins):
            if name in self._plugins:
                with self.attempt(name, "gave its settings"):
                    kinds = self._hooks.call(name, "register_settings", {})
                    self._settings[name] = settings_of(name, kinds, variables, self._misconfigured)
        self.settings_classes = {record.name: None for record in self.records}
        for name in self._plugins:
            if not self.record(name).isolated:  # whose settings only its own process knows
                self.settings_classes[name] = type(self._settings[name])
        try:
            check_unknown(self.settings_classes, variables)
        except ConfigurationError as error:
            self._misconfigured.append(error)

    # One plugin's faults

    @contextmanager
    def attempt(self, name: str, doing: str) -> Iterator[None]:
        """Drop the plugin if the block, in which its code runs, raises or hangs; see `guarded`.

        Args:
            name: the plugin.
            doing: what its record says it did when it failed, such as "was imported".
        """
        record = self.record(name)
        try:
            with guarded(record, doing, self.core_settings):
                yield
        except PluginCrash as crash:
            self.drop(name, fault_of(record, doing, crash), crash.cause)

    def drop(self, name: str, fault: Fault, cause: BaseException | None = None) -> None:
        """Take a plugin out with everything that it registered, and with the plugins that require it."""
        self._drop_one(name, fault, cause)
        if self._connected:
            self._rebuild()

    def _drop_one(self, name: str, fault: Fault, cause: BaseException | None = None) -> None:
        record = self.record(name)
        candidate = self._candidates.pop(name)
        for take_back in reversed(self._undo.pop(name, [])):
            take_back()
        self._plugins.pop(name, None)
        self._specifications.pop(name, None)
        self._settings.pop(name, None)
        self._contexts.pop(name, None)
        self.services.withdraw(name)
        record.fail(fault)
        logger.opt(exception=cause).error("The plugin {} (packhorse-core {})", record, record.core_version)
        self._drop_dependents(candidate, record)

    def _drop_dependents(self, candidate: Candidate, record: PluginRecord) -> None:
        for other in list(self._candidates.values()):
            if other.name in self._candidates and candidate.key in required(other) - {other.key}:
                reason = f"{other.distribution} needs {record.distribution}, which is not loaded: {record.error}"
                self._drop_one(other.name, Fault("incompatible", reason, record.remedy))

    def on_drop(self, name: str, take_back: Callable[[], None]) -> None:
        """Have `take_back` called if the plugin is dropped later."""
        self._undo.setdefault(name, []).append(take_back)

    def record(self, name: str) -> PluginRecord:
        """Return the record of the plugin that has this name.

        Of two with the same name it is the one that got the name.
        """
        admitted = self._admitted.get(name)
        return admitted or next(record for record in self.records if record.name == name)

    def check(self, *, strict: bool | None = None) -> None:
        """Refuse to go on with a wrong configuration, or, when strict, without a plugin that should be there.

        Args:
            strict: by default the setting of that name.

        Raises:
            ConfigurationError: naming every reason.
        """
        strict = self.core_settings.strict if strict is None else strict
        refuse(self._misconfigured, self.records, self.warnings, strict=strict)

    # What contexts and the server use

    @property
    def variables(self) -> Mapping[str, Variable]:
        """What settings are read from."""
        return read_variables() if self._variables is None else self._variables

    @property
    def candidates(self) -> list[Candidate]:
        """The plugins that take part, as they were found."""
        return list(self._candidates.values())

    @property
    def objects(self) -> dict[str, object]:
        """The plugins themselves, usually modules, by name."""
        return dict(self._plugins)

    @property
    def loaded(self) -> list[str]:
        """The names of the plugins that take part, each after those that it requires."""
        return list(self._plugins)

    @property
    def database(self) -> Database:
        """The open database.

        Raises:
            PackhorseError: outside `running`, when there is none.
        """
        if self.without_database:
            raise PackhorseError(
                "An isolated plugin has no access to the database.",
                remedy="Take it out of PACKHORSE_ISOLATED if you trust it with the database.",
            )
        if self._database is None:
            raise PackhorseError(
                "There is no open database here: it exists while the server or a command runs.",
                remedy="Use it in plugin_lifespan, in a tool, or inside context.run, not while registering.",
            )
        return self._database

    def plugin_settings(self, plugin: str) -> PluginSettings:
        """Return the validated settings of a plugin that takes part."""
        return self._settings[plugin]

    def describe_settings(self) -> list[SettingDescription]:
        """Return every setting of the core and of the loaded plugins with its value and source, secrets masked."""
        return describe(self.core_settings, self._settings, self._variables)

    def context(self, plugin: str) -> PluginContext:
        """Return the plugin's one context."""
        if plugin not in self._contexts:
            self._contexts[plugin] = PluginContext(plugin, self, logger.bind(plugin=plugin))
        return self._contexts[plugin]

    def failure(self, plugin: str | None = None) -> str:
        """Say why a plugin is not running, or, without a name, why those are not that should; empty if all are."""
        out = [record for record in self.records if record.status not in {"loaded", "blocked"}]
        return " ".join(
            f"{record.name}: {record.error} {record.remedy}".rstrip() for record in out if plugin in {None, record.name}
        )

    def call_plugin(self, plugin: str, hook: str, **arguments: Any) -> list[Any]:
        """Call one plugin's implementations of a hook, with its own context where the hook has that argument.

        Raises:
            PluginCrash: the plugin raised anything at all.
        """
        with contained():
            return self._hooks.call(plugin, hook, {"context": self.context(plugin), **arguments})

    def implements(self, plugin: str, hook: str) -> bool:
        """Tell whether a plugin that takes part implements a hook."""
        return self._hooks.implemented_by(plugin, hook)

    def only_awaits(self, plugin: str, hook: str) -> bool:
        """Tell whether a call of a plugin's hook runs nothing of it until its results are awaited."""
        return self._hooks.only_awaits(plugin, hook)

    def call_hook(self, name: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call a hook of every plugin and return (plugin, result) pairs; one that raises is logged and passed over."""
        results = []
        for plugin in self.loaded:
            if not self.implements(plugin, name):
                continue
            try:
                results += [(plugin, result) for result in self.call_plugin(plugin, name, **arguments)]
            except PluginCrash as crash:
                logger.opt(exception=crash.cause).error("{} of the plugin {} failed: {}", name, plugin, crash)
        return iter(results)

    def register_commands(self, app: App) -> None:
        """Let every plugin add its subcommands; one that fails is dropped and leaves none."""
        from packhorse.commands import register

        for name in self.loaded:
            if name in self._plugins:
                register(self, name, app)

    # Life

    @property
    def is_running(self) -> bool:
        """Whether the database is open."""
        return self._database is not None

    def use(self, database: Database | None) -> None:
        """Make this the database that contexts give out; for `lifespan` only."""
        self._database = database

    def running(self, *, patience: float | None = None) -> AbstractAsyncContextManager[None]:
        """Return the context in which the database is open and migrated and every plugin's lifespan entered.

        A plugin that does not start is dropped and the others go on.

        Args:
            patience: seconds to wait for the plugins; those that are late go on starting, see `starting`. By default
                each is waited for as long as its start may take.

        Raises:
            DatabaseUnavailableError, DatabaseError: there is no usable database.
            ConfigurationError: see `check`.
        """
        from packhorse.lifespan import running

        return running(self, patience)

    def run(self, main: Callable[[], Awaitable[T]], *, plugin: str | None = None) -> T:
        """Run `main` inside `running` on an event loop of its own, and return its result.

        Args:
            main: what to run.
            plugin: whose command it is; it is not run when that plugin could not start.

        Raises:
            PackhorseError: the plugin could not start.
        """
        from packhorse.lifespan import run

        return asyncio.run(run(self, main, plugin))
