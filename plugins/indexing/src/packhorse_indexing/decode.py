"""From the bytes of a file to text that a database takes, or the reason why there is none.

Line ends stay as they are. A byte order mark is dropped; NUL, which PostgreSQL's text cannot hold, and bytes that
have no meaning become U+FFFD.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

MAX_BYTES = 2_000_000
"""Bytes of a file by default; of what is larger in real repositories nearly all is data or generated."""

_SAMPLE = 8192
_REPLACEMENT = "\ufffd"
_MAX_CONTROL = 0.05
_MAX_REPLACED = 0.1
_MIN_GENERATED = 8192
_LONG_LINE = 2000
_GENERATED_SHARE = 0.8

_BOMS = (
    # UTF-32 before UTF-16, whose mark is how the other's begins.
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAGIC = (
    b"%PDF-", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ",
    b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"!<arch>\n", b"\x00asm",
    b"SQLite format 3", b"OggS", b"ID3", b"wOFF", b"wOF2",
)  # fmt: skip
_CONTROL = bytes(c for c in range(32) if c not in b"\t\n\r\f\v\b\x1b") + b"\x7f"
_CONTROL_TEXT = re.compile("[\x00-\x07\x0e-\x1a\x1c-\x1f\x7f]")
# PEP 263, Vim, XML and HTML: what a file says of itself.
_DECLARED = re.compile(rb"(?:coding[:=]|encoding=|charset=)[ \t]*[\"']?([A-Za-z][\w.-]{2,30})")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text and the encoding that it was read in."""

    text: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why a file has no text to index: `binary`, `too large`, `generated` or `encoding`."""

    reason: str


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, long_lines: bool = False) -> Decoded | Skipped:
    """Decode the bytes of a file; with `long_lines` also when nearly all of it is in lines of thousands of characters.

    UTF-8, UTF-16 and UTF-32 with or without a mark; the encoding that the file declares; else Windows-1252, which
    takes every byte, also for the odd byte in a text that is UTF-8 otherwise.
    """
    if len(data) > max_bytes:
        return Skipped("too large")
    decoded = _decode(data)
    if isinstance(decoded, Skipped):
        return decoded
    if not long_lines and is_minified(decoded.text):
        return Skipped("generated")
    return decoded


def is_minified(text: str) -> bool:
    """Tell whether a text was written by a machine for machines: nearly all of it in lines of thousands of characters.

    Prose with a paragraph on each line is not.
    """
    if len(text) < _MIN_GENERATED:
        return False
    return sum(len(line) for line in text.split("\n") if len(line) > _LONG_LINE) >= _GENERATED_SHARE * len(text)


def _decode(data: bytes) -> Decoded | Skipped:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _lenient(data[len(mark) :], encoding)
    if data.startswith(_MAGIC):
        return Skipped("binary")
    sample = data[:_SAMPLE]
    if 0 in sample:
        wide = _wide(sample)
        return _lenient(data, wide) if wide else Skipped("binary")
    if len(sample.translate(None, _CONTROL)) < (1 - _MAX_CONTROL) * len(sample):
        return Skipped("binary")
    try:
        return _clean(data.decode(), "utf-8")
    except UnicodeDecodeError:
        return _legacy(data)


def _wide(sample: bytes) -> str | None:
    """Recognise UTF-16 and UTF-32 without a mark by where the NUL bytes of its ASCII characters stand."""
    for width, candidates in ((4, (("utf-32-le", 0), ("utf-32-be", 3))), (2, (("utf-16-le", 0), ("utf-16-be", 1)))):
        usable = sample[: len(sample) // width * width]
        columns = [usable[i::width] for i in range(width)]
        for encoding, place in candidates:
            others = [column for i, column in enumerate(columns) if i != place]
            filled = columns[place].count(0) <= len(columns[place]) // 50
            if usable and filled and all(column.count(0) >= 0.7 * len(column) for column in others):
                return encoding
    return None


def _lenient(data: bytes, encoding: str) -> Decoded | Skipped:
    """Decode what is surely of one encoding; a few broken characters are replaced, many mean that it is not."""
    text = data.decode(encoding, "replace")
    if len(_CONTROL_TEXT.findall(text)) > _MAX_CONTROL * len(text):
        return Skipped("binary")
    if text.count(_REPLACEMENT) > _MAX_REPLACED * len(text):
        return Skipped("encoding")
    return _clean(text, encoding)


def _legacy(data: bytes) -> Decoded:
    declared = _DECLARED.search(data[:1024])
    if declared:
        try:
            codec = codecs.lookup(declared[1].decode())
            # The registry of codecs holds compressors and the like as well.
            if codec.name not in {"utf-8", "hex", "base64", "zlib", "bz2", "quopri", "uu", "rot13", "unicode_escape"}:
                return _clean(data.decode(codec.name), codec.name)
        except (LookupError, UnicodeError, ValueError):
            pass
    text = data.decode("utf-8", "surrogateescape")
    stray = sum("\udc80" <= character <= "\udcff" for character in text)
    wide = sum(character >= "\x80" for character in text) - stray
    if wide > stray:
        return _clean(_STRAY.sub(_from_windows, text), "utf-8+windows-1252")
    return _clean("".join(map(_WINDOWS.__getitem__, data)), "windows-1252")


# The five bytes that Windows-1252 leaves out are control characters of Latin-1.
_WINDOWS = [bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256)]
_STRAY = re.compile("[\udc80-\udcff]")


def _from_windows(match: re.Match[str]) -> str:
    return _WINDOWS[ord(match[0]) - 0xDC00]


def _clean(text: str, encoding: str) -> Decoded:
    return Decoded(text.replace("\0", _REPLACEMENT).removeprefix("\ufeff"), encoding)
