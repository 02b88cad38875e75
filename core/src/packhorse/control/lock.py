"""The lock: what each tool said of itself when it was approved, in `plugins.lock.json` of the data folder.

The first sight of a plugin is its approval: who installs it has decided to run its code. What changes afterwards does
so without anybody's decision, and a description is text that every agent obeys; so a tool that changed, or that a known
plugin adds, stays off until the user has seen the difference and approved it. Not locked are Packhorse's own plugins,
whose upgrade is an upgrade of the host that would do the locking, and source trees installed for editing, whose author
is the user.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING, Any, Literal

from packhorse.control import files
from packhorse.control.definitions import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILE = "plugins.lock.json"

Definition = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Offer:
    """What one plugin offers now: its tools' definitions by name. An unlocked one is recorded, never refused."""

    plugin: str
    distribution: str
    version: str
    tools: Mapping[str, Definition]
    locked: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """A tool that is not as it was approved; `before` is None for one that is new."""

    plugin: str
    tool: str
    kind: Literal["changed", "new"]
    approved_version: str
    version: str
    before: Definition | None
    after: Definition

    def diff(self) -> list[str]:
        """Return the difference as the lines of a unified diff of the definitions as JSON."""
        before, after = ([] if one is None else _lines(one) for one in (self.before, self.after))
        names = f"{self.tool} ({self.plugin} {self.approved_version})", f"{self.tool} ({self.plugin} {self.version})"
        return list(unified_diff(before, after, *names, lineterm="", n=2))


def _lines(definition: Definition) -> list[str]:
    return json.dumps(definition, indent=2, sort_keys=True, ensure_ascii=True).splitlines()


def changes(data_dir: Path, offers: Iterable[Offer]) -> list[Change]:
    """Return the tools that are not as they were approved.

    Raises:
        ConfigurationError: the lock file cannot be read.
    """
    known = _plugins(files.read(data_dir / FILE))
    return [change for offer in offers if offer.locked for change in _changes(known.get(offer.plugin), offer)]


def _plugins(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = content.get("plugins", {})
    return {name: one for name, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def _changes(entry: Mapping[str, Any] | None, offer: Offer) -> list[Change]:
    # Another distribution that took over the name is another plugin, seen for the first time.
    if entry is None or entry.get("distribution") != offer.distribution:
        return []
    found = []
    approved_version = str(entry.get("version", "?"))
    approved = entry.get("tools", {})
    for name, definition in offer.tools.items():
        before = approved.get(name)
        if before is None:
            found.append(Change(offer.plugin, name, "new", approved_version, offer.version, None, definition))
        elif before.get("sha256") != fingerprint(definition):
            old = before.get("definition") or {}
            found.append(Change(offer.plugin, name, "changed", approved_version, offer.version, old, definition))
    return found


def record(data_dir: Path, offers: Iterable[Offer], *, approved: Iterable[tuple[str, str]] = ()) -> None:
    """Write what the offers say: of a plugin seen for the first time or not locked all, of others what is approved.

    Args:
        data_dir: the data folder.
        offers: what the plugins offer now.
        approved: (plugin, tool) pairs to take as they are now.

    Raises:
        ConfigurationError, UnavailableError: the lock file cannot be read or written.
    """
    wanted = set(approved)
    with files.changing(data_dir / FILE) as content:
        known = content["plugins"] = _plugins(content)
        for offer in offers:
            if not offer.tools:
                continue
            entry = known.get(offer.plugin)
            whole = not offer.locked or entry is None or entry.get("distribution") != offer.distribution
            # Tools that are gone stay in the lock: they may come back, and must then be what they were.
            tools = {} if entry is None or entry.get("distribution") != offer.distribution else dict(entry["tools"])
            taken = {name: one for name, one in offer.tools.items() if whole or (offer.plugin, name) in wanted}
            tools |= {name: {"sha256": fingerprint(one), "definition": one} for name, one in taken.items()}
            if taken or entry is None:
                known[offer.plugin] = {"distribution": offer.distribution, "version": offer.version, "tools": tools}
