"""An answer for people: locations that terminals and editors open, highlighted code, the reasons on request.

Everything stands in three columns over the whole answer: scores, line numbers, text. A line of code takes one row and
is cut where the terminal ends; a pipe gets all of it, and no colours.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import quote

from packhorse.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.text import Text

    from packhorse_search.answer import SearchAnswer, SearchResult

PLAN = (14, 7, 7)
"""Lines of the first results on a terminal, so that ten fit a tall window; see `assemble.LINES`."""

_INDENT = 6
"""The width of the column of scores, with the space after it."""


def show(answer: SearchAnswer, output: Console, messages: Console) -> None:
    """Print the results on `output`, what is to be said about them on `messages`."""
    width = max((len(str(result.end_line + 10)) for result in answer.results), default=0)
    several = len({result.repository for result in answer.results}) > 1
    for place, result in enumerate(answer.results):
        if place and ("\n" in result.content or "\n" in answer.results[place - 1].content):
            output.print()
        _show_result(result, output, width, several=several)
    for note in answer.warnings:
        messages.print(safe(note, style="yellow"))
    if answer.more:
        messages.print(safe("More files: " + "  ".join(answer.more), style="dim"))
    messages.print(safe("; ".join(_summary(answer)), style="dim"))


def _summary(answer: SearchAnswer) -> Iterator[str]:
    if answer.results:
        yield f"{len(answer.results)} of {answer.total_count} matches in {answer.latency_ms:.0f} ms"
    else:
        yield "No match: try other words, a symbol's name, or fewer filters"
    yield from answer.index
    if answer.next_cursor:
        yield f"more with --cursor {answer.next_cursor}"


def _show_result(result: SearchResult, output: Console, width: int, *, several: bool) -> None:
    # Each part is appended with its own style: that of the first would hold for the whole line.
    head = safe("")
    if output.is_terminal:
        head.append_text(safe(f"{result.similarity_score:.2f}  ", style="green"))
    head.append_text(_location(result, output, several=several))
    if result.symbol:
        head.append_text(safe(f"  {result.symbol}", style="bold"))
    if not output.is_terminal:
        head.append(f"  {result.similarity_score:.2f}")
    head.append_text(safe(f"  {result.why}", style="dim"))
    output.print(head, soft_wrap=not output.is_terminal, no_wrap=True, overflow="ellipsis")
    for task in result.tasks:
        name = task.id if task.title is None else f"{task.title} ({task.status})"
        output.print(safe(f"{'':{_INDENT}}task: {name}", style="magenta"), no_wrap=True, overflow="ellipsis")
    for name, value in result.explain.items():
        output.print(safe(f"{'':{_INDENT}}{value:6.3f}  {name}", style="dim"))
    _show_code(result, output, width)


def _location(result: SearchResult, output: Console, *, several: bool) -> Text:
    """Return `path:line`, with the folder before it where results are of several; on a terminal it is a link."""
    path = f"{result.repository}/{result.file_path}"
    style = "bold cyan"
    if output.is_terminal:
        style += f" link file://{socket.gethostname()}{quote(path)}"
    return safe(f"{path if several else result.file_path}:{result.start_line}", style=style)


def _show_code(result: SearchResult, output: Console, width: int) -> None:
    before = result.context_before.split("\n") if result.context_before else []
    after = result.context_after.split("\n") if result.context_after else []
    lines = [*before, *result.content.split("\n"), *after]
    first = result.start_line - len(before)
    if not output.is_terminal:
        for number, line in enumerate(lines, first):
            output.print(safe(f"{number:>{width}}  {line}", keep="\t"), soft_wrap=True)
        return
    for number, code in enumerate(_highlighted("\n".join(lines), result.file_path, len(lines)), first):
        row = safe("").append_text(safe(f"{'':{_INDENT}}{number:>{width}}  ", style="dim"))
        output.print(row.append_text(code), no_wrap=True, overflow="ellipsis")
    if result.chunk_lines:
        left_out = result.chunk_lines[1] - result.chunk_lines[0] + 1 - len(result.content.split("\n"))
        if len(lines) > 1 and left_out > 0:
            output.print(safe(f"{'':{_INDENT + width}}  … {left_out} more lines", style="dim"))


def _highlighted(code: str, path: str, count: int) -> list[Text]:
    """Return each line of code in colours that suit the terminal's own."""
    from rich.syntax import ANSI_DARK, ANSISyntaxTheme, Syntax

    # An excerpt may begin inside a comment or a string; what a lexer calls an error there is none.
    theme = ANSISyntaxTheme({token: style for token, style in ANSI_DARK.items() if token != ("Error",)})
    syntax = Syntax(code, Syntax.guess_lexer(path, code), theme=theme, background_color="default")
    lines = list(syntax.highlight(code.expandtabs(4)).split("\n", allow_blank=True))
    return lines[:count]
