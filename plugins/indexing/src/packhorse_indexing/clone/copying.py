"""Making, renewing and removing a clone: a folder with the files of one commit, or no folder at all."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loguru import logger

from packhorse.errors import InvalidInputError, NotFoundError, PackhorseError, UnavailableError
from packhorse_indexing.clone.address import FOLDER
from packhorse_indexing.clone.git import Git, GitFailedError
from packhorse_indexing.clone.network import public_addresses
from packhorse_indexing.scan.git import is_ref, is_revision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from packhorse_indexing.clone.address import Address
    from packhorse_indexing.clone.git import Limits

_DETACHED = "refs/heads/detached"
_SHA1_DIGITS = 40
_LOGGED = 2000


@dataclass(frozen=True, slots=True)
class _Remote:
    """Where the HEAD of a repository points."""

    ref: str
    revision: str


def renew(
    address: Address,
    folder: Path,
    limits: Limits,
    beat: Callable[[], None],
    *,
    allow_private: bool = False,
    anew: bool = False,
) -> None:
    """Bring a folder to the newest commit of a repository, cloning it when it is not there or `anew`.

    A clone that fails leaves nothing; one that cannot be renewed stays as it was. `beat` is called about twice a
    second, and what it raises ends the work.

    Raises:
        InvalidInputError: the host is a machine that may not be asked.
        NotFoundError: there is no such repository for us.
        UnavailableError: the host does not answer, or the repository is too large.
    """
    resolved = _resolved(address, public_addresses(address, allow_private=allow_private))
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        if folder.is_dir() and not anew:
            for lock in (folder / ".git").rglob("*.lock"):  # of a worker that was killed; only one works for a pool
                lock.unlink()
            _update(Git(folder, limits, beat, resolved), address)
            return
        partial.mkdir(mode=0o700)
        _update(Git(partial, limits, beat, resolved), address, new=True)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except GitFailedError as error:
        logger.warning("Cloning {} failed: {!r}", address.url, error.output[-_LOGGED:])
        raise _failure(address, error.output) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _update(git: Git, address: Address, *, new: bool = False) -> None:
    remote = _remote(git, address)
    if new:
        form = "sha1" if len(remote.revision) == _SHA1_DIGITS else "sha256"
        git.run("init", "--quiet", "--template=", f"--object-format={form}")
    git.run(
        "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance",
        "--no-write-fetch-head", "--update-head-ok", "--force", address.url, f"+HEAD:{remote.ref}", network=True,
    )  # fmt: skip
    git.check_tree(remote.ref)
    git.run("symbolic-ref", "HEAD", remote.ref)
    git.run("reset", "--hard", "--quiet", "--no-recurse-submodules")


def _remote(git: Git, address: Address) -> _Remote:
    listed = git.run("ls-remote", "--quiet", "--symref", address.url, "HEAD", network=True)
    ref = re.search(r"^ref: (refs/heads/\S+)\tHEAD$", listed, re.MULTILINE)
    revision = re.search(r"^([0-9a-f]+)\tHEAD$", listed, re.MULTILINE)
    if revision is None or not is_revision(revision[1]):
        raise NotFoundError(f"{address.url} has no commit yet.", remedy="Index it when it has one.")
    return _Remote(ref[1] if ref and is_ref(ref[1]) else _DETACHED, revision[1])


def _resolved(address: Address, addresses: list[str]) -> str | None:
    listed = ",".join(f"[{one}]" if ":" in one else one for one in addresses)
    return f"{address.host}:{address.port}:{listed}" if listed else None


_FAILURES: tuple[tuple[str, type[PackhorseError], str, str], ...] = (
    # what git says, and the error, its message and what to do
    (
        r"could not read Username|Authentication failed|error: (?:401|403|404)|not found",
        NotFoundError,
        "There is no repository at {url}, or it is private.",
        "Check the URL; a private one is indexed from a folder that you cloned yourself.",
    ),
    (
        r"error: 3\d\d|redirect",
        InvalidInputError,
        "{url} redirects to another address, which is not followed.",
        "Open it in a browser and give the URL that it leads to.",
    ),
    (
        r"SSL|certificate",
        UnavailableError,
        "The certificate of {authority} is not trusted.",
        "Name the authority that you trust in GIT_SSL_CAINFO, in the server's environment.",
    ),
    (
        r"unable to access|Could not resolve|Failed to connect|timed out",
        UnavailableError,
        "{authority} does not answer.",
        "Try again later.",
    ),
    (r"fsck", InvalidInputError, "{url} holds objects that are malformed, so it was not cloned.", ""),
    (r"", UnavailableError, "{url} could not be cloned; the log says more.", "Clone it yourself and index the folder."),
)


def _failure(address: Address, output: str) -> PackhorseError:
    """Return the error for what git said; none of the server's own words is in it, for they may be meant to deceive."""
    _, kind, message, remedy = next(row for row in _FAILURES if re.search(row[0], output))
    return kind(message.format(url=address.url, authority=address.authority), remedy=remedy)


def remove(folder: Path, data_dir: Path) -> None:
    """Delete a clone, and the folders above it that are empty then; anything that is no clone of ours is left alone.

    Raises:
        OSError: it cannot be deleted.
    """
    clones = data_dir / FOLDER
    if not folder.is_relative_to(clones) or folder == clones:
        return
    if folder.exists():
        shutil.rmtree(folder)
    for above in (folder.parent, folder.parent.parent):
        if above != clones and above.is_dir() and not any(above.iterdir()):
            above.rmdir()
