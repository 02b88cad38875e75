"""The answer as text for an agent: places first, code as the data that it is, a line for what is only named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse_search.fencing import NOTICE, fenced, named, quoted

if TYPE_CHECKING:
    from packhorse_search.answer import SearchAnswer, SearchResult, TaskLink


def text(answer: SearchAnswer, offset: int = 0) -> str:
    """Return the answer as Markdown with the same facts as its structured form, but the ids of its parts.

    Args:
        answer: what to present.
        offset: how many results came before these.
    """
    several = len({result.repository for result in answer.results}) > 1
    parts = [_head(answer, offset)]
    parts += [_result(i, result, several) for i, result in enumerate(answer.results, offset + 1)]
    if answer.more:
        parts.append("More files: " + quoted("; ".join(answer.more)))
    if answer.next_cursor:
        parts.append(f'More results: cursor "{answer.next_cursor}"')
    return "\n".join(parts)


def _head(answer: SearchAnswer, offset: int) -> str:
    notes = [*answer.index, *(f"Warning: {warning}" for warning in answer.warnings)]
    if answer.results:
        range_ = f"{offset + 1}-{offset + len(answer.results)}" if offset else f"{len(answer.results)}"
        first = f"{range_} of {answer.total_count} matches{_everywhere(answer)}. {NOTICE}"
    elif offset:
        first = f"No more of {answer.total_count} matches."
    else:
        first = "No match. Try other words, a symbol's name, or fewer filters."
    return "\n".join([first, *notes])


def _everywhere(answer: SearchAnswer) -> str:
    """Name the one repository that all results are in, unless what was searched names it already."""
    [first, *others] = {result.repository for result in answer.results}
    known = others or any(note.startswith(f"{first}: ") for note in answer.index)
    return "" if known else f", all in {first}"


def _result(number: int, result: SearchResult, several: bool) -> str:
    place = f"{named(result.file_path)}:{result.start_line}"
    if result.end_line != result.start_line:
        place += f"-{result.end_line}"
    if result.chunk_lines:
        place += " of {}-{}".format(*result.chunk_lines)
    facts = [place, *([named(result.symbol)] if result.symbol else []), f"{result.similarity_score:.2f}"]
    if several:
        facts.insert(0, result.repository)
    if result.why:
        facts.append(result.why)
    facts += [f"{name} {value:.2f}" for name, value in result.explain.items()]
    if result.tasks:
        facts.append("tasks: " + "; ".join(map(_task, result.tasks)))
    head = f"{number}. " + " | ".join(facts)
    body = "\n".join(part for part in (result.context_before, result.content, result.context_after) if part)
    if "\n" in body:
        return f"{head}\n{fenced(body, result.language)}"
    return f"{head} | {quoted(body)}" if body else head


def _task(task: TaskLink) -> str:
    return task.id if task.title is None else f"{task.title} ({task.status}, {task.id})"
