"""Answers as text for an agent: short, with everything that comes from files in one fence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse_search.fencing import NOTICE, fenced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packhorse_search.lookup.answer import (
        Definition,
        Entry,
        FileLines,
        LinesAnswer,
        OutlineAnswer,
        SimilarAnswer,
        SimilarPlace,
        SymbolAnswer,
        Told,
    )


def lines_text(answer: LinesAnswer) -> str:
    """Return the lines that match, by file."""
    if not answer.files:
        end = "" if answer.cursor is None else " yet; the cursor goes on"
        return _told(f"No line matches{end}.", answer, [answer.searched])
    head = f"{count(answer)}{_everywhere(answer, answer.files)}. {NOTICE}"
    return _told(head, answer, [answer.searched], fenced("\n".join(_files(answer.files))))


def count(answer: LinesAnswer) -> str:
    """Say how many lines match in how many files."""
    least = "" if answer.is_complete else "At least " if answer.searched.startswith("files 1 ") else "Here "
    lines = "line" if answer.total_lines == 1 else "lines"
    return f"{least}{answer.total_lines} {lines} in {answer.total_files} file{'s' * (answer.total_files != 1)}"


def symbol_text(answer: SymbolAnswer) -> str:
    """Return the definitions of a symbol and what names it."""
    body = []
    if not answer.total_definitions:
        head = "No definition of that name."
        if answer.suggestions:
            head += f" Names like it follow. {NOTICE}"
            body = ["\n".join(answer.suggestions)]
    else:
        more = answer.total_definitions - len(answer.definitions)
        left = f", {len(answer.definitions)} shown; directory or a qualified name finds the others"
        left = left if more and answer.definitions else ""
        head = f"{answer.total_definitions} definition{'s' * (answer.total_definitions != 1)}{left}"
        head += f"{_everywhere(answer, [*answer.definitions, *answer.files])}. {NOTICE}"
        several = len({one.repository for one in answer.definitions}) > 1
        body = [_definition(one, several=several) for one in answer.definitions]
    said = []
    if answer.with_references:
        said = [f"References, by name rather than by type: {count(answer)}.", answer.searched]
        body += ["\n".join(_files(answer.files))] if answer.files else []
    return _told(head, answer, said, *([fenced("\n\n".join(body))] if body else []))


def outline_text(answer: OutlineAnswer) -> str:
    """Return the symbols of a file or the members of a folder."""
    place = f"{answer.path or '.'}{_everywhere(answer, [answer])}"
    if not answer.entries:
        return _told(f"{place} defines nothing that is known.", answer, [])
    head = f"{place}: {len(answer.entries)} of {answer.total_count} entries. {NOTICE}"
    return _told(head, answer, [], fenced("\n".join(map(entry_text, answer.entries))))


def entry_text(entry: Entry) -> str:
    """Return an entry on one line: its name, what it is, where or how much."""
    if entry.start_line is not None:
        end = f"-{entry.end_line}" if entry.end_line is not None and entry.end_line != entry.start_line else ""
        return f"{'  ' * entry.depth}{entry.kind} {entry.name} {entry.start_line}{end}"
    size = f"{entry.end_line} lines" if entry.files is None else f"{entry.files} file{'s' * (entry.files != 1)}"
    names = f": {', '.join(entry.symbols)}" if entry.symbols else ""
    return f"{entry.name} {size}{names}"


def similar_text(answer: SimilarAnswer) -> str:
    """Return the places that are like one, with their code."""
    if not answer.results:
        return _told(f"Nothing is like {answer.place}.", answer, [])
    where = _everywhere(answer, answer.results)
    head = f"{len(answer.results)} places like {answer.place}, most similar first{where}. {NOTICE}"
    several = len({one.repository for one in answer.results}) > 1
    body = "\n\n".join(_place(one, several=several) for one in answer.results)
    return _told(head, answer, [], fenced(body))


def _told(head: str, answer: Told, said: Iterable[str], *parts: str) -> str:
    lines = [head, *filter(None, said), *answer.index, *(f"Warning: {warning}" for warning in answer.warnings)]
    more = [f"More: the same call with cursor={answer.cursor}"] if answer.cursor else []
    return "\n".join([*lines, *parts, *more])


def _everywhere(answer: Told, places: Sequence[FileLines | Definition | SimilarPlace | OutlineAnswer]) -> str:
    """Name the one repository that all places are in, unless it is the only one that was searched."""
    names = {place.repository for place in places}
    if len(names) != 1 or (len(answer.index) == 1 and answer.index[0].startswith(f"{next(iter(names))}: ")):
        return ""
    return f", in {next(iter(names))}" if len(places) == 1 else f", all in {next(iter(names))}"


def _files(files: Sequence[FileLines]) -> Iterator[str]:
    several = len({one.repository for one in files}) > 1
    for one in files:
        yield f"{one.repository}/{one.file_path}" if several else one.file_path
        before = None
        symbol = None
        for line in one.lines:
            if before is not None and line.line > before + 1 and any(not other.is_match for other in one.lines):
                yield "  --"
            if line.symbol != symbol and line.symbol:
                yield f"  in {line.symbol}"
            symbol = line.symbol
            yield f"  {line.line}{':' if line.is_match else '-'} {line.text}"
            before = line.line
        if one.more:
            yield f"  … {one.more} more in this file"


def _definition(one: Definition, *, several: bool) -> str:
    path = f"{one.repository}/{one.file_path}" if several else one.file_path
    end = "" if one.end_line is None else f"-{one.end_line}"
    return f"{path}:{one.start_line}{end} {one.kind} {one.symbol}\n{one.content}"


def _place(one: SimilarPlace, *, several: bool) -> str:
    path = f"{one.repository}/{one.file_path}" if several else one.file_path
    symbol = f" {one.symbol}" if one.symbol else ""
    cut = " …" if one.truncated else ""
    return f"{path}:{one.start_line}-{one.end_line}{cut}{symbol} {one.similarity_score:.2f}\n{one.content}"
