"""Tokens that are recognised by their own form, in one literal, in several, or in base64."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING

from packhorse_indexing.secrets.literals import Piece, join, pieces, project
from packhorse_indexing.secrets.model import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse_indexing.secrets.providers import Rule

_TOKEN_CHARACTERS = re.compile(r"[\w\-./+=~:$%]{1,2000}")
_QUOTES = frozenset("\"'`")
_FILLER = frozenset("x*.0_-")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{32,20000}+={0,2}")
_NEXT_LINE = re.compile(r"\r?\n[ \t]{0,40}([A-Za-z0-9+/_-]{1,200}+={0,2})(?=\s|$)")
_MAX_LINE = 4096
_SAMPLE = 32
_MAX_LINES = 400
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def find_token(rule: Rule, text: str, at: int) -> Iterator[Span]:
    """Yield the token of a rule whose anchor is at an offset."""
    least, most = rule.before
    for before in range(least, most + 1):
        start = at - before
        if start < 0:
            return
        if text[start - 1 : start] in _QUOTES and (found := list(_find_in_pieces(rule, text, start))):
            yield from found
            return
        match = rule.pattern.match(text, start)
        if match is not None:
            first, last = match.span(match.lastindex or 0)
            if not _FILLER.issuperset(text[max(first, last - 12) : last].lower()):
                yield Span(first, last, rule.kind)
            return


def _find_in_pieces(rule: Rule, text: str, start: int) -> Iterator[Span]:
    found = pieces(text, start, _TOKEN_CHARACTERS)
    match = rule.pattern.match(join(text, found)) if len(found) > 1 else None
    if match is None:
        return
    for number, (first, last) in enumerate(project(found, *match.span(match.lastindex or 0))):
        yield Span(first, last, rule.kind, int(number == 0))


def encoded_text(text: str, at: int) -> tuple[list[Piece], str]:
    """Return the lines of base64 around an offset, and the text in them, which is empty when they hold none."""
    window = text[max(at - _MAX_LINE, 0) : at]
    start = at - len(window) + len(window.rstrip(_ALPHABET))
    match = _BASE64.match(text, start)
    lines = [Piece(*match.span())] if match else []
    if match is None or not _decoded(match[0][:_SAMPLE]):
        return lines, ""
    # Padding ends what was encoded at once.
    while len(lines) < _MAX_LINES and text[lines[-1].end - 1] != "=":
        further = _NEXT_LINE.match(text, lines[-1].end)
        if further is None:
            break
        lines.append(Piece(*further.span(1)))
    for taken in (lines, lines[:1]):
        inner = _decoded(join(text, taken))
        if inner:
            return taken, inner
    return lines, ""


def _decoded(run: str) -> str:
    """Return the ASCII text that base64 of either alphabet holds, or nothing when it holds something else."""
    run = run.rstrip("=").replace("-", "+").replace("_", "/")
    whole = run[:-1] if len(run) % 4 == 1 else run
    decoded = b64decode(whole + "=" * (-len(whole) % 4))
    if not decoded.isascii() or _CONTROL.search(decoded):
        return ""
    return decoded.decode("ascii")
