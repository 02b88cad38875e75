"""The redaction of a text: anchors found, each shown to those who know it, and what they name taken out."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial
from typing import TYPE_CHECKING

from packhorse_indexing.secrets import assignments, contexts, keys
from packhorse_indexing.secrets.anchors import Anchors
from packhorse_indexing.secrets.model import Finder, Redacted, Span
from packhorse_indexing.secrets.providers import LONG_RUN, RULES, RULES_OF_RUNS, Rule
from packhorse_indexing.secrets.tokens import encoded_text, find_token

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUN_TABLE = bytes(1 if bytes([byte]).isalnum() else 0 for byte in range(256))
LONG_BASE64 = 32
"""Letters and digits in a row from which on a run is decoded."""

_RUN = b"\1" * LONG_RUN
_MARKER = "[redacted:{}]"


def _finders() -> dict[str, tuple[Finder, ...]]:
    table: defaultdict[str, list[Finder]] = defaultdict(list)
    for rule in RULES:
        for anchor in rule.anchors:
            table[anchor].append(partial(_find_token, rule))
    for anchors, finder in (
        (assignments.ANCHORS, assignments.find_assignment),
        (("://",), contexts.find_url),
        (("bear",), contexts.find_bearer),
        (("basi",), contexts.find_basic),
        (("auth",), contexts.find_docker),
        (("auth",), contexts.find_auth_pair),
        (("getc",), contexts.find_connection),
        (("akia", "asia"), contexts.find_aws_secret),
        (("thin", "oci:", "oci8"), contexts.find_thin),
        (("ntif",), contexts.find_identified),
        (("-u ", "-u=", "--us"), contexts.find_user_option),
        ((" -p",), contexts.find_password_option),
        (("pass",), contexts.find_netrc),
        ((keys.BLOCK_ANCHOR,), keys.find_block),
        ((keys.PUTTY_ANCHOR,), keys.find_putty),
        (keys.JSON_ANCHORS, keys.find_json_key),
    ):
        for anchor in anchors:
            table[anchor].append(finder)
    return {anchor: tuple(found) for anchor, found in table.items()}


def _find_token(rule: Rule, text: str, at: int, _language: str) -> Iterator[Span]:
    return find_token(rule, text, at)


_FINDERS = _finders()
_ANCHORS = Anchors(_FINDERS)


def redact(text: str, language: str = "") -> Redacted:
    """Take the secrets out of a file's text and put a marker such as `[redacted:github-token]` in their place.

    The text keeps its lines and their ends. Redacting its result again changes nothing.

    Args:
        text: of any length; the time is proportional to it whatever is in it.
        language: of the file. In a configuration language a bare word after `password:` is a value, in code it is a
            name. It is the language and not the path, so that one content is redacted in one way wherever it stands.
    """
    spans = _merged(_spans(text, language, nested=True))
    if not spans:
        return Redacted(text)
    parts: list[str] = []
    at = 0
    for span in spans:
        parts += (text[at : span.start], _MARKER.format(span.kind) if span.kind else "")
        at = span.end
    kinds = Counter[str]()
    for span in spans:
        if span.counted:
            kinds[span.kind] += span.counted
    return Redacted("".join([*parts, text[at:]]), kinds.total(), dict(kinds))


def _spans(text: str, language: str, *, nested: bool) -> Iterator[Span]:
    # One byte for each character, so that offsets are the same.
    data = text.encode("ascii", "replace")
    covered = 0
    for at in _ANCHORS.find(data):
        if at < covered:
            continue
        quad = text[at : at + 4].lower()
        for finder in (*_FINDERS.get(quad, ()), *_FINDERS.get(quad[:3], ())):
            for span in finder(text, at, language):
                yield span
                covered = max(covered, span.end)
    yield from _spans_of_runs(text, data, nested=nested)


def _spans_of_runs(text: str, data: bytes, *, nested: bool) -> Iterator[Span]:
    runs = data.translate(_RUN_TABLE)
    end = 0
    while (start := runs.find(_RUN, end)) >= 0:
        end = runs.find(b"\0", start)
        end = len(runs) if end < 0 else end
        for rule in RULES_OF_RUNS:
            for before in {*rule.before}:
                if before <= start:
                    yield from find_token(rule, text, start - before)
        if nested and end - start >= LONG_BASE64:
            lines, inner = encoded_text(text, start)
            end = max(end, lines[-1].end) if lines else end
            if any(True for _ in _spans(inner, "text", nested=False)):
                for number, line in enumerate(lines):
                    yield Span(line.start, line.end, "encoded-secret", int(number == 0))


def _merged(found: Iterator[Span]) -> list[Span]:
    """Sort the stretches and unite those that overlap, under the kind of the first one found."""
    merged: list[Span] = []
    order = sorted(enumerate(found), key=lambda numbered: (numbered[1].start, numbered[0]))
    for _, span in order:
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = Span(
                last.start, max(last.end, span.end), last.kind or span.kind, max(last.counted, span.counted)
            )
        else:
            merged.append(span)
    return merged
