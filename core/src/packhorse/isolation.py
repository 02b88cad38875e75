"""Running code of a plugin so that nothing it raises ends the host."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from packhorse.errors import PackhorseError
from packhorse.overtime import OvertimeError
from packhorse.redaction import redact, visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

LONGEST = 500


class PluginCrash(Exception):  # noqa: N818 - it carries an error, it is none
    """A plugin's code raised `cause`: an exception, an exit, an interrupt that nobody pressed."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(explain(cause))
        self.cause = cause


@contextmanager
def contained() -> Iterator[None]:
    """Turn whatever the block raises into `PluginCrash`.

    Only the user's own Ctrl-C, a cancellation of the surrounding task and the closing of a generator pass through.
    """
    with _watching_interrupts() as pressed:
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit, PluginCrash):
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and pressed:
                raise
            raise PluginCrash(error) from error


@contextmanager
def _watching_interrupts() -> Iterator[list[int]]:
    """Yield a list that has an entry once the user presses Ctrl-C; elsewhere than in the main thread none arrives."""
    pressed: list[int] = []
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield pressed
        return

    def on_interrupt(number: int, frame: FrameType | None) -> Any:
        pressed.append(number)
        return previous(number, frame)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, previous)  # also undoes what the plugin may have set


def explain(error: BaseException) -> str:
    """Return one printable line that says what was raised, without secrets, shortened to a readable length."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    if isinstance(error, OvertimeError):
        return str(error)
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the exception is a plugin's, its __str__ may raise anything
        text = "its message cannot be shown"
    if not isinstance(error, PackhorseError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return printable(redact(text), LONGEST)


def printable(text: str, longest: int) -> str:
    """Return `text` on one line with control, invisible and surrogate characters escaped, at most `longest` long."""
    line = " ".join(text.split()) if "\n" in text else text
    shortened = line if len(line) <= longest else f"{line[: longest - 1]}…"
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shortened)
    return visible("".join(escaped))
