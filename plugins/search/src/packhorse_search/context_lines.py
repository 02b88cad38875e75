"""The lines around a result, from the indexed content; the file itself may have changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packhorse_search.store import LinesRow


class Span(NamedTuple):
    """Lines of a blob, 1-based and inclusive."""

    blob_id: int
    first: int
    last: int


def wanted_spans(blob_id: int, start_line: int, end_line: int, count: int) -> tuple[Span, Span]:
    """Return the spans of up to `count` lines before and after."""
    return Span(blob_id, max(1, start_line - count), start_line - 1), Span(blob_id, end_line + 1, end_line + count)


def read(span: Span, rows: Iterable[LinesRow]) -> str:
    """Return the lines of a span out of the chunks that overlap it; as many as there are."""
    found: dict[int, str] = {}
    for row in rows:
        if row.blob_id != span.blob_id or row.start_line > span.last or row.end_line < span.first:
            continue
        found |= dict(enumerate(_lines(row.content), row.start_line))
    return "\n".join(found[number] for number in sorted(found) if span.first <= number <= span.last)


def _lines(content: str) -> Sequence[str]:
    return content.replace("\r\n", "\n").removesuffix("\n").split("\n")
