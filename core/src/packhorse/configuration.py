"""A host's configuration: one plugin's settings read and checked, and when to refuse to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse.errors import ConfigurationError
from packhorse.settings import PluginSettings, load_plugin_settings, plugin_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packhorse.records import PluginRecord
    from packhorse.variables import Variable


def settings_of(
    plugin: str, kinds: Sequence[Any], variables: Mapping[str, Variable], problems: list[ConfigurationError]
) -> PluginSettings:
    """Return a plugin's settings, an instance of the class that its `register_settings` returned, if it has one.

    Args:
        plugin: its name.
        kinds: what the hook returned.
        variables: where they are read.
        problems: gets what is wrong with a variable that the user set.

    Raises:
        ConfigurationError: a variable is wrong or missing.
        TypeError: it is no class of settings.
    """
    kind = kinds[0] if kinds else PluginSettings
    if not (isinstance(kind, type) and issubclass(kind, PluginSettings)):
        raise TypeError(f"register_settings returned {kind!r}, not a subclass of PluginSettings")
    try:
        return load_plugin_settings(kind, plugin, variables)
    except ConfigurationError as error:
        # Unless the user set something of this plugin's, it is the plugin that cannot do without.
        if any(variable.startswith(plugin_prefix(plugin)) for variable in variables):
            problems.append(error)
        raise


def refuse(
    problems: Sequence[ConfigurationError], records: Sequence[PluginRecord], warnings: Sequence[str], *, strict: bool
) -> None:
    """Refuse a wrong configuration and, when strict, a plugin that should be there and is not.

    Raises:
        ConfigurationError: naming every reason.
    """
    if problems:
        message = " ".join(dict.fromkeys(error.message for error in problems))
        raise ConfigurationError(message, remedy=problems[0].remedy, **problems[0].details)
    out = [record for record in records if record.status not in {"loaded", "blocked"}]
    if strict and (out or warnings):
        raise ConfigurationError(
            " ".join([*(str(record) for record in out), *warnings]),
            remedy="Unset PACKHORSE_STRICT to start without them.",
            plugins=[record.name for record in out],
        )
