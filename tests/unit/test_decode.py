"""From bytes to text: every encoding that code comes in, and nothing that is no text."""

from __future__ import annotations

import codecs
import gzip
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse_indexing.decode import Decoded, Skipped, decode

pytestmark = pytest.mark.unit

TEXT = 'def größe():\n    """Wie groß – 日本語."""\n    return 42\n' * 4


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), "utf-32-le"),
        (codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"), "utf-32-be"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-32-le"), "utf-32-le"),
        (TEXT.encode("utf-32-be"), "utf-32-be"),
    ],
)
def test_unicode_is_read_with_and_without_a_mark(data: bytes, encoding: str) -> None:
    assert decode(data) == Decoded(TEXT, encoding)


def test_line_ends_stay_as_they_are() -> None:
    assert decode(b"a\r\nb\nc\rd") == Decoded("a\r\nb\nc\rd", "utf-8")


def test_windows_1252_is_the_last_resort_and_takes_every_byte() -> None:
    decoded = decode("naïve café – “quoted”\n".encode("cp1252"))
    assert decoded == Decoded("naïve café – “quoted”\n", "windows-1252")
    assert decode(b"odd \x81 byte and \xe9\n" * 3) == Decoded("odd \x81 byte and é\n" * 3, "windows-1252")


def test_an_odd_byte_in_utf8_does_not_spoil_the_rest() -> None:
    data = "größe – 日本語".encode() + b" caf\xe9 \n"
    assert decode(data) == Decoded("größe – 日本語 café \n", "utf-8+windows-1252")


@pytest.mark.parametrize(
    ("declaration", "codec"),
    [("# -*- coding: koi8-r -*-", "koi8-r"), ('<?xml version="1.0" encoding="Shift_JIS"?>', "shift_jis")],
)
def test_a_declared_encoding_is_believed(declaration: str, codec: str) -> None:
    text = declaration + "\n" + ("привет мир" if codec == "koi8-r" else "日本語のテキスト") + "\n"
    decoded = decode(text.encode(codec))
    assert isinstance(decoded, Decoded)
    assert decoded.text == text


@pytest.mark.parametrize("name", [b"no-such-codec", b"rot13", b"zlib", b"unicode_escape", b"idna", b"ascii"])
def test_a_declaration_that_is_no_text_encoding_is_not(name: bytes) -> None:
    decoded = decode(b"# coding: " + name + b"\n caf\xe9\n")
    assert isinstance(decoded, Decoded)
    assert decoded.text.endswith(" café\n")


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + b"x" * 50,
        b"%PDF-1.7\n text",
        gzip.compress(b"hello" * 100),
        b"\x7fELF" + bytes(60),
        b"text with\0a NUL",
        random.Random(1).randbytes(4000).replace(b"\0", b"\x01"),
        codecs.BOM_UTF16_LE + bytes(range(1, 9)) * 200 + b"\x01\x00" * 900,
    ],
    ids=["png", "pdf", "gzip", "elf", "nul", "noise", "utf-16 controls"],
)
def test_binary_is_recognised_by_its_content(data: bytes) -> None:
    assert decode(data) == Skipped("binary")


def test_a_broken_file_of_a_marked_encoding_has_no_text() -> None:
    assert decode(codecs.BOM_UTF8 + b"caf\xe9\xff\xfe" * 50) == Skipped("encoding")


def test_too_large_is_measured_in_bytes() -> None:
    assert decode(b"x" * 11, max_bytes=10) == Skipped("too large")
    assert decode(b"x" * 10, max_bytes=10) == Decoded("x" * 10, "utf-8")


def test_a_late_nul_becomes_the_replacement_character() -> None:
    decoded = decode(b"text\n" * 2000 + b"\0end\n")
    assert isinstance(decoded, Decoded)
    assert decoded.text.endswith("\ufffdend\n")


def test_minified_code_is_generated_and_prose_with_long_lines_is_not() -> None:
    assert decode(b"!function(e){var t={};" * 1000) == Skipped("generated")
    assert isinstance(decode(("A paragraph of prose. " * 60 + "\n").encode() * 20), Decoded)
    assert isinstance(decode(b"x = 1\n" * 3000 + b"DATA = '" + b"A" * 9000 + b"'\n"), Decoded)


def test_an_empty_file_is_an_empty_text() -> None:
    assert decode(b"") == Decoded("", "utf-8")


@given(st.binary(max_size=400))
def test_whatever_comes_in_what_comes_out_can_be_stored(data: bytes) -> None:
    decoded = decode(data)
    if isinstance(decoded, Decoded):
        assert "\0" not in decoded.text
        decoded.text.encode()  # no lone surrogates


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_utf8_comes_out_as_it_went_in(text: str) -> None:
    decoded = decode(text.encode())
    assert decoded == Decoded(text.removeprefix("\ufeff").removeprefix("\ufeff"), "utf-8") or text.startswith("%PDF")
