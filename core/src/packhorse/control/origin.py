"""Where an installed plugin came from, from the record that its installer left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import importlib_metadata

OURS = frozenset({"packhorse-indexing", "packhorse-search", "packhorse-tasks"})

Kind = Literal["index", "editable", "folder", "file", "git", "url", "object"]


@dataclass(frozen=True, slots=True)
class Origin:
    """`kind` is how it was installed (`object`: not at all, a test handed it over); `address` from where, or empty."""

    kind: Kind
    address: str = ""

    @property
    def is_authors(self) -> bool:
        """Whether it is a source tree under the user's own hands rather than something that was obtained."""
        return self.kind in {"editable", "object"}


def origin(distribution: str) -> Origin:
    """Return where a distribution was installed from, by the `direct_url.json` of PEP 610."""
    try:
        text = importlib_metadata.distribution(distribution).read_text("direct_url.json")
    except importlib_metadata.PackageNotFoundError:
        return Origin("object")
    if not text:
        return Origin("index")
    try:
        found: dict[str, Any] = json.loads(text)
        url = str(found["url"])
    except (ValueError, KeyError, TypeError):
        return Origin("index")
    path = unquote(urlsplit(url).path)
    if "vcs_info" in found:
        return Origin("git", _without_user(url))
    if "dir_info" in found:
        return Origin("editable" if (found["dir_info"] or {}).get("editable") else "folder", path)
    return Origin("file", path) if url.startswith("file:") else Origin("url", _without_user(url))


def _without_user(url: str) -> str:
    """Return the URL without a user name and password, which would be a secret."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
