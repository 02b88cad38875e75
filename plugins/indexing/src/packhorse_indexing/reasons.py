"""Why a file is not indexed: the reasons by name, and what each one means."""

from __future__ import annotations

from packhorse_indexing.store.files import BY_LINES

REASONS = {
    "ignored": "an ignore file names it",
    "secret": "it is made to hold keys or passwords, which are never read",
    "binary": "its content is not text",
    "generated": "a program wrote it: a lock file, minified code or a source map",
    "too large": "it is larger than PACKHORSE_INDEXING_MAX_FILE_BYTES",
    "too slow": "preparing it took more time or memory than one file may",
    "symlink": "it is a link, and links are not followed",
    "special file": "it is a pipe, a socket or a device",
    "unreadable": "it cannot be read with your rights",
    "encoding": "its name or its content is in no encoding that is known",
    "path too long": "its path is longer than 2,000 bytes",
    BY_LINES: "it is indexed, but by lines and not along its syntax",
}
"""What the reasons in `indexing.file` mean, each in a clause about `it`."""


def known(reason: str) -> str | None:
    """Return the reason that a text means, or None."""
    name = reason.strip().lower().replace("-", " ").replace("_", " ")
    return name if name in REASONS else None
