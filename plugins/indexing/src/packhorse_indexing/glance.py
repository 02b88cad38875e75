"""A glance at a folder in which a look found nothing to do: is everything as it was then? It asks `stat` alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from packhorse_indexing.plan import INODES
from packhorse_indexing.scan import open_root

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packhorse_indexing.scan import Footprint
    from packhorse_indexing.store.listing import StoredFile


def is_unchanged(footprint: Footprint, listed: Mapping[str, StoredFile]) -> bool:
    """Tell whether a folder's footprint and the files on its list are as they were; it ends at the first that is not.

    Each `stat` gives up the interpreter's lock, so that a search beside it does not wait.
    """
    try:
        root_fd = open_root(footprint.root)
    except OSError:
        return False
    try:
        return footprint.holds(root_fd) and _are_the_same(root_fd, listed)
    finally:
        os.close(root_fd)


def _are_the_same(root_fd: int, listed: Mapping[str, StoredFile]) -> bool:
    for path, stored in listed.items():
        signature = stored.signature
        if signature.mtime_ns is None:
            continue  # it was left out for its name or kind, and the footprint has what could change that
        try:
            now = os.stat(path, dir_fd=root_fd, follow_symlinks=False)
        except OSError:
            return False
        if (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino & INODES) != signature:
            return False
    return True
