"""Values that are given to a name which says what they are: `password = "…"`, `api_key: …`, `export X_TOKEN=…`."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from packhorse_indexing.secrets.literals import join, pieces, project
from packhorse_indexing.secrets.model import Span
from packhorse_indexing.secrets.plausible import is_name, is_password, is_token

if TYPE_CHECKING:
    from collections.abc import Iterator

ANCHORS = (
    "pass", "pwd", "pw=", "pw:", 'pw"', "secr", "toke", "cred", "auth",
    *(f"key{c}" for c in "_-.=:\"'`)]<> \t\n\r,\\0123456789"),
)  # fmt: skip


class Kind(IntEnum):
    """What a name promises, from what is believed at a digit to what must look random."""

    NOTHING = 0
    PASSWORD = 1
    SECRET = 2
    KEY = 3
    WEAK = 4


_LEAST = {Kind.SECRET: 10, Kind.KEY: 12, Kind.WEAK: 20}
_LABELS = {Kind.PASSWORD: "password", Kind.SECRET: "secret", Kind.KEY: "key", Kind.WEAK: "key"}
_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
_MAX_PREFIX = 60
_MAX_OPERATORS = 4
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_AFTERTHOUGHTS = """
    prod production dev development test testing stage staging live local main primary secondary default value val str
    string text raw plain plaintext base b64 base64 hex old new current previous backup env var const literal qa uat
    override fallback
"""
_SUFFIXES = frozenset(_AFTERTHOUGHTS.split())
_PASSWORD_ENDS = ("password", "passwords", "passwd", "passphrase", "passcode", "pwd", "dbpass", "userpass", "rootpass")
_PASSWORD_WORDS = frozenset({"pass", "pw", "psw", "pswd"})
_SECRET_ENDS = ("secret", "secrets", "token", "tokens")
_SECRET_WORDS = frozenset({"auth", "authorization", "credential", "credentials", "cred", "creds"})
_KEYS_OF = """
    api access secret private auth account encryption encrypt signing sign signature master shared service admin license
    storage client consumer hmac session cookie jwt deploy deployment app application crypto cipher aes des rsa master
    webhook write read root user subscription instrumentation security integration
