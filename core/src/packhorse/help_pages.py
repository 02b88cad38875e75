"""The examples in help pages: cyclopts drops the `Examples:` section of a docstring; here it is shown."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts import App

_SECTION = re.compile(r"^(Examples?:\n(?:[ \t]+\S.*\n?|[ \t]*\n)+)", re.MULTILINE)


def add_examples(app: App, examples: str) -> None:
    """Show `examples` below the page of `app`, and each subcommand's own below its page."""
    for name in app:
        found = app[name]
        if not name.startswith("-") and not found.help_epilogue:
            add_examples(found, examples_of(found.default_command))
    app.help_epilogue = f"{examples.strip()}\n\n" if examples.strip() else ""


def examples_of(command: object) -> str:
    """Return the `Examples:` section of a function's docstring, or nothing."""
    match = _SECTION.search((inspect.getdoc(command) or "") + "\n")
    return match[1] if match and callable(command) else ""
