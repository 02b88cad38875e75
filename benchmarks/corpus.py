"""A repository to measure with: so many files with so many lines, taken from what this interpreter has installed."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path

SUFFIXES = {".py", ".pyi", ".js", ".ts", ".go", ".c", ".h", ".md", ".rst", ".txt", ".toml", ".sql"}
LARGEST = 200_000
_STEP = 7


def make_corpus(target: Path, files: int, lines: int) -> None:
    """Write exactly `files` files of `lines` lines in all.

    They are those of the standard library and of installed packages, a small or a large one as the mean asks for; where
    there are too few, they come again with other names in them.
    """
    paths = sysconfig.get_paths()
    sources = sorted(
        (file.relative_to(folder), file)
        for folder in {paths["stdlib"], paths["purelib"]}
        for file in Path(folder).rglob("*")
        if file.suffix in SUFFIXES
        and "__pycache__" not in file.parts
        and file.is_file()
        and 0 < file.stat().st_size < LARGEST
    )
    mean = lines / files
    pools: tuple[list[tuple[Path, Path]], list[tuple[Path, Path]]] = ([], [])
    for name, source in sources:
        pools[source.read_bytes().count(b"\n") > mean].append((name, source))
    used = [0, 0]
    total = 0
    for number in range(files):
        large = total < (number + 1) * mean
        pool, turn = pools[large], used[large]
        used[large] += 1
        wanted = lines - total - (files - number - 1)  # every later file has a line at least
        name, source = pool[turn * _step(len(pool)) % len(pool)]
        copy = target / f"part{turn // len(pool)}" / name
        total += _copy(source, copy, turn // len(pool), wanted, exactly=number == files - 1)


def sample(source: Path, target: Path, files: int) -> None:
    """Link so many of the files of a folder into another one, evenly spread over their paths."""
    found = sorted(file for file in source.rglob("*") if file.is_file() and ".git" not in file.parts)
    for number in range(min(files, len(found))):
        file = found[number * len(found) // min(files, len(found))]
        link = target / file.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(file)


def _step(size: int) -> int:
    """Return a step with which every element of a list is reached, neighbours one after the other being unlike."""
    step = _STEP
    while size % step == 0:
        step += 2
    return step


def _copy(source: Path, copy: Path, turn: int, most: int, *, exactly: bool) -> int:
    """Copy up to `most` lines of a file, under other names when it is not its first turn; return how many."""
    data = source.read_bytes()
    if turn:
        data = re.sub(rb"\b(get|set|make|is)_", rb"\g<1>%d_" % turn, data)
    lines = [line.rstrip(b"\r\n") for line in data.splitlines(keepends=True)]
    if exactly:
        lines *= most // len(lines) + 1
    lines = lines[:most]
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(b"\n".join(lines) + b"\n")
    return len(lines)


def count_lines(folder: Path) -> tuple[int, int, int]:
    """Return (files, lines, bytes) beneath a folder, without git's own."""
    files = lines = size = 0
    for file in folder.rglob("*"):
        if file.is_file() and ".git" not in file.parts:
            content = file.read_bytes()
            files, lines, size = files + 1, lines + content.count(b"\n"), size + len(content)
    return files, lines, size


def commit(folder: Path) -> None:
    """Make a folder a git repository with everything in it, as nobody in particular."""
    identity = (
        "-c",
        "user.name=bench",
        "-c",
        "user.email=bench@example.org",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "gc.auto=0",
    )
    for arguments in (("init", "-q"), ("add", "-A", "-f"), ("commit", "-q", "-m", "corpus")):
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
