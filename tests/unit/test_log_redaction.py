"""Specification of what is masked, and of what is made visible, on the way to a log or a terminal."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.redaction import protect, redact, visible

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("connecting to postgresql://u:hunter22@host/db", "hunter22"),
        ("postgresql+asyncpg://u:p@ss@host:5432/db failed", "p@ss"),
        ("host=h password=hunter22 dbname=x", "hunter22"),
        ("PGPASSWORD='two words' psql", "two words"),
        ('{"api_key": "abc123xyz", "n": 1}', "abc123xyz"),
        ("Authorization: Bearer abcdef.ghijkl", "abcdef.ghijkl"),
        ("headers={'authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ("bearer abcdefghijkl", "abcdefghijkl"),
        ("PACKHORSE_HTTP_TOKEN=aaaabbbbccccdddd", "aaaabbbbccccdddd"),
        ("access_token: zzz999", "zzz999"),
        ("the key sk-abcdefghijklmnop1234 is wrong", "sk-abcdefghijklmnop1234"),
        ("ghp_" + "a" * 36, "ghp_" + "a" * 36),
        ("AKIAABCDEFGHIJKLMNOP", "AKIAABCDEFGHIJKLMNOP"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
        ("-----BEGIN PRIVATE KEY-----\nMIIabc and cut off", "MIIabc"),
    ],
)
def test_secrets_are_masked(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "text", ["tokens: 512", "n_tokens=17", "a token bucket", "https://host/path?x=1", "mailto:a@b.c", "lexeme key"]
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_protected_secret_is_masked_wherever_it_occurs() -> None:
    protect("very-particular-words")
    assert redact("it said very-particular-words twice") == "it said *** twice"


def test_the_password_of_a_protected_url_is_masked_in_both_spellings() -> None:
    password = "s3cr#t/pw"
    protect(f"postgresql://u:{quote(password, safe='')}@h/d")
    assert password not in redact(f"server said: bad {password}")
    assert quote(password, safe="") not in redact(f"url part {quote(password, safe='')}")


def test_what_is_too_short_or_no_url_is_not_protected() -> None:
    protect("ab")
    protect("http://[broken:pw@x")
    assert redact("ab abc") == "ab abc"


@pytest.mark.parametrize("text", ["_-a" * 20_000, "http://" * 10_000, "a" * 20_000 + "password" * 3_000, ":" * 50_000])
def test_masking_takes_linear_time(text: str) -> None:
    start = time.process_time()
    redact(text)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("right\u202eleft", "right\\u202eleft"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028separator", "line\\u2028separator"),
        ("lone\ud800", "lone\\ud800"),
        ("nul\x00", "nul\\x00"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("selector\U000e0101\ufe00", "selector\\U000e0101\\ufe00"),
        ("emoji 🐎\ufe0f\ufe0f", "emoji 🐎\ufe0f\\ufe0f"),
        ("filler\u3164\u115f", "filler\\u3164\\u115f"),
        ("joiner\u034f", "joiner\\u034f"),
    ],
)
def test_controls_and_invisible_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_letters_of_any_language_stay() -> None:
    for text in ("Grüße, 日本語, عربى, 🐎", "❤\ufe0f and 1\ufe0f\u20e3", "e\u0301"):
        assert visible(text) == text


def test_characters_may_be_kept() -> None:
    assert visible("a\n\tb\x07", keep="\n\t") == "a\n\tb\\x07"


@given(st.text())
def test_what_is_shown_is_one_printable_line(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or character == "\x1b" for character in shown)
    shown.encode()
