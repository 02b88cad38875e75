"""One process's rotating log file: private, never in the way, and removed some weeks after the process ended."""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST_FILE = 100_000_000  # bytes
FILES = 5
KEPT_SECONDS = 14 * 86_400.0
KEPT_FILES = 100
RETRY_SECONDS = 30.0


class LogFile:
    """The file `<name>.<pid>.log` beside `path`, rotated to `.1` … `.4`.

    It is created with the first line. A failure to write (a full disk, a folder that is gone) loses lines, is told
    by `problem`, and is followed by another attempt half a minute later; it is never raised.
    """

    def __init__(self, path: Path, *, largest: int = LARGEST_FILE, files: int = FILES) -> None:
        self.path = path.with_name(f"{path.stem}.{os.getpid()}{path.suffix or '.log'}")
        self.largest = largest
        self.files = files
        self.lost = 0
        self.problem: OSError | None = None
        self._descriptor: int | None = None
        self._size = 0
        self._next_attempt = 0.0

    def check(self) -> None:
        """Open the file now, so that `problem` tells whether lines will arrive."""
        try:
            self._open()
        except OSError as error:
            self._fail(error)

    def write(self, text: str) -> None:
        """Append `text`, rotating first when the file would grow too large."""
        if self._descriptor is None and time.monotonic() < self._next_attempt:
            self.lost += 1
            return
        data = text.encode("utf-8", "backslashreplace")
        try:
            if self._descriptor is None:
                self._open()
            if self._size and self._size + len(data) > self.largest:
                self._rotate()
            if self.lost:
                data = f"    {self.lost} entries before this one could not be written: {self.problem}\n".encode() + data
            self._append(data)
        except OSError as error:
            self._fail(error)
        else:
            self.lost = 0
            self.problem = None

    def close(self) -> None:
        """Close the file; a later line would open it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> None:
        if not self.path.parent.is_dir():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self.path, flags, 0o600)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise OSError(f"{self.path} is not a regular file")
        self._descriptor, self._size = descriptor, status.st_size

    def _append(self, data: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101 - opened by the only caller
        view = memoryview(data)
        while view:
            written = os.write(self._descriptor, view)
            self._size += written
            view = view[written:]

    def _rotate(self) -> None:
        self.close()
        for number in range(self.files - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            with suppress(FileNotFoundError):
                newer.replace(older)
        self._open()

    def _fail(self, error: OSError) -> None:
        self.lost += 1
        self.problem = error
        self._next_attempt = time.monotonic() + RETRY_SECONDS
        with suppress(OSError):
            self.close()


def log_files(path: Path) -> Iterator[tuple[Path, int]]:
    """Yield the log files of all processes that log under `path`, with the number of their process."""
    pattern = re.compile(rf"{re.escape(path.stem)}\.(\d{{1,10}}){re.escape(path.suffix or '.log')}(?:\.\d+)?")
    with suppress(OSError):
        for file in path.parent.iterdir():
            if match := pattern.fullmatch(file.name):
                yield file, int(match[1])


def remove_old_files(path: Path) -> None:
    """Remove the log files of ended processes that are older than two weeks or beyond the newest hundred."""
    ended: list[tuple[float, Path]] = []
    for file, process in log_files(path):
        with suppress(OSError):
            if not psutil.pid_exists(process):
                ended.append((file.lstat().st_mtime, file))
    ended.sort(reverse=True)
    oldest = time.time() - KEPT_SECONDS
    for position, (modified, file) in enumerate(ended):
        if modified < oldest or position >= KEPT_FILES:
            with suppress(OSError):
                file.unlink()
