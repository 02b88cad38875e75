"""The process that imports and registers the plugin under review, and writes what it saw to a file."""

from __future__ import annotations

import inspect
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packhorse.authoring.check.facts import Facts, Place, SettingFacts, ToolFacts
from packhorse.authoring.check.target import Target, resolve
from packhorse.discovery import Candidate, discover, required, screen
from packhorse.plugins import PluginHost
from packhorse.settings import CoreSettings, PluginSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

OURS = frozenset({"packhorse-indexing", "packhorse-search", "packhorse-tasks"})


def main(what: str, name: str, out: str) -> None:
    """Probe the plugin `name` of the folder or distribution `what` and write the facts to `out`."""
    target = next(one for one in resolve(what) if one.name == name)
    sys.path.insert(0, str(target.base))
    facts = Facts()
    try:
        _fill(facts, target)
    finally:
        Path(out).write_text(facts.as_json(), "utf-8")


def _fill(facts: Facts, target: Target) -> None:
    from packhorse.control.definitions import definitions
    from packhorse.server import build_server

    before = set(threading.enumerate())
    host = PluginHost(
        CoreSettings(data_dir=Path(os.environ["PACKHORSE_DATA_DIR"])), candidates=_company(target), variables={}
    )
    host.load()
    if host.record(target.name).loaded:
        facts.hooks = dict(_hooks(target.candidate().load()))
        _settings(facts, host, target.name)
        _migrations(facts, host, target.name)
    server = build_server(host, strict=False)
    record = host.record(target.name)
    if not record.loaded:
        facts.fault, facts.remedy = record.error, record.remedy
    facts.changed = record.changed
    owners = {tool: one.name for one in host.records for tool in one.tools}
    for component in definitions(server):
        owner = owners.get(component.name, "")
        if owner == target.name:
            definition = component.to_mcp_tool().model_dump(mode="json", by_alias=True, exclude_none=True)
            facts.tools.append(ToolFacts(definition, _place(getattr(component, "fn", None)), owner))
        elif owner:
            facts.foreign_tools[component.name] = owner
    facts.threads = [one.name for one in threading.enumerate() if one not in before and one.is_alive()]


def _company(target: Target) -> list[Candidate]:
    """Return the plugin with those that it requires and those of Packhorse, whose names it may not take."""
    own = target.candidate()
    installed = {one.key: one for one in discover() if one.name != target.name and one.key != own.key}
    wanted, waiting = set(), [own]
    while waiting:
        for key in required(waiting.pop()) | OURS:
            if key in installed and key not in wanted:
                wanted.add(key)
                waiting.append(installed[key])
    return screen([own, *(installed[key] for key in sorted(wanted))], None, ())


def _hooks(plugin: object) -> Iterable[tuple[str, Place]]:
    for name in dir(plugin):
        function = inspect.getattr_static(plugin, name, None)
        if hasattr(function, "packhorse_impl"):
            yield name, _place(function)


def _settings(facts: Facts, host: PluginHost, name: str) -> None:
    kind = type(host.plugin_settings(name))
    if kind is PluginSettings:
        return
    facts.settings_place = _place(kind)
    facts.settings_prefix = str(kind.model_config.get("env_prefix") or "")
    facts.settings = [
        SettingFacts(field, info.description or "", info.is_required(), str(info.annotation))
        for field, info in kind.model_fields.items()
    ]


def _migrations(facts: Facts, host: PluginHost, name: str) -> None:
    if host.implements(name, "register_migrations"):
        facts.migrations = [str(folder) for folder in host.call_plugin(name, "register_migrations")]


def _place(thing: Any) -> Place:
    thing = getattr(thing, "__func__", thing)
    try:
        wanted = inspect.unwrap(thing)
        return Place(inspect.getsourcefile(wanted) or "", inspect.getsourcelines(wanted)[1])
    except (TypeError, OSError, ValueError):
        return Place()


if __name__ == "__main__":
    main(*sys.argv[1:])
