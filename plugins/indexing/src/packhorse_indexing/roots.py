"""Which folders may be indexed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.errors import InvalidInputError, NotFoundError
from packhorse_indexing.plan import MAX_PATH

if TYPE_CHECKING:
    from collections.abc import Sequence

_SYSTEM = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr/bin",
    "/usr/sbin", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/System", "/Library", "/private/etc",
)  # fmt: skip
_TOP = ("/", "/home", "/mnt", "/media", "/opt", "/root", "/srv", "/tmp", "/usr", "/var", "/var/tmp", "/Users")  # noqa: S108 - refused, not used
_CREDENTIALS = (
    ".ssh", ".gnupg", ".gpg", ".aws", ".azure", ".kube", ".docker", ".config", ".local/share/keyrings", ".mozilla",
    ".password-store", ".pki", ".netrc", ".npmrc", ".thunderbird", "Library",
)  # fmt: skip


def resolve_root(text: str, allowed: Sequence[Path]) -> str:
    """Return the real path of a folder that may be indexed.

    Args:
        text: what the client asked for.
        allowed: the configured roots; empty: any folder of the user's but system and credential folders.

    Raises:
        InvalidInputError: it is not absolute, not a folder, or not allowed.
        NotFoundError: it does not exist.
    """
    given = absolute(text)
    try:
        real = given.resolve(strict=True)
        status = real.stat()
    except FileNotFoundError:
        raise NotFoundError(f"There is no folder {text}.", remedy="Give the absolute path of a folder.") from None
    except (OSError, RuntimeError) as error:
        raise InvalidInputError(f"{text} cannot be opened: {getattr(error, 'strerror', None) or error}.") from None
    if not stat.S_ISDIR(status.st_mode):
        raise InvalidInputError(f"{text} is a file, not a folder.", remedy=f"Index its folder: {real.parent}.")
    if len(os.fsencode(real)) > MAX_PATH:
        raise InvalidInputError(f"The path of {real.name} is longer than {MAX_PATH} bytes.")
    if allowed:
        if not any(real.is_relative_to(root.resolve()) for root in allowed):
            raise InvalidInputError(
                f"{real} is outside the folders that may be indexed: {', '.join(map(str, allowed))}.",
                remedy="Add it to PACKHORSE_INDEXING_ALLOWED_ROOTS if it should be.",
            )
    else:
        _check_default(real, status)
    return str(real)


def absolute(text: str) -> Path:
    """Return the path, which must be absolute.

    Raises:
        InvalidInputError: it is relative, begins with `~`, or holds what no path can.
    """
    if "\x00" in text or not text.strip():
        raise InvalidInputError("The path is empty or contains a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError("The path is not valid Unicode.") from None
    if len(os.fsencode(text)) > MAX_PATH:
        raise InvalidInputError(f"The path is longer than {MAX_PATH} bytes.")
    if "://" in text:
        raise InvalidInputError(
            f"{text} is a URL.", remedy="Give the absolute path of a folder on the server's machine."
        )
    path = Path(text)
    if text.startswith("~"):
        raise InvalidInputError(f"{text} is not absolute.", remedy=f"Did you mean {path.expanduser()}?")
    if not path.is_absolute():
        raise InvalidInputError(
            f"{text} is not absolute, and the server cannot know your working directory.",
            remedy=f"Give the whole path, such as {Path('/home/you') / path}.",
        )
    return path


def _check_default(real: Path, status: os.stat_result) -> None:
    home = Path.home().resolve()
    secret = [home / name for name in _CREDENTIALS]
    if str(real) in _TOP or home.is_relative_to(real):
        reason = "it holds far more than one project"
    elif any(real.is_relative_to(folder) for folder in _SYSTEM):
        reason = "it belongs to the system"
    elif any(real.is_relative_to(folder) for folder in secret):
        reason = "it may hold credentials"
    elif os.geteuid() not in {0, status.st_uid}:
        reason = "it belongs to another user"
    else:
        return
    raise InvalidInputError(
        f"{real} is not indexed: {reason}.",
        remedy="Name a project's folder, or allow this one with PACKHORSE_INDEXING_ALLOWED_ROOTS.",
    )
