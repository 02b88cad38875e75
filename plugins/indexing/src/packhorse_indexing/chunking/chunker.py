"""From a text and its language to chunks and definitions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from packhorse_indexing.chunking import lines as by_lines
from packhorse_indexing.chunking import markdown, notebook, pieces, syntax
from packhorse_indexing.chunking.languages import Language, registry
from packhorse_indexing.chunking.model import Chunk, Chunked, Definition, Outline
from packhorse_indexing.chunking.segment import segment

if TYPE_CHECKING:
    from packhorse_indexing.chunking.model import Span

MAX_LINE = 8000
"""Characters of a line from which a file counts as generated: it is cut by lines, the long one a chunk of its own."""

MAX_LINES = 200_000
"""Lines of a file from which it counts as data: it is cut where it is full, for anything finer takes seconds."""

_DOMINANT = 0.6
_VARIABLES = frozenset({"variable", "constant"})


def chunk(text: str, language: str) -> Chunked:
    r"""Cut a text into chunks.

    Lines end at `\n` only, as in git and grep; a lone carriage return is part of its line. An unknown language is
    cut by lines.

    Raises:
        Exception: whatever a chunker or language of another plugin does.
    """
    if not text:
        return Chunked([], [])
    lines = text.splitlines(keepends=True) if _has_plain_lines(text) else _split(text)
    known = registry.get(language)
    chunker = registry.chunker(language)
    if chunker is not None:
        return pieces.cut(text, lines, chunker)
    if language == notebook.NOTEBOOK and len(lines) <= MAX_LINES and (cells := notebook.cut(text, lines)) is not None:
        return cells
    outline = _outline(text, lines, known) if len(lines) <= MAX_LINES else _flat(lines, known)
    rows = segment(lines, outline)
    describe = _Describer(outline.spans, known.prose if known else False)
    chunks = [describe.chunk(first, last, "".join(lines[first : last + 1])) for first, last in rows]
    starts = [first for first, _ in rows]
    definitions = [
        Definition(
            name=span.name,
            kind=span.kind,
            line=span.row + 1,
            chunk=bisect_right(starts, span.row) - 1,
            scope=describe.scope(span),
            end_line=span.last + 1,
        )
        for span in sorted(outline.spans, key=lambda span: span.row)
    ]
    return Chunked(chunks, definitions, outline.fallback)


def _has_plain_lines(text: str) -> bool:
    """Tell whether `str.splitlines` would cut at newlines only, which it does much faster than we can."""
    return text.isascii() and not any(mark in text for mark in "\r\v\f\x1c\x1d\x1e")


def _split(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _flat(lines: list[str], language: Language | None) -> Outline:
    reason = f"it has more than {MAX_LINES:,} lines" if language is not None and language.grammar else None
    return Outline([0] * len(lines), fallback=reason)


def _outline(text: str, lines: list[str], language: Language | None) -> Outline:
    if language is None:
        return by_lines.outline(lines)
    if language.headings:
        return markdown.outline(lines, language.name)
    if language.grammar is None:
        return by_lines.outline(lines, language.pattern)
    if max(map(len, lines)) > MAX_LINE:
        return by_lines.outline(lines, language.pattern, f"a line is longer than {MAX_LINE:,} characters")
    try:
        return syntax.outline(text, lines, language)
    except syntax.SyntaxUnavailableError as error:
        return by_lines.outline(lines, language.pattern, str(error))


class _Describer:
    """Says which definition a piece is, or belongs to."""

    def __init__(self, spans: list[Span], prose: bool) -> None:
        self._spans = spans
        self._between = "text" if prose else "module"
        self._order = sorted(range(len(spans)), key=lambda i: (spans[i].first, -spans[i].last))
        self._firsts = [spans[i].first for i in self._order]

    def chunk(self, first: int, last: int, content: str) -> Chunk:
        span = self._span(first, last)
        if span is None:
            return Chunk(first + 1, last + 1, self._between, None, None, None, content)
        return Chunk(first + 1, last + 1, span.kind, span.name, self.scope(span), span.signature, content)

    def scope(self, span: Span) -> str | None:
        names = [span.qualifier] if span.qualifier else []
        parent = span.parent
        while parent >= 0:
            names.append(self._spans[parent].name)
            parent = self._spans[parent].parent
        return ".".join(reversed(names)) or None

    def _span(self, first: int, last: int) -> Span | None:
        low, high = bisect_left(self._firsts, first), bisect_right(self._firsts, last)
        outermost: list[Span] = []
        for index in self._order[low:high]:
            span = self._spans[index]
            if not outermost or span.first > outermost[-1].last:
                outermost.append(span)
        major = [span for span in outermost if span.kind not in _VARIABLES]
        around = self._enclosing(first, low)
        if len(major) == 1 or (not major and not around and len(outermost) == 1):
            return (major or outermost)[0]
        if major:
            largest = max(major, key=lambda span: min(span.last, last) - span.first)
            if min(largest.last, last) - largest.first + 1 >= _DOMINANT * (last - first + 1):
                return largest
        return around

    def _enclosing(self, row: int, before: int) -> Span | None:
        """Return the innermost definition that began before a row and goes on in it."""
        if before == 0:
            return None
        index = self._order[before - 1]
        while index >= 0 and self._spans[index].last < row:
            index = self._spans[index].parent
        return self._spans[index] if index >= 0 else None
