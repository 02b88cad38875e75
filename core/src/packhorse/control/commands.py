"""`packhorse plugins` and its subcommands: disable, enable, diff, approve."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from packhorse import terminal
from packhorse.control import choices, lock, overruns
from packhorse.errors import ConfigurationError, InvalidInputError, NotFoundError, PackhorseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Group

    from packhorse.control.gate import Gate
    from packhorse.control.lock import Change
    from packhorse.plugins import PluginHost
    from packhorse.program import Program

Json = Annotated[bool, Parameter(help="Print JSON on standard output.")]
UNCHANGED = "Everything is as it was approved."
RESTART = "Running servers keep what they started with; restart the client to see it."


def register(app: App, program: Program, group: Group) -> None:
    """Add `packhorse plugins` with its subcommands."""
    plugins = App(name="plugins", group=group)
    app.command(plugins)

    @plugins.default
    def listing(
        *,
        health: Annotated[
            bool, Parameter(help="Start what the server would start and run the plugins' checks.")
        ] = False,
        json: Json = False,
    ) -> int:
        """List the installed plugins: their tools and what these cost, and the reason when one is not loaded.

        Tokens are estimated: a quarter of the characters of the definitions that a client gets. The exit code is 1 when
        a plugin failed.

        Examples:
          packhorse plugins
          packhorse plugins --health
          packhorse plugins --json
        """
        return _list(program.loaded_host(), health=health, as_json=json)

    @plugins.command
    def disable(name: str, /) -> None:
        """Switch a plugin off, which then is not even imported, or one of its tools.

        Examples:
          packhorse plugins disable tasks
          packhorse plugins disable tasks:claim_task
        """
        _switch(program.loaded_host(), name, on=False)

    @plugins.command
    def enable(name: str, /) -> None:
        """Switch on what was switched off with `disable`; a plugin that took too long has its whole time again.

        Examples:
          packhorse plugins enable tasks:claim_task
        """
        _switch(program.loaded_host(), name, on=True)

    @plugins.command
    def diff(name: str = "", /, *, json: Json = False) -> int:
        """Show what changed since it was approved: tools, resources, prompts, instructions. It is off until then.

        The exit code is 1 when there is a change.

        Examples:
          packhorse plugins diff
          packhorse plugins diff notes
        """
        return _diff(program.loaded_host(), name, as_json=json)

    @plugins.command
    def approve(
        *names: str, everything: Annotated[bool, Parameter(name="--all", help="Approve every change.")] = False
    ) -> None:
        """Take what changed as it is now. Look at `packhorse plugins diff` first.

        Examples:
          packhorse plugins approve notes
          packhorse plugins approve notes:notes_add
          packhorse plugins approve --all
        """
        _approve(program.loaded_host(), names, everything=everything)


def built(host: PluginHost) -> tuple[Gate | None, PackhorseError | None]:
    """Let the plugins register their tools; return the gate before them, or what is wrong beside the plugins."""
    from packhorse.control.gate import gate_of
    from packhorse.server import build_server

    try:
        return gate_of(build_server(host, strict=False)), None
    except ConfigurationError as error:
        return None, error


def _list(host: PluginHost, *, health: bool, as_json: bool) -> int:
    from packhorse.control import listing

    gate, problem = built(host)
    found = listing.entries(host, gate, health=health and problem is None)
    if as_json:
        terminal.print_json({"plugins": [entry.as_dict() for entry in found], "warnings": host.warnings})
    else:
        listing.show(found)
        for warning in host.warnings:
            terminal.print_warning(warning)
    if problem is not None:
        raise problem
    failed = any(entry.record.status not in {"loaded", "blocked"} or entry.health == "failed" for entry in found)
    return int(failed)


def _switch(host: PluginHost, entry: str, *, on: bool) -> None:
    plugin, colon, tool = entry.partition(":")
    known = {record.name: record for record in host.records}
    data_dir = host.core_settings.data_dir
    is_known_switch = on and entry in choices.read(data_dir).disabled  # of a plugin that is gone by now
    if not is_known_switch:
        if plugin not in known:
            raise NotFoundError(f"There is no plugin {plugin!a} installed. {_near(plugin, list(known))}".rstrip())
        if colon:
            built(host)
            tools = known[plugin].tools
            if known[plugin].loaded and tool not in tools:
                raise NotFoundError(f"{plugin} has no tool {tool!a}. {_near(tool, tools)}".rstrip())
    changed = choices.switch(data_dir, entry, on=on)
    if on and plugin in known and not colon:
        changed |= overruns.forget(data_dir, known[plugin].distribution)
    state = "on" if on else "off"
    terminal.output().print(terminal.safe(f"{entry} is {'now' if changed else 'already'} {state}."), soft_wrap=True)
    if changed:
        terminal.messages().print(RESTART, soft_wrap=True)


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known) or 'none'}."


def _diff(host: PluginHost, name: str, *, as_json: bool) -> int:
    found = _changes(host, [name] if name else [])
    if as_json:
        terminal.print_json({"changes": [_as_dict(change) for change in found]})
        return int(bool(found))
    console = terminal.output()
    if not found:
        console.print(UNCHANGED)
    for change in found:
        for line in change.diff():
            style = {"+": "green", "-": "red", "@": "dim"}.get(line[:1], "")
            console.print(terminal.safe(line, style=style), soft_wrap=True)
    return int(bool(found))


def _as_dict(change: Change) -> dict[str, Any]:
    return {
        "plugin": change.plugin,
        "name": change.name,
        "kind": change.kind,
        "approved_version": change.approved_version,
        "version": change.version,
        "diff": change.diff(),
    }


def _approve(host: PluginHost, names: Sequence[str], *, everything: bool) -> None:
    if bool(names) == everything:
        raise InvalidInputError(
            "Say what to approve: a plugin, PLUGIN:NAME as `packhorse plugins diff` has the name, or --all.",
            remedy="`packhorse plugins diff` shows what changed.",
        )
    found = _changes(host, names)
    lock.record(host.core_settings.data_dir, _offers(host), approved=[(one.plugin, one.name) for one in found])
    console = terminal.output()
    for change in found:
        console.print(terminal.safe(f"{change.plugin}:{change.name} is approved."), soft_wrap=True)
    if found:
        terminal.messages().print(RESTART, soft_wrap=True)
    else:
        console.print(UNCHANGED)


def _changes(host: PluginHost, names: Sequence[str]) -> list[Change]:
    """Return the changes in these plugins and tools, by default all.

    Raises:
        NotFoundError: a name is no installed plugin's.
        ConfigurationError: the server cannot be built.
    """
    known = [record.name for record in host.records]
    for name in names:
        if name.partition(":")[0] not in known:
            raise NotFoundError(f"There is no plugin {name!a} installed. {_near(name, known)}".rstrip())
    gate, problem = built(host)
    if gate is None:
        raise problem or ConfigurationError("The server cannot be built.")
    return [one for one in gate.changes if not names or {one.plugin, f"{one.plugin}:{one.name}"} & set(names)]


def _offers(host: PluginHost) -> list[lock.Offer]:
    from packhorse.control.definitions import components, definition
    from packhorse.control.gate import offers_of
    from packhorse.server import build_server

    found = components(build_server(host, strict=False))
    return offers_of(host, {name: definition(component) for name, component in found.items()})
