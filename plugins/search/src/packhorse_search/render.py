"""An answer for people: locations that terminals and editors open, highlighted code, the reasons on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.terminal import safe

if TYPE_CHECKING:
    from rich.console import Console
    from rich.syntax import Syntax

    from packhorse_search.answer import SearchAnswer, SearchResult

MAX_LINES = 15
"""Lines of a result that a terminal shows, beside its context; a pipe gets all of them."""


def show(answer: SearchAnswer, output: Console, messages: Console) -> None:
    """Print the results on `output`, what is to be said about them on `messages`."""
    for place, result in enumerate(answer.results):
        if place:
            output.print()
        _show_result(result, output)
    for note in answer.warnings:
        messages.print(safe(note, style="yellow"))
    if answer.results:
        summary = f"{len(answer.results)} of {answer.total_count} matches in {answer.latency_ms:.0f} ms"
    else:
        summary = "No match: try other words, a symbol's name, or fewer filters"
    messages.print(safe("; ".join([summary, *answer.index]), style="dim"))


def _show_result(result: SearchResult, output: Console) -> None:
    head = safe(f"{result.file_path}:{result.start_line}", style="bold cyan")
    if result.symbol:
        head.append_text(safe(f"  {result.symbol}", style="bold"))
    head.append_text(safe(f"  {result.similarity_score:.2f}", style="green"))
    head.append_text(safe(f"  {result.why}", style="dim"))
    output.print(head)
    for task in result.tasks:
        output.print(safe(f"  task: {task.title} ({task.status})", style="magenta"))
    for name, value in (result.explain or {}).items():
        output.print(safe(f"  {value:6.3f}  {name}", style="dim"))
    _show_code(result, output)


def _show_code(result: SearchResult, output: Console) -> None:
    before = result.context_before.split("\n") if result.context_before else []
    after = result.context_after.split("\n") if result.context_after else []
    body = result.content.split("\n")
    hidden = 0
    if output.is_terminal and len(body) > MAX_LINES:
        hidden = len(body) - MAX_LINES
        body, after = body[:MAX_LINES], []
    first = result.start_line - len(before)
    lines = [*before, *body, *after]
    if output.is_terminal:
        output.print(_highlighted("\n".join(lines), result.file_path, first))
    else:
        width = len(str(first + len(lines)))
        for number, line in enumerate(lines, first):
            output.print(safe(f"{number:>{width}}  {line}", keep="\t"), soft_wrap=True)
    if hidden:
        output.print(safe(f"  … {hidden} more lines", style="dim"))


def _highlighted(code: str, path: str, first: int) -> Syntax:
    from rich.syntax import ANSI_DARK, ANSISyntaxTheme, Syntax

    # An excerpt may begin inside a comment or a string; what a lexer calls an error there is none.
    theme = ANSISyntaxTheme({token: style for token, style in ANSI_DARK.items() if token != ("Error",)})
    lexer = Syntax.guess_lexer(path, code)
    return Syntax(
        code, lexer, theme=theme, line_numbers=True, start_line=first, background_color="default", word_wrap=True
    )
