"""Opening and reading files beneath a folder without following any link.

`openat2` (Linux 5.6) resolves a whole path in the kernel and refuses links, so that no swap of a folder for a link
can win a race; elsewhere each component is opened on its own, which refuses them as well.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from typing import TYPE_CHECKING

from packhorse_indexing.decode import MAX_BYTES

if TYPE_CHECKING:
    from pathlib import Path

_OPENAT2 = 437  # the same on every architecture that has it
_NO_SYMLINKS_BENEATH = 0x04 | 0x08 | 0x02  # RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_HOW = struct.pack("=QQQ", _FLAGS, 0, _NO_SYMLINKS_BENEATH)
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})
_LINKED = frozenset({errno.ELOOP, errno.EXDEV, errno.EMLINK})
_PAGE = 1 << 20


class UnreadableFileError(Exception):
    """A file cannot be read; `reason` is `vanished`, `symlink`, `special file`, `too large` or `unreadable`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def open_root(root: Path) -> int:
    """Open a folder for `read_file`; the caller closes the descriptor.

    Raises:
        OSError: there is no such folder, or it may not be read.
    """
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def read_file(root_fd: int, path: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a file beneath an open folder.

    Raises:
        UnreadableFileError: with the reason.
    """
    return read_file_and_stat(root_fd, path, max_bytes)[0]


def read_file_and_stat(root_fd: int, path: str, max_bytes: int = MAX_BYTES) -> tuple[bytes, os.stat_result]:
    """Read a file beneath an open folder, with the stat signature that it had when it was opened.

    Raises:
        UnreadableFileError: with the reason.
    """
    try:
        descriptor = open_beneath(root_fd, path)
    except (OSError, ValueError) as error:
        raise UnreadableFileError(_reason(error)) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFileError("special file")
        if status.st_size > max_bytes:
            raise UnreadableFileError("too large")
        return _read(descriptor, status.st_size, max_bytes), status
    except OSError as error:
        raise UnreadableFileError(_reason(error)) from error
    finally:
        os.close(descriptor)


def open_beneath(root_fd: int, path: str) -> int:
    """Open a path beneath a folder for reading, whatever kind of file it is, without following links or waiting.

    Raises:
        OSError: it does not exist, may not be read, or leads through a link or out of the folder.
    """
    if _has_openat2:
        return _openat2(root_fd, path)
    return _open_by_component(root_fd, path)


def _openat2(root_fd: int, path: str) -> int:
    name = os.fsencode(path)
    if b"\0" in name:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    while True:
        descriptor: int = _libc.syscall(_OPENAT2, root_fd, name, _HOW, len(_HOW))
        if descriptor >= 0:
            return descriptor
        code = ctypes.get_errno()
        # EAGAIN: the kernel saw a rename while it resolved `..`-free paths too; it asks to be called again.
        if code not in {errno.EINTR, errno.EAGAIN}:
            raise OSError(code, os.strerror(code), path)


def _open_by_component(root_fd: int, path: str) -> int:
    *folders, name = path.split("/")
    if any(part in {"", ".", ".."} for part in (*folders, name)):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    current = root_fd
    try:
        for folder in folders:
            below = os.open(folder, _FOLDER, dir_fd=current)
            if current != root_fd:
                os.close(current)
            current = below
        return os.open(name, _FLAGS, dir_fd=current)
    finally:
        if current != root_fd:
            os.close(current)


def _read(descriptor: int, size: int, max_bytes: int) -> bytes:
    """Read to the end, which may have moved since the size was taken."""
    parts: list[bytes] = []
    total = 0
    while part := os.read(descriptor, min(_PAGE, size + 1) if not parts else _PAGE):
        total += len(part)
        if total > max_bytes:
            raise UnreadableFileError("too large")
        parts.append(part)
    return b"".join(parts)


def _reason(error: Exception) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code in _MISSING:
        return "vanished"
    if code in _LINKED:
        return "symlink"
    return "special file" if code == errno.ENXIO else "unreadable"


_libc = ctypes.CDLL(None, use_errno=True)


def _probe() -> bool:
    """Tell whether the kernel has `openat2` and a sandbox lets us use it."""
    if sys.platform != "linux":
        return False
    descriptor = _libc.syscall(_OPENAT2, -100, b"/", struct.pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, 0), len(_HOW))
    if descriptor < 0:
        return False
    os.close(descriptor)
    return True


_has_openat2 = _probe()
