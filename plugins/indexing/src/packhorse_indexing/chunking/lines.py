"""The outline of a text by its lines alone: indentation, blank lines, and patterns of definitions.

For prose, configuration and languages without a grammar, and for code whose syntax tree is not to be had.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packhorse_indexing.chunking.model import GLUE, Outline, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAX_INDENT = 40
_TAB = 4
_CLOSERS = re.compile(r"\s*(?:[\])}]|(?:end|fi|done|esac)\b)")

# One pattern for the definitions of most languages; a language may bring its own.
_DEFINITION = re.compile(
    r"""\s*
    (?:(?:export|default|public|private|protected|internal|static|final|abstract|sealed|open|override|virtual|async
        |pub(?:\([^)]*\))?|unsafe|extern|inline|partial|data|local|const|declare|suspend)\s+)*
    (?P<kind>def|defp|defmacro|defmodule|class|interface|struct|enum|trait|protocol|object|record|module|namespace
        |func|fn|fun|function|sub|proc|procedure|subroutine|impl|type|message|service|macro)
    \s+(?:\([^)]*\)\s*)?(?P<name>[A-Za-z_$][\w$]*(?:[.:]{1,2}[A-Za-z_]\w*)*[?!]?)(?=\s*[\W]|\s*$)
    """,
    re.VERBOSE,
)
_KINDS = {
    "def": "function", "defp": "function", "defmacro": "macro", "defmodule": "module", "func": "function",
    "fn": "function", "fun": "function", "sub": "function", "proc": "function", "procedure": "function",
    "subroutine": "function",
}  # fmt: skip


def outline(lines: Sequence[str], pattern: re.Pattern[str] | None = None, fallback: str | None = None) -> Outline:
    """Draw the outline of a text from its indentation and blank lines, its definitions from a pattern.

    `pattern` matches at the start of a line that defines something and has a group `name` and perhaps `kind`.
    """
    indents = [_indent(line) for line in lines]
    starts = dict(definitions(lines, pattern))
    costs: list[int] = []
    blank_before = True
    for row, line in enumerate(lines):
        indent = indents[row]
        if indent is None:
            costs.append(GLUE)  # a blank line stays with what it ends
            blank_before = True
            continue
        cost = 3 * min(indent, _MAX_INDENT) + (0 if row in starts else 1 if blank_before else 2)
        costs.append(cost + GLUE if _CLOSERS.match(line) else cost)
        blank_before = False
    return Outline(costs, _spans(lines, indents, starts), fallback)


def definitions(lines: Sequence[str], pattern: re.Pattern[str] | None = None) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the row, and the kind and name, of each line that a pattern takes for a definition."""
    match = (pattern or _DEFINITION).match
    for row, line in enumerate(lines):
        found = match(line)
        if found:
            groups = found.groupdict()
            kind = (groups.get("kind") or "section").lower()
            yield row, (_KINDS.get(kind, kind), groups["name"].strip())


def _indent(line: str) -> int | None:
    """Return the width of a line's indentation, or None when it is blank."""
    text = line.lstrip()
    if not text:
        return None
    lead = line[: len(line) - len(text)]
    return len(lead) + (_TAB - 1) * lead.count("\t")


def _spans(lines: Sequence[str], indents: list[int | None], starts: dict[int, tuple[str, str]]) -> list[Span]:
    """Give each definition the rows that are indented deeper than its own, and its closing line."""
    spans: list[Span] = []
    open_spans: list[tuple[int, int]] = []  # (indent, index), each deeper than the one before
    last_text = 0
    for row, indent in enumerate(indents):
        if indent is None:
            continue
        if row in starts or not _CLOSERS.match(lines[row]):
            while open_spans and open_spans[-1][0] >= indent:
                spans[open_spans.pop()[1]].last = last_text
        if row in starts:
            kind, name = starts[row]
            parent = open_spans[-1][1] if open_spans else -1
            signature = lines[row].strip().rstrip("{:").rstrip()
            spans.append(Span(name, kind, row, row, row, parent, signature))
            open_spans.append((indent, len(spans) - 1))
        last_text = row
    for _, index in open_spans:
        spans[index].last = last_text
    return spans
