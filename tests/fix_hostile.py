"""A folder of more than a hundred files, none of which a reader expects, and what becomes of each."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OUTSIDE = "outside_canary_word"
"""A word that stands only in a file outside of the folder, to which links lead."""

NESTED = {
    "py": "(\n", "js": "[\n", "ts": "{a:\n", "java": "{\n", "c": "((\n", "go": "func(){\n", "rs": "{(\n", "rb": "[[\n",
    "php": "<?php (\n", "json": "[\n", "css": "a{\n", "html": "<div>\n", "yaml": "- - -\n", "sh": "$(\n", "lua": "{{\n",
}  # fmt: skip
UNCLOSED = {
    "py": '"""', "js": "`", "ts": "`${", "java": '"', "c": "/*", "go": "`", "rs": 'r#"', "rb": "%q(", "php": "<?php '",
    "css": "/*", "html": "<!--", "sh": "<<EOF\n", "lua": "[[", "sql": "'", "toml": '"""', "md": "```\n",
}  # fmt: skip
ENCODED = {
    "utf8_mark.py": b"\xef\xbb\xbfx = 1\n",
    "utf16_mark.py": "größe = 1\n".encode("utf-16"),
    "utf16_le.txt": ("plain words\n" * 50).encode("utf-16-le"),
    "utf16_be.txt": ("plain words\n" * 50).encode("utf-16-be"),
    "utf32.txt": "words\n".encode("utf-32"),
    "latin.c": "/* größer */ int a;\n".encode("latin-1"),
    "declared.py": "# coding: shift_jis\nname = '日本'\n".encode("shift_jis"),
    "lying.py": "# coding: no-such-encoding\nx = 'ä'\n".encode(),
    "rot13.py": b"# coding: rot13\nk = 1\n\xff\n",
    "undefined.py": b"# coding: undefined\nk = 1\n\xff\n",
    "cesu.txt": b"text \xed\xa0\x80\xed\xb0\x80 text\n",
    "overlong.txt": b"text \xc0\xaf\xc0\xae text\n" * 9,
    "only_mark.txt": b"\xef\xbb\xbf",
    "late_nul.py": b"x = 1\n" * 2000 + b"\x00" + b"y = 2\n",
    "escapes.txt": b"\x1b]0;title\x07\x1b[2Jcleared\n",
    "right_to_left.py": "access = '\u202e\u2066user\u2069 \u2066'\n".encode(),
    "returns.txt": b"one\rtwo\rthree\r",
    "separators.txt": "one\u2028two\x85three\x0bfour\x0cfive\n".encode(),
    "empty.py": b"",
    "blank.py": b"\n" * 50_000,
}
UNDECODABLE = {
    "half_utf16.txt": b"\xff\xfea\x00b",
    "lone_surrogate.txt": b"\xff\xfe\x00\xd8a\x00",
}
BINARY = {
    "archive.py": b"PK\x03\x04" + bytes(range(256)),
    "picture.js": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9,
    "program.rb": b"\x7fELF" + bytes(500),
    "nothing.py": bytes(100_000),
    "noise.go": bytes(range(256)) * 40,
}
GENERATED = {
    "bundle.js": b"var a=" + b"f(1,{b:[2]})," * 20_000 + b"0;\n",
    "bundle.css": b"a{b:c}" * 30_000,
    "data.json": b"[" + b'{"a":1},' * 30_000 + b"0]",
    "one_line.py": b"x=" + b"1+" * 60_000 + b"1\n",
    "package-lock.json": b"{}\n",
}
NAMES = (
    "new\nline.py", "tab\tname.py", "quo'te\".py", "back\\slash.py", "-rf", "--version.py", " space .py", "....py",
    "$(touch EXECUTED)", "`touch EXECUTED`.py", ";touch EXECUTED;.py", "a|b&c>d.py", "e\u0301.py", "\u00e9.py", "CON",
    "\u202egnp.py", "%s%n.py", "{0.__class__}.py", "x" * 251 + ".py", "\x1b[31mred.py", "*.py", ":(glob)x.py", "HEAD",
    "@{u}.py", "~.py",
)  # fmt: skip
SECRET = (".env", "id_rsa", "deploy/server.pem", ".netrc")


