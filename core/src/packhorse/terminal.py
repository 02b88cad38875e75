"""What commands share in talking to a person or to a program: JSON, tables, progress, errors; public for plugins.

Data goes to standard output, everything about it (progress, errors, hints) to standard error, so that a command's
output can be piped. Text that comes from files, repositories or servers passes through `safe` on its way to a
terminal.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from packhorse.redaction import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from packhorse.errors import PackhorseError

WIDE = 10_000  # columns, where there is no terminal to wrap for


def print_json(value: object) -> None:
    """Print `value` on standard output as indented UTF-8 JSON.

    Times are written as ISO 8601, UUIDs and paths as strings, pydantic models and dataclasses as objects, sets as
    sorted lists.

    Raises:
        TypeError: something in `value` has no JSON form.
        ValueError: a number is infinite or not a number.
    """
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a lone surrogate, such as an undecodable file name, is legal in JSON as an escape only
        data = json.dumps(value, default=_plain, indent=2, allow_nan=False).encode()
    sys.stdout.flush()
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | PurePath):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__qualname__} has no JSON form")


@cache
def _console(stderr: bool) -> Console:
    from rich.console import Console

    class PlainConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # for the command line to end as with any other writer, not with rich's exit code

    found = PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False)
    if found.is_terminal:
        return found
    # Into a pipe or a file nothing is wrapped or cut: the reader is a program, or a pager with its own width.
    return PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False, width=WIDE)


def output() -> Console:
    """Return the console of standard output, without markup: `[` is just a character."""
    return _console(False)


def messages() -> Console:
    """Return the console of standard error."""
    return _console(True)


def safe(text: object, *, style: str = "", keep: str = "") -> Text:
    r"""Return text of any origin for a console: controls and invisible characters shown as escapes, no markup.

    Args:
        text: what to show; it is converted with `str`.
        style: a rich style, such as `"bold red"`.
        keep: control characters to leave as they are, commonly `"\n"`.
    """
    from rich.text import Text

    return Text(visible(str(text), keep=keep), style=style)


def table(*columns: str) -> Table:
    """Return an unframed table with these headings; its rows are `safe` texts."""
    from rich.table import Table

    found = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        found.add_column(column, overflow="fold")
    return found


def print_table(found: Table) -> None:
    """Print a table on standard output; without a terminal its lines are neither wrapped nor padded at their end."""
    console = output()
    if console.is_terminal:
        console.print(found)
        return
    with console.capture() as captured:
        console.print(found)
    for line in captured.get().splitlines():
        console.print(line.rstrip(), soft_wrap=True)


class Progress:
    """One line of progress on standard error; without a terminal it shows nothing."""

    def __init__(self, bar: Any = None, task: Any = None) -> None:
        self._bar = bar
        self._task = task

    def update(self, done: float, total: float | None = None, description: str | None = None) -> None:
        """Show that `done` of `total` is finished; both may be in any unit."""
        if self._bar is not None:
            changes: dict[str, Any] = {"completed": done, "total": total, "description": description}
            changes = {name: value for name, value in changes.items() if value is not None}
            if description is not None:
                changes["description"] = visible(description)
            self._bar.update(self._task, **changes)


@contextmanager
def progress(description: str, total: float | None = None) -> Iterator[Progress]:
    """Show a progress bar on standard error for the length of the block, and remove it afterwards."""
    console = messages()
    if not console.is_terminal:
        yield Progress()
        return
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    # On a narrow terminal it is the description that gives way.
    what = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = (
        TextColumn("{task.description}", markup=False, table_column=what),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Bar(*columns, console=console, transient=True, expand=True) as bar:
        yield Progress(bar, bar.add_task(visible(description), total=total))


def confirm(question: str) -> bool:
    """Ask a person at a terminal, and return whether the answer is yes; a script, which cannot answer, is not asked."""
    if not (sys.stdin.isatty() and messages().is_terminal):
        return True
    messages().print(safe(f"{question} [y/N] "), end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def print_error(error: PackhorseError | str) -> None:
    """Print an error on standard error, in red on a terminal, what to do next on a line of its own."""
    message, remedy = (error, "") if isinstance(error, str) else (error.message, error.remedy)
    console = messages()
    console.print(safe(f"Error: {message}", style="red", keep="\n"), soft_wrap=True)
    if remedy:
        console.print(safe(remedy, keep="\n"), soft_wrap=True)


def print_warning(text: str) -> None:
    """Print a sentence on standard error that something is not as it should be."""
    messages().print(safe(f"Warning: {text}", style="yellow", keep="\n"), soft_wrap=True)
