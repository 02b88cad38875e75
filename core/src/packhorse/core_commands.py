"""The subcommands of the core: serve, plugins, doctor, config, completion."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Group, Parameter

from packhorse import terminal
from packhorse.authoring import commands as authoring
from packhorse.control import commands as control
from packhorse.errors import ConfigurationError

if TYPE_CHECKING:
    from packhorse.health import Report
    from packhorse.program import Program
    from packhorse.settings import CoreSettings, SettingDescription

Json = Annotated[bool, Parameter(help="Print JSON on standard output.")]

_COLOURS = {"ok": "green", "loaded": "green", "warning": "yellow", "blocked": "yellow"}


def register(app: App, program: Program) -> None:
    """Add the core's subcommands to the `packhorse` command."""
    group = Group("Server", sort_key=0)

    @app.command(group=group)
    def serve(
        *,
        http: Annotated[str | None, Parameter(help="Serve HTTP at [HOST:]PORT instead.")] = None,
        profile: Annotated[str | None, Parameter(help="Offer the tools of this profile only, such as lean.")] = None,
    ) -> int:
        """Serve an MCP client over standard input and output, or over HTTP.

        The client starts this command itself; in its configuration write the absolute path of `packhorse`.
        Logs go to a file, see `packhorse config`. Beyond this machine HTTP needs PACKHORSE_HTTP_TOKEN.

        Examples:
          packhorse serve
          packhorse serve --http 8000
          packhorse serve --http 127.0.0.1:8000
          packhorse serve --profile lean
        """
        if profile is not None:
            os.environ["PACKHORSE_PROFILE"] = profile  # so that it is read, checked and shown as any setting
        return _serve(program, http)

    control.register(app, program, group)
    authoring.register(app)

    @app.command(group=group)
    def doctor(*, json: Json = False) -> int:
        """Check the configuration, the database, the disk and every plugin, and say what to do.

        It starts what the server would start. The exit code is 1 when a check failed.

        Examples:
          packhorse doctor
          packhorse doctor --json
        """
        return _doctor(program, as_json=json)

    @app.command(group=group)
    def config(*, json: Json = False) -> None:
        """Show every setting: its value, where it comes from and what it means. Secrets are masked.

        Settings are environment variables, or lines of the file `.env` in the user's configuration folder or of the
        file that PACKHORSE_ENV_FILE names.

        Examples:
          packhorse config
          PACKHORSE_DB_DEADLINE=3 packhorse config --json
        """
        _config(program, as_json=json)

    @app.command(group=group)
    def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
        """Print the completion script for a shell; see also `packhorse --install-completion`.

        Examples:
          packhorse completion bash > ~/.local/share/bash-completion/completions/packhorse
          packhorse completion zsh > ~/.zfunc/_packhorse
          packhorse completion fish > ~/.config/fish/completions/packhorse.fish
        """
        sys.stdout.write(app.generate_completion(shell=shell))

    app.register_install_completion_command(help="Install shell completion for the shell in use.", group=group)


def _serve(program: Program, http: str | None) -> int:
    from packhorse import stdio

    program.announce_log()
    if http is not None:
        return _serve_http(program, http)
    channel = stdio.claim()
    try:
        _import_fastmcp()
        program.load()
        mcp = _server(program)
        return asyncio.run(stdio.serve(mcp, channel))
    finally:
        stdio.release()


def _serve_http(program: Program, address: str) -> int:
    from packhorse import http

    http.parse_address(address)
    _import_fastmcp()
    program.load()
    mcp = _server(program)
    return asyncio.run(http.serve(mcp, program.loaded_host(), address))


def _import_fastmcp() -> None:
    """Import what the server needs anyway before the plugins, so that what they change in it shows."""
    from packhorse.framework import settle_fastmcp

    settle_fastmcp()
    import fastmcp.server  # noqa: F401


def _server(program: Program) -> Any:
    from packhorse.log import silence_frameworks
    from packhorse.server import build_server

    host = program.loaded_host()
    mcp = build_server(host)
    silence_frameworks()
    # What is loaded stays, and a full collection that walks it holds up requests. A search makes some ten thousand
    # objects that die with it: to look through the youngest for every 700 of them took a twelfth of its time.
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    return mcp


def _doctor(program: Program, *, as_json: bool) -> int:
    from packhorse.health import Finding, Report, examine, report

    if program.problem is not None:
        finding = Finding("core", "configuration", "failed", program.problem.message, program.problem.remedy, 0.0)
        found = Report("failed", (finding,))
    else:
        host = program.loaded_host()
        _, problem = control.built(host)
        found = asyncio.run(examine(host) if problem is None else report(host, not_started=problem))
    found = _with_unread_file(found)
    if as_json:
        terminal.print_json(found.as_dict())
    else:
        _print_report(found)
        if program.log_file is not None:
            terminal.output().print(terminal.safe(f"\nThe logs are in {program.log_file.path.parent}", keep="\n"))
    return int(found.status == "failed")


def _with_unread_file(found: Report) -> Report:
    from packhorse.health import Finding, Report
    from packhorse.variables import unread_env_file

    path = unread_env_file()
    if path is None:
        return found
    finding = Finding(
        "core",
        "settings file",
        "warning",
        f"{path} has settings of Packhorse and is not read.",
        "To use it set PACKHORSE_ENV_FILE=.env, or the absolute path in a client's configuration.",
        0.0,
    )
    return Report("failed" if found.status == "failed" else "warning", (*found.findings, finding))


def _print_report(found: Report) -> None:
    lines = terminal.table("Check", "Status", "Finding")
    for finding in found.findings:
        text = f"{finding.summary}\n{finding.remedy}" if finding.remedy else finding.summary
        lines.add_row(
            terminal.safe(f"{finding.plugin}: {finding.name}", style="bold"),
            terminal.safe(finding.status, style=_COLOURS.get(finding.status, "red")),
            terminal.safe(text, keep="\n"),
        )
    terminal.print_table(lines)


def _config(program: Program, *, as_json: bool) -> None:
    core, settings = program.described_settings()
    _show_settings(core, settings, as_json=as_json)
    if program.problem is not None:
        raise ConfigurationError(program.problem.message, remedy="What is listed has its default instead; correct it.")


def _show_settings(core: CoreSettings, settings: list[SettingDescription], *, as_json: bool) -> None:
    from packhorse.log import log_path
    from packhorse.variables import env_file

    read, logs = env_file(), log_path(core)
    if as_json:
        terminal.print_json({"settings": settings, "env_file": read, "log_file": logs})
        return
    found = terminal.table("Setting", "Value", "From", "Meaning")
    for setting in settings:
        value = "unset" if setting.value is None else setting.value or "(none)"
        is_default = setting.source == "default"
        found.add_row(
            terminal.safe(
                "\nor ".join((setting.name, *setting.other_names)), style="" if is_default else "bold", keep="\n"
            ),
            terminal.safe(value, style="dim" if is_default else "bold"),
            terminal.safe(setting.source, style="dim" if is_default else ""),
            terminal.safe(setting.description),
        )
    terminal.print_table(found)
    terminal.output().print(terminal.safe(f"\nSettings file: {read or 'none'}\nLogs: {logs.parent}", keep="\n"))
