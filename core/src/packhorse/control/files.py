"""The two files in the data folder that hold the user's decisions: read whole, written whole, one writer at a time."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from packhorse.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST = 20_000_000  # bytes; what is larger is none of ours


def read(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, empty when there is no file.

    Raises:
        ConfigurationError: it cannot be read, or is not a JSON object.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigurationError(f"{path} is larger than {LARGEST:,} bytes.", remedy="Delete it.")
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", remedy=_remedy(path)) from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} is not a JSON object.", remedy=_remedy(path))
    return found


def _remedy(path: Path) -> str:
    return f"Correct it, or delete it to begin anew: rm '{path}'"


@contextmanager
def changing(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the object in a JSON file to be changed; it is written when the block ends and it differs.

    Other processes that change it wait meanwhile, and readers see the old file or the new one, never a part.

    Raises:
        ConfigurationError: see `read`.
        UnavailableError: it cannot be written; the old one is as it was.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The lock has a file of its own, because renaming replaces the one that would be locked.
        descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        found = read(path)
        before = json.dumps(found, sort_keys=True)
        yield found
        if json.dumps(found, sort_keys=True) != before:
            _write(path, found)
    finally:
        os.close(descriptor)


def _write(path: Path, content: dict[str, Any]) -> None:
    unfinished = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, sort_keys=True, ensure_ascii=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"{path} cannot be written: {error.strerror}.",
        remedy="Make the data folder writable and free some space, or set PACKHORSE_DATA_DIR to another.",
    )
