"""The host's dealings with its plugins: commands, hooks, settings, lists, and what it says outside its life."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cyclopts import App

from packhorse import hookimpl, hookspec
from packhorse.errors import ConfigurationError, PackhorseError
from packhorse.server import build_server
from packhorse.settings import PluginSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from packhorse.plugins import PluginHost

pytestmark = pytest.mark.unit


class Plugin:
    """An object with some hooks; each test derives its own."""


class Greets(Plugin):
    """A plugin that works."""

    @hookimpl
    def register_tools(self, mcp):
        @mcp.tool
        def greet() -> str:
            """Greet."""
            return "hello"

        @mcp.resource("greet://{name}")
        def greeting(name: str) -> str:
            """The greeting."""
            return name

    @hookimpl
    def register_commands(self, app):
        @app.command
        def greet():
            """Greet."""


def test_commands_are_added_whole_or_not_at_all(object_host: Callable[..., PluginHost]) -> None:
    """A taken name, a removal and an exit take the plugin's other commands, and its tools, with them."""

    class Steals(Plugin):
        @hookimpl
        def register_commands(self, app):
            app.command(App(name="steals_first"))
            app.command(lambda: None, name="greet")

    class Removes(Plugin):
        @hookimpl
        def register_tools(self, mcp):
            @mcp.tool
            def removes() -> None:
                """Remove."""

        @hookimpl
        def register_commands(self, app):
            del app["greet"]

    class Fine(Plugin):
        @hookimpl
        def register_commands(self, app, context):
            app["own"].command(lambda: None, name=context.name)

    host = object_host(Fine(), Greets(), Removes(), Steals())
    server = build_server(host)
    assert host.record("removes").tools == ["removes"]
    app = App()
    app.command(App(name="own"))
    host.register_commands(app)
    assert [name for name in app._commands if not name.startswith("-")] == ["own", "greet"]
    assert "fine" in app["own"]._commands
    assert {record.name: record.status for record in host.records} == {
        "fine": "loaded",
        "greets": "loaded",
        "removes": "failed",
        "steals": "failed",
    }
    assert "tool:removes@" not in server.local_provider._components


def test_hooks_of_a_plugin_are_implemented_by_others(object_host: Callable[..., PluginHost]) -> None:
    """Calls are isolated; an unknown hook is an error; a taken or empty declaration fails its plugin."""

    class Names:
        @hookspec
        def name_it(self, thing: str) -> str: ...

        @hookspec(firstresult=True)
        def first(self) -> str: ...

    class Declares(Plugin):
        @hookimpl
        def register_hookspecs(self):
            return Names

    class Again(Declares):
        pass

    class Empty(Plugin):
        @hookimpl
        def register_hookspecs(self):
            return object()

    class Raises(Plugin):
        @hookimpl
        def name_it(self, thing):
            raise SystemExit(thing)

    class Works(Plugin):
        @hookimpl
        def name_it(self, thing):
            return thing.upper()

        @hookimpl
        def first(self):
            return "first"

        @hookimpl(optionalhook=True)
        def nobody_declares(self):
            return None

    host = object_host(Works(), Raises(), Declares(), Again(), Empty())
    assert sorted(host.loaded) == ["again", "raises", "works"] or sorted(host.loaded) == ["declares", "raises", "works"]
    context = host.context("works")
    assert list(context.call_hook("name_it", thing="x")) == [("works", "X")]
    assert list(context.call_hook("first")) == [("works", "first")]
    with pytest.raises(PackhorseError, match="name_it"):
        context.call_hook("name_itt", thing="x")
    with pytest.raises(PackhorseError, match="no hook zzz"):
        context.call_hook("zzz")
    assert "no functions marked" in host.record("empty").error
    without = object_host(Works())
    assert "no such hook" in without.record("works").error


def test_hooks_that_would_silently_do_nothing_are_refused(object_host: Callable[..., PluginHost]) -> None:
    """Unmarked, async, none at all, or with a wrong argument of a hook that another plugin declares."""

    class Unmarked(Plugin):
        def register_tools(self):
            raise AssertionError

    class Hasty(Plugin):
        @hookimpl
        async def register_tools(self):
            raise AssertionError

    host = object_host(Unmarked(), Plugin(), Hasty())
    build_server(host)
    assert "not marked" in host.record("unmarked").error
    assert "@hookimpl" in host.record("unmarked").remedy
    assert "implements no hook" in host.record("plugin").error
    assert "async" in host.record("hasty").error


class OneSettings(PluginSettings):
    size: int = 3


def test_an_object_that_cannot_be_hashed_or_compared_is_a_plugin_as_any_other(
    object_host: Callable[..., PluginHost],
) -> None:
    """Neither its own hooks nor those of the others need more of it than to be called."""

    class Odd:
        __hash__ = None  # type: ignore[assignment]  # as in types.SimpleNamespace and many data classes

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("not comparable")

        @hookimpl
        def register_commands(self, app: App) -> None:
            app.command(lambda: None, name="odd")

    class Plain:
        @hookimpl
        def register_commands(self, app: App) -> None:
            app.command(lambda: None, name="plain")

    host = object_host(Odd(), Plain())
    app = App()
    host.register_commands(app)
    assert host.loaded == ["odd", "plain"]
    assert {"odd", "plain"} <= set(app._commands)


def test_settings_are_read_under_the_plugins_prefix(object_host: Callable[..., PluginHost]) -> None:
    """A wrong or unknown variable of the user's refuses the start and names every reason; a wrong class does not."""

    class One(Plugin):
        @hookimpl
        def register_settings(self):
            return OneSettings

    class Wrong(Plugin):
        @hookimpl
        def register_settings(self):
            return dict

    host = object_host(One(), Wrong(), variables={"PACKHORSE_ONE_SIZE": "5"})
    assert host.context("one").settings(OneSettings).size == 5
    with pytest.raises(TypeError, match="registered OneSettings"):
        host.context("one").settings(type("Other", (PluginSettings,), {}))
    assert "not a subclass" in host.record("wrong").error
    assert build_server(host) is not None

    host = object_host(One(), Wrong(), variables={"PACKHORSE_ONE_SIZE": "many", "PACKHORSE_DB_POOL_SIZ": "1"})
    assert host.record("one").status == "failed"
    with pytest.raises(ConfigurationError) as caught:
        build_server(host, strict=False)
    assert "PACKHORSE_ONE_SIZE is 'many'" in str(caught.value)
    assert "PACKHORSE_DB_POOL_SIZ" in str(caught.value)
    assert "did you mean PACKHORSE_DB_POOL_SIZE?" in str(caught.value)


def test_a_list_entry_that_names_nothing_is_a_warning_and_in_strict_mode_an_error(
    object_host: Callable[..., PluginHost],
) -> None:
    """A misspelt block list would otherwise load what it was to keep out."""
    host = object_host(Greets(), block=("packhorse-gretes",))
    assert "packhorse-gretes" in host.warnings[0]
    assert host.loaded == ["greets"]
    with pytest.raises(ConfigurationError, match="packhorse-gretes"):
        build_server(host, strict=True)


def test_outside_its_life_a_host_has_no_database_and_says_so(object_host: Callable[..., PluginHost]) -> None:
    """A plugin that wants it while registering is told where it may have it."""

    class Eager(Plugin):
        @hookimpl
        def register_tools(self, context):
            context.database.connection()

    host = object_host(Eager())
    build_server(host)
    assert "no open database" in host.record("eager").error
    assert "plugin_lifespan" in host.record("eager").remedy
    assert "eager: There is no open database" in host.failure()
    assert host.context("greets").core is host.core_settings
