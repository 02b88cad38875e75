"""The lock: what each plugin said to agents when it was approved, in `plugins.lock.json` of the data folder.

The first sight of a plugin is its approval: who installs it has decided to run its code. What changes afterwards does
so without anybody's decision, and a description is text that every agent obeys; so a tool, resource, prompt or
instruction that changed, or that a known plugin adds, stays off until the user has seen the difference and approved it.
Not locked are Packhorse's own plugins, whose upgrade is an upgrade of the host that would do the locking, and source
trees installed for editing, whose author is the user.

Who was approved first also has the older right to a name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import unified_diff
from typing import TYPE_CHECKING, Any, Literal

from loguru import logger

from packhorse.control import files
from packhorse.control.definitions import fingerprint
from packhorse.control.origin import OURS
from packhorse.errors import PackhorseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from packhorse.discovery import Candidate

FILE = "plugins.lock.json"

Definition = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Offer:
    """What one plugin offers now: definitions by label (see `definitions.label`).

    An unlocked one is recorded, never refused.
    """

    plugin: str
    distribution: str
    version: str
    definitions: Mapping[str, Definition]
    locked: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """What is not as it was approved, `name` being its label; `before` is None for what is new."""

    plugin: str
    name: str
    kind: Literal["changed", "new"]
    approved_version: str
    version: str
    before: Definition | None
    after: Definition

    def diff(self) -> list[str]:
        """Return the difference as the lines of a unified diff of the definitions as JSON."""
        before, after = ([] if one is None else _lines(one) for one in (self.before, self.after))
        names = f"{self.name} ({self.plugin} {self.approved_version})", f"{self.name} ({self.plugin} {self.version})"
        return list(unified_diff(before, after, *names, lineterm="", n=2))


def _lines(definition: Definition) -> list[str]:
    return json.dumps(definition, indent=2, sort_keys=True, ensure_ascii=True).splitlines()


def changes(data_dir: Path, offers: Iterable[Offer]) -> list[Change]:
    """Return what is not as it was approved.

    Raises:
        ConfigurationError: the lock file cannot be read.
    """
    known = _plugins(files.read(data_dir / FILE))
    return [change for offer in offers if offer.locked for change in _changes(known.get(offer.plugin), offer)]


def seniority(data_dir: Path) -> Callable[[Candidate], str]:
    """Return what sorts plugins by their right to a name: by the time of approval, then Packhorse's own, then the rest.

    A lock that cannot be read gives no rights; whoever builds a server is told of it by `changes`.
    """
    try:
        known = _plugins(files.read(data_dir / FILE))
    except PackhorseError as error:
        logger.warning("The plugins are taken in the order of their names. {}", error)
        known = {}

    def key(candidate: Candidate) -> str:
        entry = known.get(candidate.name, {})
        since = str(entry.get("since", "")) if entry.get("distribution") == candidate.distribution else "unknown"
        return f"{since} {candidate.key not in OURS:d}"

    return key


def _plugins(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = content.get("plugins", {})
    return {name: one for name, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def _approved(entry: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {**entry.get("tools", {}), **entry.get("others", {})}


def _changes(entry: Mapping[str, Any] | None, offer: Offer) -> list[Change]:
    # Another distribution that took over the name is another plugin, seen for the first time.
    if entry is None or entry.get("distribution") != offer.distribution:
        return []
    found = []
    approved_version = str(entry.get("version", "?"))
    approved = _approved(entry)
    for name, definition in offer.definitions.items():
        before = approved.get(name)
        if before is None:
            if _is_tool(name) or "others" in entry:
                found.append(Change(offer.plugin, name, "new", approved_version, offer.version, None, definition))
        elif before.get("sha256") != fingerprint(definition):
            old = before.get("definition") or {}
            found.append(Change(offer.plugin, name, "changed", approved_version, offer.version, old, definition))
    return found


def _is_tool(name: str) -> bool:
    return ":" not in name


def record(data_dir: Path, offers: Iterable[Offer], *, approved: Iterable[tuple[str, str]] = ()) -> None:
    """Write what the offers say: of a plugin seen for the first time or not locked all, of others what is approved.

    Args:
        data_dir: the data folder.
        offers: what the plugins offer now.
        approved: (plugin, label) pairs to take as they are now.

    Raises:
        ConfigurationError, UnavailableError: the lock file cannot be read or written.
    """
    wanted = set(approved)
    with files.changing(data_dir / FILE) as content:
        known = content["plugins"] = _plugins(content)
        for offer in offers:
            entry = known.get(offer.plugin, {})
            if entry.get("distribution") != offer.distribution:
                entry = {"since": datetime.now(UTC).isoformat(timespec="seconds")}
            is_known = "distribution" in entry
            taken = {
                name: {"sha256": fingerprint(one), "definition": one}
                for name, one in offer.definitions.items()
                if not is_known
                or not offer.locked
                or (offer.plugin, name) in wanted
                or (not _is_tool(name) and "others" not in entry)  # written before these were locked
            }
            if taken or not is_known or "others" not in entry:
                # What is gone stays in the lock: it may come back, and must then be what it was.
                whole = _approved(entry) | taken
                known[offer.plugin] = {
                    "distribution": offer.distribution,
                    "version": offer.version,
                    "since": entry.get("since", ""),
                    "tools": {name: one for name, one in whole.items() if _is_tool(name)},
                    "others": {name: one for name, one in whole.items() if not _is_tool(name)},
                }
