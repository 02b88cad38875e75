"""What contains a plugin's code, and what undoes it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from packhorse.errors import NotFoundError
from packhorse.isolation import PluginCrash, contained, explain, printable
from packhorse.rollback import Baseline, Checkpoint

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(2), KeyboardInterrupt(), RecursionError(), MemoryError()]
)
def test_whatever_a_plugin_raises_is_contained(error: BaseException) -> None:
    """Also what ends a process."""
    with pytest.raises(PluginCrash) as caught, contained():
        raise error
    assert isinstance(caught.value.cause, error if isinstance(error, type) else type(error))


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit()])
def test_cancellation_is_not_contained(error: BaseException) -> None:
    """It is the host's own."""
    with pytest.raises(type(error)), contained():
        raise error


def test_the_users_interrupt_is_not_taken_for_a_plugins() -> None:
    """Ctrl-C while a plugin is imported ends the process as ever, and the handler is put back."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), contained():
        press_interrupt()
    assert signal.getsignal(signal.SIGINT) is before
    with contained():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_plugins_are_contained_too() -> None:
    """Where no signal arrives and none may be set."""
    caught: list[BaseException] = []

    def run() -> None:
        try:
            with contained():
                raise KeyboardInterrupt
        except PluginCrash as crash:
            caught.append(crash.cause)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert isinstance(caught[0], KeyboardInterrupt)


def press_interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise SystemError("no text")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("a\nb\x1b[31m"), r"ValueError: a b\x1b[31m"),
        (ValueError(), "ValueError"),
        (SystemExit("bye"), "it called sys.exit('bye')"),
        (NotFoundError("There is none.", remedy="Make one."), "There is none. Make one."),
        (UnspeakableError(), "UnspeakableError: its message cannot be shown"),
        (ValueError("postgresql://me:hunter2@host/db"), "ValueError: postgresql://me:"),
    ],
)
def test_an_error_is_explained_in_one_printable_line(error: BaseException, text: str) -> None:
    """Without secrets and control characters."""
    explained = explain(error)
    assert explained.startswith(text)
    assert "hunter2" not in explained


def test_text_is_escaped_and_shortened() -> None:
    """Bidirectional and lone surrogate characters are shown as what they are."""
    assert printable("a\u202eb\ud800c\u200b", 50) == r"a\u202eb\ud800c\u200b"
    assert printable("x" * 11, 10) == "x" * 9 + "…"


class Thing:
    __slots__ = ("items", "names", "one", "table")

    def __init__(self) -> None:
        self.one: object = "one"
        self.items: list[object] = ["first"]
        self.table: dict[str, object] = {"a": 1}
        self.names: set[str] = {"x"}


class Loose(Thing):
    """With slots and a dictionary."""


def change(thing: Thing) -> None:
    thing.one = "other"
    thing.items.append("second")
    thing.table |= {"a": 2, "b": 3}
    thing.names.add("y")


def state(thing: Thing) -> tuple[object, ...]:
    return thing.one, list(thing.items), dict(thing.table), set(thing.names)


@pytest.mark.parametrize("kind", [Thing, Loose])
def test_a_checkpoint_restores_every_attribute_in_place(kind: type[Thing]) -> None:
    """Whoever else holds the lists sees them restored too."""
    thing = kind()
    items, before = thing.items, state(thing)
    checkpoint = Checkpoint(thing)
    change(thing)
    thing.items = []
    if isinstance(thing, Loose):
        thing.more = 1
    checkpoint.restore()
    assert state(thing) == before
    assert thing.items is items
    assert not hasattr(thing, "more")


def test_undoing_leaves_what_others_did_later() -> None:
    """A plugin that fails late takes only its own with it."""
    thing = Loose()
    checkpoint = Checkpoint(thing)
    change(thing)
    thing.extra = "mine"
    undo = checkpoint.undo()
    thing.items.append("third")
    thing.table["c"] = 4
    thing.names.add("z")
    undo()
    assert state(thing) == ("one", ["first", "third"], {"a": 1, "c": 4}, {"x", "z"})
    assert not hasattr(thing, "extra")


def test_undoing_leaves_what_others_have_replaced_since() -> None:
    """The later one's value stands."""
    thing = Thing()
    checkpoint = Checkpoint(thing)
    thing.one = "mine"
    thing.table["a"] = "mine"
    undo = checkpoint.undo()
    thing.one = "theirs"
    thing.table["a"] = "theirs"
    undo()
    assert (thing.one, thing.table) == ("theirs", {"a": "theirs"})


class Component:
    def __init__(self, name: str) -> None:
        self.name = name
        self.parameters = {"properties": {"a": {"description": name}}}


def test_the_baseline_notices_and_repairs_changed_components() -> None:
    """In whatever depth of the schema; what its owner took back is no longer expected."""
    one, two = Component("one"), Component("two")
    components = {"one": one, "two": two}
    baseline = Baseline()
    baseline.accept(components)
    assert baseline.damaged(components) == []
    one.parameters["properties"]["a"]["description"] = "poison"
    assert baseline.damaged({"one": one}) == ["one", "two"]
    baseline.repair()
    assert one.parameters == {"properties": {"a": {"description": "one"}}}
    baseline.accept({"one": one})
    assert baseline.damaged({"one": one}) == []
