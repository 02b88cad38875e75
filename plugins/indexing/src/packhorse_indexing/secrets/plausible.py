"""Whether a value that stands where a secret would is one, or a placeholder, a word, a name or an expression."""

from __future__ import annotations

import re

# Of the pairs of letters in the words of source code nine in ten are among these, of those in random text fewer
# than three.
_PAIRS = """
    ab ac ad ag ai al am an ap ar as at au av ay ba be bl bo bu ca ce ch ci ck cl co cr ct cu da de di do ds du ea ec
    ed ee ef el em en ep eq er es et ev ex fa fe fi fo fr fu ge gh gi ha he hi ho ht ia ib ic id ie if ig il im in io
    ip ir is it iv iz ke la ld le li ll lo ls lt lu ly ma me mi mo mp na nc nd ne nf ng ni nn no ns nt nu ob oc od ol
    om on oo op or os ot ou ov ow pa pe pi pl po pp pr pt pu py qu ra rd re rg ri rm rn ro rr rs rt ru ry sa sc se sh
    si so sp ss st su ta te th ti tl to tr ts tt tu ty ub uc ue ui ul um un up ur us ut va ve vi wa wh wi xp xt yp ze
"""
_COMMON_PAIRS = frozenset(_PAIRS.split())
_WORDY_PAIRS = 0.65
_WORDY_LETTERS = 3
_SEQUENCE = 3
"""Characters in a row, each the next of the alphabet or the same, from which on they say nothing."""

_LEAST_PASSWORD = 6
_LEAST_PLAIN_PASSWORD = 8
_LEAST_PASSWORD_RESIDUE = 4
_LEAST_TOKEN_RESIDUE = 6
_LEAST_DISTINCT = 6
_LEAST_LETTERS_ONLY = 16
# Shares of a value that are in no word. They were chosen on the seeded corpus of the tests and on a hundred megabytes
# of source code.
_ODD_PASSWORD = 0.2
_ODD_PLAIN_PASSWORD = 0.45
_ODD_TOKEN = 0.5
_TOKEN_RESIDUE = 0.6
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^A-Za-z0-9\s]")
_NEUTRAL = frozenset("-_./:=,")
_TEMPLATE = re.compile(
    r"\$\{|\$\([\w ][^)]{0,80}\)|\{\{|%\(\w{1,80}\)|(?<![A-Za-z0-9%])%[sdr@]\b|%\.[*\d]|\{[A-Za-z_]?[\w.!:\[\]]{0,60}\}"
    r"|<[A-Za-z][\w \-.:/]{0,60}>|\.\.\.|…|\*\*\*|###|<%|#\{|^\$[A-Za-z_]\w*$|^%\w+%$|^@\w+@$|^[<\[(].*[>\])]$|^\$\$"
    r"|\[redacted",
    re.IGNORECASE,
)
_STAND_IN = re.compile(
    r"example|change[-_ ]?(?:me|it|this)|place[-_ ]?holder|dummy|sample|your[-_]|insert|replace|redacted|xxxx|to-?do"
    r"|fixme|omitted|not[-_]?(?:a|the|so)?[-_]?(?:real|secret)|lorem",
    re.IGNORECASE,
)
_FILLERS = re.compile(
    r"passw(?:or|0r)?d|p@ssw[o0]rd|passphrase|pass(?:wd)?|pwd|secret|s3cr3t|token|creden(?:tials?)|user(?:name)?|admin|root"
    r"|guest|test(?:ing|er)?|fake|mock|default|value|string|qwerty|foo|bar|baz|qux|spam|eggs|hello|world|hunter2?|invalid"
    r"|valid|wrong|correct|wordpress|postgres|mysql|mongo|redis|rabbitmq|login|letmein|welcome|access|private|public"
    r"|api|key|auth|oauth|bearer|basic|none|null|true|false|undefined|encrypted|hash(?:ed)?|client|server|super|some|any"
    r"|my|the|new|old|session|refresh|cookie|csrf|jwt|github|gitlab|google|azure|aws"
)


_TOKEN = re.compile(r"[\w+/=.~:@!#$%^&*()-]+", re.ASCII)
_DOTTED_NAME = re.compile(r"(?:[A-Za-z_]\w*(?:\.|->|::))+[A-Za-z_]\w*")


def is_template(value: str) -> bool:
    """Tell whether a value is filled in elsewhere, or says that it stands for another."""
    return _TEMPLATE.search(value) is not None or _STAND_IN.search(value) is not None


def is_password(value: str) -> bool:
    """Tell whether a value is likely a password that someone uses: it needs not be random, but not one word either."""
    if len(value) < _LEAST_PASSWORD or is_template(value) or _residue(value) < _LEAST_PASSWORD_RESIDUE:
        return False
    letters = any(map(str.isalpha, value))
    digits = any(map(str.isdigit, value))
    signs = any(not (c.isalnum() or c in _NEUTRAL) for c in value)
    if letters + digits + signs > 1:
        return _oddness(value) >= _ODD_PASSWORD
    # One sort of character: letters that make no words, or digits that are no date or version.
    return value.isalnum() and len(value) >= _LEAST_PLAIN_PASSWORD and _oddness(value) >= _ODD_PLAIN_PASSWORD


def is_token(value: str, least: int) -> bool:
    """Tell whether a value is likely a random one of `least` characters or more."""
    if len(value) < least or is_template(value) or "://" in value or not _TOKEN.fullmatch(value):
        return False
    if _residue(value) < max(_LEAST_TOKEN_RESIDUE, _TOKEN_RESIDUE * len(value)) or len(set(value)) < _LEAST_DISTINCT:
        return False
    digits = sum(map(str.isdigit, value))
    if digits == len(value) or (not digits and len(value) < _LEAST_LETTERS_ONLY):
        return False
    return _oddness(value) >= _ODD_TOKEN


def is_name(value: str) -> bool:
    """Tell whether a bare value may be a name in code: words, or a path of attributes that are words."""
    return _DOTTED_NAME.fullmatch(value) is not None


def _residue(value: str) -> int:
    """Count the letters, digits and signs that are left without fillers, sequences (abc, 123) and repetitions."""
    rest = _FILLERS.sub("", value.lower())
    left = 0
    run, before, last_step = 1, -2, -1
    for character in rest:
        step = ord(character) - before
        before = ord(character)
        run = (run + 1 if step == last_step else 2) if step in {0, 1} else 1
        last_step = step
        if character in _NEUTRAL:
            continue
        left += 1
        if run == _SEQUENCE:
            left -= _SEQUENCE
        elif run > _SEQUENCE:
            left -= 1
    return left


def _oddness(value: str) -> float:
    """Return the share of a value that is in no word, separators left aside."""
    odd = total = 0
    for part in _PARTS.findall(value):
        if part in _NEUTRAL:
            continue
        total += len(part)
        if not part.isalpha() or not _is_wordy(part.lower()):
            odd += len(part)
    return odd / total if total else 0.0


def _is_wordy(letters: str) -> bool:
    if len(letters) < _WORDY_LETTERS or not letters.isascii():
        return len(letters) >= _WORDY_LETTERS
    common = sum(letters[at : at + 2] in _COMMON_PAIRS for at in range(len(letters) - 1))
    return common >= _WORDY_PAIRS * (len(letters) - 1)
