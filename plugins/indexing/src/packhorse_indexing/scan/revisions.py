"""What a folder held at a revision of its history, read from git's objects without running anything of the repository.

`git diff` would run the repository's filters and converters. `rev-parse`, `ls-tree` and `cat-file --batch` hand out
names and stored bytes, and the comparison is ours.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from packhorse_indexing.scan import git

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_REVISION = re.compile(r"(?!-)[\w./@{}^~+\-]{1,200}", re.ASCII)
_ENTRY = re.compile(rb"(?P<mode>\d+) blob (?P<oid>[0-9a-f]+) +(?P<size>\d+)\t(?P<path>.+)", re.DOTALL)
_BATCH_BYTES = 32_000_000
_SECONDS = 10.0


class UnknownRevisionError(Exception):
    """The history has no such revision; `near` are the names of branches and tags."""

    def __init__(self, revision: str, near: list[str]) -> None:
        super().__init__(revision)
        self.near = near


class _Stored(NamedTuple):
    oid: bytes
    size: int


def changed(
    repository: git.Repository, folder: Path, revision: str, files: Mapping[str, tuple[bytes, int]]
) -> set[str]:
    """Return those of a folder's files that its history does not hold, in the same content, at a revision.

    Args:
        repository: the work tree that the folder belongs to.
        folder: the folder, resolved.
        revision: a branch, tag, commit or expression such as `main~3`.
        files: the SHA-256 and the size of each file by its path, relative to the folder.

    Raises:
        UnknownRevisionError: there is no such revision.
        GitUnavailableError: git is missing, fails or takes too long.
    """
    stored = _listed(repository, folder, _tree(repository, folder, revision))
    same_size = {
        path: entry
        for path, (_, size) in files.items()
        if (entry := stored.get(path.encode("utf-8", "surrogateescape"))) is not None and entry.size == size
    }
    hashes = _hashes(repository, folder, set(same_size.values()))
    same = {path for path, entry in same_size.items() if hashes.get(entry.oid) == files[path][0]}
    return files.keys() - same


def _tree(repository: git.Repository, folder: Path, revision: str) -> str:
    if not _REVISION.fullmatch(revision):
        raise UnknownRevisionError(revision, [])
    try:
        output = git.run(repository, folder, ("rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}"), _SECONDS)
    except git.GitUnavailableError:
        # A second question tells a wrong name from a git that does not work, and brings the names that are right.
        listed = git.run(repository, folder, ("for-each-ref", "--format=%(refname:short)"), _SECONDS)
        raise UnknownRevisionError(revision, listed.decode("utf-8", "replace").split()) from None
    return output.decode("ascii").strip()


def _listed(repository: git.Repository, folder: Path, tree: str) -> dict[bytes, _Stored]:
    output = git.run(repository, folder, ("ls-tree", "-r", "-z", "-l", tree), _SECONDS)
    matches = filter(None, map(_ENTRY.fullmatch, output.split(b"\0")))
    return {match["path"]: _Stored(match["oid"], int(match["size"])) for match in matches}


def _hashes(repository: git.Repository, folder: Path, entries: Iterable[_Stored]) -> dict[bytes, bytes]:
    """Return the SHA-256 of each stored content by its id."""
    found: dict[bytes, bytes] = {}
    for batch in _batches(entries):
        oids = b"".join(entry.oid + b"\n" for entry in batch)
        output = memoryview(git.run(repository, folder, ("cat-file", "--batch"), _SECONDS, given=oids))
        start = 0
        for entry in batch:
            start += len(entry.oid) + len(f" blob {entry.size}\n")
            found[entry.oid] = hashlib.sha256(output[start : start + entry.size]).digest()
            start += entry.size + 1
    return found


def _batches(entries: Iterable[_Stored]) -> Iterator[list[_Stored]]:
    batch: list[_Stored] = []
    size = 0
    for entry in entries:
        if size + entry.size > _BATCH_BYTES and batch:
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch
