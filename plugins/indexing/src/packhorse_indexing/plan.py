"""What a run has to do: the scan compared with the list that the last run left. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packhorse_indexing.lexemes import path_lexemes
from packhorse_indexing.store.listing import FileRow, PathRow, Signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packhorse_indexing.scan import FileEntry, Scan
    from packhorse_indexing.store.listing import StoredFile

RACY_NS = 2_000_000_000
"""A file modified so shortly before its scan may change again within the clock's resolution and look the same."""

MAX_PATH = 2000
"""Bytes of a path: it is a key, and an entry of a B-tree holds 2,700."""

CUT = "…"
INODES = (1 << 63) - 1
"""What of an inode's number a signature holds: `bigint` is signed."""

UNKNOWN = Signature(None, None, None, None)


@dataclass(frozen=True, slots=True)
class Todo:
    """A file to read, and the signature to keep for it when it has been."""

    path: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between a scan and the list.

    `gone` are the listed paths that the scan did not find, `skipped` the rows of what the scan left out where they
    are new or different, `todo` the files that are new or may have changed, `unchanged` the number of the others.
    """

    gone: list[str]
    skipped: list[FileRow]
    todo: list[Todo]
    unchanged: int
    total_skipped: int


def make_plan(scan: Scan, stored: Mapping[str, StoredFile], *, now_ns: int, everything: bool) -> Plan:
    """Compare a scan made at `now_ns` with the stored list; `everything`: trust no signature."""
    todo, unchanged, content_skips = [], 0, 0
    present = set()
    skips = {storable(skip.path): skip.reason for skip in scan.skipped}
    for entry in scan.files:
        path = storable(entry.path)
        if path != entry.path:
            skips[path] = "path too long" if path.endswith(CUT) else "encoding"
            continue
        present.add(path)
        signature = signature_of(entry, now_ns)
        before = stored.get(path)
        if (
            before is not None
            and not everything
            and not before.rebuild
            and signature.mtime_ns is not None
            and before.signature == signature
        ):
            unchanged += 1
            content_skips += before.skipped is not None
        else:
            todo.append(Todo(path, signature))
    skips = {path: reason for path, reason in skips.items() if path not in present}
    changed = [
        FileRow(path, None, reason, UNKNOWN)
        for path, reason in skips.items()
        if (before := stored.get(path)) is None or before.skipped != reason
    ]
    gone = [path for path in stored if path not in present and path not in skips]
    return Plan(gone, changed, todo, unchanged, len(skips) + content_skips)


def signature_of(entry: FileEntry, now_ns: int) -> Signature:
    """Return a scanned file's signature, or the empty one when it was modified too shortly before the scan."""
    if entry.mtime_ns > now_ns - RACY_NS or entry.ctime_ns > now_ns - RACY_NS:
        return UNKNOWN
    return Signature(entry.size, entry.mtime_ns, entry.ctime_ns, entry.inode & INODES)


def path_row(path_id: int, path: str) -> PathRow:
    """Return the row of a path."""
    stem, dot, extension = path.rpartition("/")[2].rpartition(".")
    return PathRow(path_id, path, extension.lower() if dot and stem else "", path_lexemes(path))


def storable(path: str) -> str:
    """Return a path as PostgreSQL can store it: not too long, and without the surrogates of bytes that are no UTF-8."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return storable(path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    return path if size <= MAX_PATH else path[: MAX_PATH // 4] + CUT


def paths_of(todo: Iterable[Todo]) -> list[str]:
    """Return the paths of files to read."""
    return [one.path for one in todo]