"""
_QUALIFIERS = frozenset(_KEYS_OF.split())
_QUALIFIER_ENDS = tuple(_QUALIFIERS)
_OPEN_WORDS = frozenset({"public", "websocket", "ws", "foreign", "cache", "partition", "pub"})
_QUALIFIER = re.compile(r"\b([A-Za-z]{3,12}) $")
_SETTER = re.compile(r"(?:^|[._])(?:set|with|use)_?[A-Z]|(?:^|[._])(?:set|with|use)_", re.ASCII)
_REST = re.compile(r"[\w.-]{4,100}+|\w{3}")
_ARGUMENT = re.compile(r"[(\[]\s{0,40}\\{0,3}[\"'`]$")
_AFTER = re.compile(
    r"""
    (?P<quote>\\{0,3}["'`])?
    [)\]]{0,3}
    (?:\?|!)?
    (?:\s{0,4}:\s{0,4}[A-Za-z_][\w.\[\]|<>?&*]{0,40}+(?=\s{0,4}=[ \t]{0,4}[^\s=>]))?
    (?P<operator>
        [ \t]{0,40}(?:=>|:=|[=!]==?|\|\|=?|\?\?=?|\?=|\+=|[=:>])(?:[ \t]{0,4}[|>][-+]?[ \t]{0,4}\r?\n)?
        |\s{0,4},(?=\s)?
        |[ \t]{1,4}or(?=[ \t])
        |[ \t]{1,4}is(?=[ \t:])
        |\((?=\s{0,40}["'`])
        |\s{0,4}\{[^{}]{0,300}?\bdefault\s{0,8}=
        |["']?,?\s{1,60}["']?[vV]alue["']?\s{0,4}[:=]
        |</(?:key|name|string)>\s{0,60}<(?:string|value)>
        |[ \t]{1,8}(?=[^\s=:])
    )
    (?P<gap>[ \t]{0,40}(?:[\\(]?[ \t]{0,4}\r?\n\s{0,60}|[(]\s{0,20})?
    (?:(?:[Tt]oken|[Aa]pi-?[Kk]ey|[Bb]earer)[ \t]{1,4}(?=[^\s=:"']))?)
    """,
    re.VERBOSE,
)  # fmt: skip
_OPENING = re.compile(r"[@$]?[bBrRuUfF]{0,2}(\\{0,3})(\"\"\"|'''|[\"'`])(?:(?:[Tt]oken|[Aa]pi-?[Kk]ey|[Bb]earer) )?")
_QUOTED = {quote: re.compile(rf"[^\s{quote}]{{1,8192}}+") for quote in "\"'`"}
_BARE = re.compile(r"[^\s\"'`<>,;&|(){}\[\]\\]{4,512}+")
_ELEMENT = re.compile(r"[^\s<>]{4,512}+(?=</)")
_BARE_LINE = re.compile(r"[^\s\"'`]{4,512}+(?=[ \t]*(?:[ \t]#.{0,200})?$)", re.MULTILINE)
_CONFIGURATION = frozenset({
    "bash", "batch", "dockerfile", "fish", "hcl", "ini", "json", "makefile", "powershell", "text", "toml", "xml",
    "yaml",
})  # fmt: skip
"""Languages in which an unquoted value is data."""
_ENVIRONMENT = re.compile(r"(?:^|\n)[ \t]*(?:#|//|;|--)?[ \t]*(?:export|set|setx|ENV|ARG)?[ \t]*[A-Z][A-Z0-9_]*$")
_COMMENT = re.compile(r"(?:^|\n)[ \t]*(?:#|//|\*|--|;|/\*|<!--)[^\n\"'`(=]*$")
_CALLED = re.compile(r"\w\([^\s()]{0,80}\)")
_SIGNS = frozenset("!@#$%^&*~")
_EXPRESSION = re.compile(r"[=!]=|&&|->|::|^[&*!@#]|[*%&]$|^\$")
_ONLY_QUOTED = frozenset({"", ",", "|", "?", "o", "("})
_BEFORE_PARAMETER = frozenset({";", "?", "&"})
_CALLS = frozenset("([{")


def find_assignment(text: str, at: int, language: str) -> Iterator[Span]:
    """Yield the value that is given to the name of which an anchor is a part."""
    window = text[max(at - _MAX_PREFIX, 0) : at]
    prefix = window[len(window.rstrip(_NAME)) :]
    if not prefix and text[at : at + 3].lower() == "key":
        # "API key: …" has its qualifier before a space.
        words = _QUALIFIER.search(window)
        if words is None or words[1].lower() not in _QUALIFIERS:
            return
        prefix = words[0]
    rest = _REST.match(text, at)
    name = prefix + (rest[0] if rest else "")
    kind = classify(name)
    after = _AFTER.match(text, at - len(prefix) + len(name)) if kind else None
    if after is None:
        return
    operator = after["operator"].strip()
    before = window[: len(window) - len(prefix)]
    opening = _OPENING.match(text, after.end())
    if opening is not None:
        if _may_be_quoted(after, operator, before, name, opening[2]):
            yield from _find_quoted(text, opening, kind)
    elif operator[:1] not in _ONLY_QUOTED or _is_option(before, prefix, operator):
        trusted = not operator or operator == ">" or language in _CONFIGURATION
        if not trusted and after["operator"] == "=" and not after["gap"]:
            trusted = before[-1:] in _BEFORE_PARAMETER or _is_variable(before, name)
        trusted = trusted or _COMMENT.search(before) is not None
        yield from _find_bare(text, after.end(), kind, _ELEMENT if operator == ">" else _BARE, trusted=trusted)


def _may_be_quoted(after: re.Match[str], operator: str, before: str, name: str, quote: str) -> bool:
    if operator == ",":
        # The arguments of a call, not the items of a list.
        return after["quote"] is not None and _ARGUMENT.search(before) is not None
    if operator == "(":
        return _SETTER.search(name) is not None
    # SQL: PASSWORD '…'
    return bool(operator) or (quote == "'" and classify(name) is Kind.PASSWORD)


def _is_option(before: str, prefix: str, operator: str) -> bool:
    return not operator and prefix.startswith("--") and before[-1:].isspace()


def _is_variable(before: str, name: str) -> bool:
    """Tell whether `NAME=` begins a line, as in a file of environment variables."""
    return name.isupper() and _ENVIRONMENT.search(before + name) is not None


def _find_quoted(text: str, opening: re.Match[str], kind: Kind) -> Iterator[Span]:
    characters = _QUOTED[opening[2][0]]
    found = pieces(text, opening.end(), characters)
    if not found:
        return
    last = found[-1].end
    if text[last : last + 1] != opening[2][0]:
        return
    if opening[1]:
        # Inside another literal the closing quote is escaped as well.
        found = [piece._replace(end=piece.start + len(text[piece.start : piece.end].rstrip("\\"))) for piece in found]
    value = join(text, found)
    if _is_secret(value, kind):
        for number, (start, end) in enumerate(project(found, 0, len(value))):
            yield Span(start, end, _LABELS[kind], int(number == 0))


def _find_bare(text: str, at: int, kind: Kind, form: re.Pattern[str], *, trusted: bool) -> Iterator[Span]:
    for pattern in (_BARE_LINE, form) if trusted and form is _BARE else (form,):
        match = pattern.match(text, at)
        if match is None or text[match.end() : match.end() + 1] in _CALLS or _is_code(match[0]):
            continue
        if _is_secret(match[0], kind) if trusted else _is_surely_secret(match[0], kind):
            yield Span(*match.span(), _LABELS[kind])
            return


def _is_code(value: str) -> bool:
    """Tell whether a value is a call, or many assignments, each of which would else be looked at with all after it."""
    inner = value.rstrip("=")
    return inner.count("=") + inner.count(":") > _MAX_OPERATORS or _CALLED.search(value) is not None


def _is_secret(value: str, kind: Kind) -> bool:
    if kind is Kind.PASSWORD:
        return is_password(value) or is_token(value, 10)
    return is_token(value, _LEAST[kind])


def _is_surely_secret(value: str, kind: Kind) -> bool:
    if kind is Kind.PASSWORD and _SIGNS.intersection(value):
        return is_password(value) and any(map(str.isdigit, value)) and not _EXPRESSION.search(value)
    return any(map(str.isdigit, value)) and not is_name(value) and is_token(value, max(_LEAST.get(kind, 8), 8))


@lru_cache(maxsize=8192)
def classify(name: str) -> Kind:
    """Say what a name promises of its value; the last words of a name say what it is."""
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1] in _SUFFIXES or words[-1].isdigit()):
        words.pop()
    if not words:
        return Kind.NOTHING
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    kind = Kind.NOTHING
    if last in _PASSWORD_WORDS or last.endswith(_PASSWORD_ENDS):
        kind = Kind.PASSWORD
    elif _OPEN_WORDS.intersection(words):
        kind = Kind.NOTHING
    elif last in _SECRET_WORDS or last.endswith(_SECRET_ENDS):
        kind = Kind.SECRET
    elif last.endswith("key") and last[:-3].endswith(_QUALIFIER_ENDS):
        kind = Kind.KEY
    elif last in {"key", "keys"} and before:
        kind = Kind.KEY if before in _QUALIFIERS else Kind.WEAK
    return kind
