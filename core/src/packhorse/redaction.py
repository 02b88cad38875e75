"""What may not be shown: secrets in text are masked, and control characters of untrusted text are made visible."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from urllib.parse import unquote, urlsplit

MASK = "***"

_URL_PASSWORD = re.compile(
    r"(?P<head>\b[a-z][a-z0-9+.\-]{1,30}://[^\s:/@?#'\"]{0,200}:)(?P<secret>[^\s/'\"]{1,500})(?=@)", re.IGNORECASE
)
_HEADER = re.compile(
    r"(?P<head>\b(?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|basic|token|digest)\s+)?)(?P<secret>[^\s'\",;]{3,})",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<head>\bbearer\s+)(?P<secret>[A-Za-z0-9._~+/=\-]{8,})", re.IGNORECASE)
_NAME = r"[\w\-]{0,60}?(?:passw(?:or)?d|passphrase|secret|token|api[_\-]?key|access[_\-]?key|private[_\-]?key|pwd)"
_ASSIGNMENT = re.compile(
    rf"(?P<head>\b(?:{_NAME})['\"]?\s*(?:=|:)\s*)"
    r"(?P<secret>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[^\s'\"&,;)}\]]+)",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"\b(?:sk-[A-Za-z0-9_\-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_\-]{16,}"
    r"|xox[abprs]-[A-Za-z0-9\-]{10,}|AKIA[0-9A-Z]{16}|hf_[A-Za-z0-9]{20,}|eyJ[\w\-]{10,}\.[\w\-]{10,}\.[\w\-]{5,})"
)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)

# What a terminal or a log reader would act on or not show: controls, format characters (bidirectional overrides,
# zero-width), lone surrogates, and the line and paragraph separators.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SUSPECT = re.compile(r"[^\x20-\x7e\xa1-\xac\xae-\u02ff]")
# Unicode's other default-ignorable code points, letters and marks by category: a text may be hidden in a run of them.
_IGNORED = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
_EMOJI = re.compile(r"(?<=[\u203c-\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f]|\ufe0f(?=\u20e3)")
"""A variation selector where it belongs: behind a symbol, which it makes an emoji or a character."""

_known: set[str] = set()
_SHORTEST_KNOWN = 6  # a shorter secret would also mask parts of ordinary words


def protect(secret: str) -> None:
    """Let `redact` mask this very text from now on; of a URL, its password."""
    candidates = {secret}
    if "://" in secret:
        with suppress(ValueError):
            password = urlsplit(secret).password or ""
            candidates = {password, unquote(password)}
    _known.update(candidate for candidate in candidates if len(candidate) >= _SHORTEST_KNOWN)


def redact(text: str) -> str:
    """Return `text` with passwords, tokens, authorization headers and keys replaced by `***`."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    if "PRIVATE KEY" in text:
        text = _PEM.sub(f"{MASK} private key {MASK}", text)
    text = _URL_PASSWORD.sub(rf"\g<head>{MASK}", text)
    text = _HEADER.sub(rf"\g<head>{MASK}", text)
    text = _BEARER.sub(rf"\g<head>{MASK}", text)
    text = _ASSIGNMENT.sub(rf"\g<head>{MASK}", text)
    return _KEY.sub(MASK, text)


def visible(text: str, *, keep: str = "") -> str:
    r"""Return `text` with each control, format, ignorable and surrogate character as an escape such as `\x1b`.

    Args:
        text: untrusted text, on its way to a terminal or a log.
        keep: characters to leave as they are, commonly `"\n"` or `"\n\t"`.
    """

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if character in keep or _EMOJI.match(text, match.start()):
            return character
        if unicodedata.category(character) in _INVISIBLE_CATEGORIES or _IGNORED.match(character):
            return character.encode("unicode_escape").decode("ascii")
        return character

    return _SUSPECT.sub(escape, text)
