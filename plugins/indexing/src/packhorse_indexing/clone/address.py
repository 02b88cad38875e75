"""Which URLs are taken for a repository, and where its clone lies. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packhorse.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FOLDER = "clones"
"""The folder of the clones in the data folder."""

_MAX_LENGTH = 500
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(/.*)?", re.DOTALL)
_SCP = re.compile(r"(?:[\w.-]+@)?([A-Za-z0-9.-]+\.[A-Za-z]{2,}):(?!/)([\w./~-]+)")
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63})*")
_SEGMENT = re.compile(r"[A-Za-z0-9_.~][A-Za-z0-9_.~-]{0,99}")
_PORTS = range(1, 65536)
_HTTPS = 443
_OWNED = frozenset({"github.com", "codeberg.org", "bitbucket.org"})
"""Hosts whose repositories are all at `/owner/name`; what is longer is a page of theirs."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a repository is: `path` is without slashes around it and without `.git`."""

    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The one form of its URL; hosts that serve it under another redirect, which we do not follow."""
        return f"https://{self.authority}/{self.path}.git"

    @property
    def authority(self) -> str:
        """The host, and the port when it is not that of https."""
        return self.host if self.port == _HTTPS else f"{self.host}:{self.port}"

    def folder(self, data_dir: Path) -> Path:
        """Return the folder of its clone, which lies in no other's: two names deep beneath the host's."""
        owner, _, name = self.path.rpartition("/")
        return data_dir / FOLDER / self.authority.replace(":", "+") / (owner.replace("/", "+") or "+") / name


def is_url(text: str) -> bool:
    """Tell whether a text is meant as the URL of a repository and not as a path."""
    return "://" in text or _SCP.fullmatch(text.strip()) is not None


def parse(text: str, hosts: Sequence[str] | None = None) -> Address:
    """Return the address that a URL means, if it may be cloned.

    Args:
        text: what the client gave.
        hosts: the hosts that may be cloned from, each perhaps with a port; None: any, to look up what was cloned.

    Raises:
        InvalidInputError: it is not a plain https URL of a repository on one of these hosts.
    """
    shown = text.strip() if len(text) <= _MAX_LENGTH else text[:80] + "…"
    if len(text) > _MAX_LENGTH or not text.isascii() or not text.isprintable() or " " in text.strip():
        raise InvalidInputError("The URL is too long, or holds characters that none has.", remedy=_REMEDY)
    scp = _SCP.fullmatch(shown)
    if scp is not None:
        raise InvalidInputError(
            f"{_without_user(shown)} is an address for ssh; only https is taken.",
            remedy=f"Did you mean https://{scp[1]}/{scp[2].removeprefix('~/')}?",
        )
    found = _URL.fullmatch(shown)
    scheme = found[1].lower() if found else ""
    if found is None or scheme != "https":
        raise InvalidInputError(f"Only https URLs are cloned, not {scheme or 'this'}.", remedy=_REMEDY)
    if "@" in found[2]:
        raise InvalidInputError(
            "The URL holds a user name or a password, which would be stored.",
            remedy="Give it without; private repositories are indexed from a folder that you cloned yourself.",
        )
    host, port = _authority(found[2])
    authority = host if port == _HTTPS else f"{host}:{port}"
    if hosts is not None and authority not in {allowed.lower() for allowed in hosts}:
        raise InvalidInputError(
            f"{authority} is not among the hosts that may be cloned from: {', '.join(hosts) or 'none'}.",
            remedy="Add it to PACKHORSE_INDEXING_CLONE_HOSTS, or clone it yourself and index the folder.",
        )
    return Address(host, port, _path(host, found[3] or ""))


def _authority(text: str) -> tuple[str, int]:
    host, colon, number = text.lower().partition(":")
    if not _HOST.fullmatch(host):
        raise InvalidInputError(f"{text!r} is no host's name.", remedy=_REMEDY)
    port = int(number) if number.isdigit() and len(number) <= len(str(max(_PORTS))) else 0
    if not colon:
        port = _HTTPS
    if port not in _PORTS:
        raise InvalidInputError(f"{number!r} is no port.", remedy=_REMEDY)
    return host, port


def _path(host: str, text: str) -> str:
    path = text.strip("/").removesuffix(".git")
    segments = path.split("/")
    if not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        raise InvalidInputError(
            f"{text!r} is not the path of a repository: a name, or names with slashes between.", remedy=_REMEDY
        )
    if host in _OWNED and len(segments) != len(("owner", "name")):
        raise InvalidInputError(
            f"{text!r} is not the path of a repository on {host}.",
            remedy=f"Did you mean https://{host}/{'/'.join(segments[:2])}?" if len(segments) > 1 else _REMEDY,
        )
    return path


def _without_user(text: str) -> str:
    return text.rpartition("@")[2]


_REMEDY = "Give a URL such as https://github.com/owner/project."
