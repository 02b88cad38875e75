"""Private keys: blocks of PEM, OpenSSH, PGP and PuTTY, on lines of their own or inside literals, and JSON Web Keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packhorse_indexing.secrets.model import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_ANCHOR = "te k"
"""In "PRIVATE KEY"."""

PUTTY_ANCHOR = "te-l"
"""In "Private-Lines"."""

JSON_ANCHORS = ('"d":', '"p":', '"q":', '"dp"', '"dq"', '"qi"', '"k":')

_MAX_BLOCK = 64 * 1024
_MAX_HEAD = 60
_HEAD = re.compile(r"-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_NEXT_MARK = re.compile(r"-{4,5} ?(END|BEGIN) ")
# What the body is made of; the escapes and the line ends between are left standing.
_BODY = re.compile(r"\\[nrt]|([+/]*[A-Za-z0-9=][A-Za-z0-9+/=_.:,-]*)")
_BASE64_LINE = re.compile(r"[^A-Za-z0-9+/=\n]{0,40}[A-Za-z0-9+/=]{16,200}(?:\\[nr]){0,2}[^A-Za-z0-9+/=\n]{0,12}\r?\n")
_LAST_LINE = re.compile(r"[^A-Za-z0-9+/=\n]{0,40}[A-Za-z0-9+/=]{2,100}[^A-Za-z0-9+/=\n]{0,12}$", re.MULTILINE)
_INLINE = re.compile(r"[A-Za-z0-9+/=\\\r\n\"' +,]{64,60000}")
_LONG = re.compile(r"[A-Za-z0-9+/=]{16,}")
_WORDS = re.compile(r"[A-Za-z0-9+/=]+")
_LEAST_BODY = 40
_PUTTY = re.compile(r"te-Lines: \d{1,3}\r?\n((?:[A-Za-z0-9+/=]{1,80}\r?\n?){1,99})")
_JSON_VALUE = re.compile(r"\"(?:d|p|q|dp|dq|qi|k)\"\s{0,20}:\s{0,20}\"([A-Za-z0-9_-]{16,2000})\"")
_MAX_JSON_KEY = 4000


def find_block(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the lines between the head and the foot of a block; without a foot, what looks like its body."""
    head = next((m for m in _HEAD.finditer(text, max(at - _MAX_HEAD, 0), at + _MAX_HEAD) if m.end() > at), None)
    if head is None:
        return
    foot = _NEXT_MARK.search(text, head.end(), head.end() + _MAX_BLOCK)
    start = head.end()
    if foot is not None and foot[1] == "END" and _is_body(text[start : foot.start()]):
        end = foot.start()
    else:
        end = _end_of_body(text, start)
        if not _is_body(text[start:end]):
            return
    yield from _lines(text, start, end)


def _is_body(body: str) -> bool:
    long = sum(map(len, _LONG.findall(body)))
    return long >= _LEAST_BODY and long >= 0.6 * sum(map(len, _WORDS.findall(body)))


def _end_of_body(text: str, start: int) -> int:
    line_end = text.find("\n", start, start + 200)
    at = line_end + 1 if line_end >= 0 else start
    first = at
    while at - start < _MAX_BLOCK and (line := _BASE64_LINE.match(text, at)) is not None:
        at = line.end()
    if at == first:
        inline = _INLINE.match(text, start)
        return inline.end() if inline else start
    last = _LAST_LINE.match(text, at)
    return last.end() if last else at


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    count = 1
    line = -1
    for word in _BODY.finditer(text, start, end):
        if word[1] is None:
            continue
        ends_before = text.find("\n", max(line, start), word.start())
        if line < 0 or ends_before >= 0:
            yield Span(word.start(1), word.end(1), "private-key", count)
        else:
            # One marker a line is enough.
            yield Span(word.start(1), word.end(1), "", 0)
        count = 0
        line = word.end()


def find_putty(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the lines of the private half of a PuTTY key."""
    match = _PUTTY.match(text, at)
    if match is not None:
        yield from _lines(text, *match.span(1))


def find_json_key(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield a private number of a JSON Web Key (RFC 7517)."""
    match = _JSON_VALUE.match(text, at)
    if match is not None and text.find('"kty"', max(at - _MAX_JSON_KEY, 0), at + _MAX_JSON_KEY) >= 0:
        yield Span(*match.span(1), "json-web-key")