@dataclass
class Hostile:
    """The folder: `indexed` are the paths that must be, `skipped` those that must not be, each with its reason."""

    root: Path
    indexed: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    special: set[str] = field(default_factory=set)
    """Pipes, sockets and devices, which a walk reports and git does not even list."""

    def write(self, path: str, content: bytes, reason: str | None = None) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        if reason is None:
            self.indexed.add(path)
        else:
            self.skipped[path] = reason

    def link(self, path: str, target: str | Path) -> None:
        (self.root / path).symlink_to(target)
        self.skipped[path] = "symlink"


def make_hostile(root: Path, outside: Path) -> Hostile:
    """Fill the folder `root`; `outside` is a file elsewhere."""
    hostile = Hostile(root)
    outside.write_text(f"{OUTSIDE} = 1\n")
    for extension, opening in NESTED.items():
        hostile.write(f"bombs/nested.{extension}", opening.encode() * 4_000)
    for extension, opening in UNCLOSED.items():
        hostile.write(f"bombs/unclosed.{extension}", (opening + "def word(x): return {x: [1]}\n" * 1_000).encode())
    for contents, reason in ((ENCODED, None), (UNDECODABLE, "encoding"), (BINARY, "binary"), (GENERATED, "generated")):
        for name, content in contents.items():
            hostile.write(f"{reason or 'encoded'}/{name}", content, reason)
    for name in NAMES:
        hostile.write(name, b"value = 1\n")
    for name in SECRET:
        hostile.write(name, b"PASSWORD=1\n", "secret")
    _too_large(hostile)
    _links(hostile, outside)
    _specials(hostile)
    _repositories(hostile, outside)
    with suppress(OSError):  # a file system may insist on UTF-8
        (root / os.fsdecode(b"not utf8 \xff\xfe.py")).write_text("x = 1\n")
        hostile.skipped["not utf8 \\xff\\xfe.py"] = "encoding"
    return hostile


def _too_large(hostile: Hostile) -> None:
    for name, size in (("large.json", 50_000_000), ("huge.py", 10 << 30)):
        hostile.write(name, b"[1,\n" * 10_000, "too large")
        os.truncate(hostile.root / name, size)  # the rest takes no room


def _links(hostile: Hostile, outside: Path) -> None:
    hostile.link("out.py", outside)
    hostile.link("out_folder", outside.parent)
    hostile.link("loop", ".")
    hostile.link("one", "two")
    hostile.link("two", "one")
    hostile.link("dangling.py", "nowhere")
    hostile.link("environment.txt", "/proc/self/environ")
    hostile.link("endless.txt", "/dev/zero")
    hostile.link("upward.py", f"../{outside.name}")


def _specials(hostile: Hostile) -> None:
    os.mkfifo(hostile.root / "pipe.py")
    hostile.special.add("pipe.py")
    here = os.open(hostile.root, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{here}/socket.py")  # the whole path may be too long for a socket
        hostile.special.add("socket.py")
    finally:
        os.close(here)
    with suppress(OSError):  # only root may make devices, and not in every container
        os.mknod(hostile.root / "device.py", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        hostile.special.add("device.py")


def _repositories(hostile: Hostile, outside: Path) -> None:
    """Folders that look like repositories and submodules."""
    hostile.write("submodule/code.py", b"inner = 1\n")
    (hostile.root / "submodule/.git").write_text(f"gitdir: {outside.parent}\n")
    hostile.write("module_loop/code.py", b"inner = 2\n")
    (hostile.root / "module_loop/.git").write_text("gitdir: .\n")
    (hostile.root / ".mcpignore").mkdir()
    hostile.write(".mcpignore/inner.py", b"inner = 3\n")
