"""The answer as text for an agent: places first, code fenced as the data that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse_search.fencing import NOTICE, fenced

if TYPE_CHECKING:
    from packhorse_search.answer import SearchAnswer, SearchResult


def text(answer: SearchAnswer) -> str:
    """Return the answer as Markdown with the same facts as its structured form, but the ids and scores of its parts."""
    several = len({result.repository for result in answer.results}) > 1
    parts = [_head(answer), *(_result(i + 1, result, several) for i, result in enumerate(answer.results))]
    return "\n\n".join(parts)


def _head(answer: SearchAnswer) -> str:
    if not answer.results:
        first = "No match. Try other words, a symbol's name, or fewer filters."
    else:
        first = f"{len(answer.results)} of {answer.total_count} matches{_everywhere(answer)}. {NOTICE}"
    return "\n".join([first, *answer.index, *(f"Warning: {warning}" for warning in answer.warnings)])


def _everywhere(answer: SearchAnswer) -> str:
    """Name the one repository that all results are in, unless what was searched names it already."""
    [first, *others] = {result.repository for result in answer.results}
    known = others or any(note.startswith(f"{first}: ") for note in answer.index)
    return "" if known else f", all in {first}"


def _result(number: int, result: SearchResult, several: bool) -> str:
    place = f"{result.file_path}:{result.start_line}-{result.end_line}"
    facts = [place, *([result.symbol] if result.symbol else []), f"{result.similarity_score:.2f}"]
    if several:
        facts.insert(0, result.repository)
    if result.why:
        facts.append(result.why)
    lines = [f"{number}. " + " | ".join(facts)]
    if result.tasks:
        lines.append("   tasks: " + "; ".join(f"{task.title} ({task.status}, {task.id})" for task in result.tasks))
    body = "\n".join(part for part in (result.context_before, result.content, result.context_after) if part)
    return "\n".join([*lines, fenced(body, result.language)])
