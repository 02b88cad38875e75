"""Switches and profiles: `plugins.json` in the data folder, which a user may also edit.

{"disabled": ["notes", "tasks:claim_task"], "profiles": {"review": ["search_code", "list_tasks"]}}
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packhorse.control import files
from packhorse.errors import ConfigurationError
from packhorse.records import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from packhorse.discovery import Candidate

FILE = "plugins.json"
LEAN = "lean"
PROFILES: dict[str, tuple[str, ...]] = {
    LEAN: ("index_repository", "search_code", "create_task", "get_task", "list_tasks", "update_task")
}
"""The profiles that are there without a file; one of the same name in the file takes its place."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user switched off, and the profiles by name: each the tools that it offers."""

    disabled: frozenset[str]
    profiles: dict[str, tuple[str, ...]]

    @property
    def plugins(self) -> frozenset[str]:
        """The plugins that are switched off as a whole."""
        return frozenset(entry for entry in self.disabled if ":" not in entry)

    def disables(self, plugin: str, tool: str) -> bool:
        """Tell whether one tool of a plugin is switched off."""
        return f"{plugin}:{tool}" in self.disabled

    def profile(self, name: str) -> frozenset[str]:
        """Return the tools of a profile.

        Raises:
            ConfigurationError: there is none of this name.
        """
        if name not in self.profiles:
            raise ConfigurationError(
                f"There is no profile {name!a}; there are {', '.join(sorted(self.profiles))}.",
                remedy=f'Correct PACKHORSE_PROFILE or --profile, or add it to "profiles" in {FILE} of the data folder.',
            )
        return frozenset(self.profiles[name])


def read(data_dir: Path) -> Choices:
    """Return the user's choices.

    Raises:
        ConfigurationError: the file cannot be read, or does not have the form above.
    """
    path = data_dir / FILE
    content = files.read(path)
    disabled, profiles = content.get("disabled", []), content.get("profiles", {})
    unknown = sorted(content.keys() - {"disabled", "profiles"})
    wrong = ""
    if unknown:
        wrong = f"has {unknown[0]!a}, but only disabled and profiles are known"
    elif not _texts(disabled):
        wrong = 'has a "disabled" that is not a list of names'
    elif not isinstance(profiles, dict) or not all(_texts(tools) for tools in profiles.values()):
        wrong = 'has "profiles" that are not lists of tools by name'
    if wrong:
        raise ConfigurationError(f"{path} {wrong}.", remedy='It is such as {"disabled": ["tasks:claim_task"]}.')
    own = {str(name): tuple(tools) for name, tools in profiles.items()}
    return Choices(frozenset(disabled), PROFILES | own)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def switch(data_dir: Path, entry: str, *, on: bool) -> bool:
    """Switch a plugin (`notes`) or a tool (`notes:notes_add`) on or off, and tell whether that changed anything.

    Raises:
        ConfigurationError, UnavailableError: the file cannot be read or written.
    """
    read(data_dir)  # a file of another form is not changed
    with files.changing(data_dir / FILE) as content:
        disabled = set(content.get("disabled", []))
        changed = (entry in disabled) == on
        if changed:
            content["disabled"] = sorted(disabled ^ {entry})
    return changed


def switched_off(candidates: Iterable[Candidate], data_dir: Path) -> list[Candidate]:
    """Mark the plugins that the user switched off, which then are not imported.

    Raises:
        ConfigurationError: see `read`.
    """
    off = read(data_dir).plugins
    return [
        replace(one, fault=Fault("blocked", "It is switched off.", f"packhorse plugins enable {one.name}"))
        if one.name in off and one.fault is None
        else one
        for one in candidates
    ]
