"""Answers for people: locations that terminals and editors open, matches highlighted, lines that pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.terminal import safe
from packhorse_search.lookup import present

if TYPE_CHECKING:
    from rich.console import Console

    from packhorse_search.lookup.answer import FileLines, LinesAnswer, OutlineAnswer, SimilarAnswer, SymbolAnswer, Told
    from packhorse_search.lookup.pattern import Pattern

_MATCH = "bold red"
_PLACE = "bold cyan"


def show_lines(answer: LinesAnswer, output: Console, messages: Console, pattern: Pattern | None) -> None:
    """Print the lines as `path:line:text`, what matches in them highlighted; context as `path-line-text`."""
    _files(answer.files, output, pattern)
    _told(present.count(answer) if answer.files else "No line matches", answer, messages, answer.searched)


def show_symbol(answer: SymbolAnswer, output: Console, messages: Console, pattern: Pattern | None) -> None:
    """Print the definitions of a symbol, and the lines that name it."""
    for one in answer.definitions:
        head = safe(f"{one.file_path}:{one.start_line}", style=_PLACE)
        output.print(head.append_text(safe(f"  {one.kind} {one.symbol}", style="bold")), soft_wrap=True)
        output.print(safe(one.content, keep="\t\n"), soft_wrap=True)
    _files(answer.files, output, pattern)
    summary = f"{answer.total_definitions} definitions"
    if answer.with_references:
        summary += f", referenced by name in {present.count(answer)}"
    if answer.suggestions:
        summary += f"; names like it: {', '.join(answer.suggestions)}"
    _told(summary, answer, messages, answer.searched)


def show_outline(answer: OutlineAnswer, output: Console, messages: Console) -> None:
    """Print the entries of an outline, one a line."""
    for entry in answer.entries:
        output.print(safe(present.entry_text(entry)), soft_wrap=True)
    _told(f"{len(answer.entries)} of {answer.total_count} entries", answer, messages)


def show_similar(answer: SimilarAnswer, output: Console, messages: Console) -> None:
    """Print the places that are like one."""
    for number, one in enumerate(answer.results):
        if number:
            output.print()
        head = safe(f"{one.file_path}:{one.start_line}", style=_PLACE)
        head.append_text(safe(f"  {one.symbol or ''}  {one.similarity_score:.2f}", style="green"))
        output.print(head, soft_wrap=True)
        output.print(safe(one.content, keep="\t\n"), soft_wrap=True)
    _told(f"{len(answer.results)} places like {answer.place}", answer, messages)


def _files(files: list[FileLines], output: Console, pattern: Pattern | None) -> None:
    for one in files:
        for line in one.lines:
            mark = ":" if line.is_match else "-"
            text = safe(line.text, keep="\t")
            if pattern is not None and line.is_match:
                for start, end in pattern.spans(text.plain):
                    text.stylize(_MATCH, start, end)
            place = safe(f"{one.file_path}{mark}{line.line}{mark}", style=_PLACE)
            output.print(place.append_text(text), soft_wrap=True)


def _told(summary: str, answer: Told, messages: Console, *said: str) -> None:
    for warning in answer.warnings:
        messages.print(safe(warning, style="yellow"), soft_wrap=True)
    facts = [f"{summary} in {answer.latency_ms:.0f} ms", *filter(None, said), *answer.index]
    messages.print(safe("; ".join(facts), style="dim"), soft_wrap=True)
