"""`packhorse plugins`: what is installed, what it offers and costs, how it is, and what to do where it fails."""

from __future__ import annotations

import asyncio
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packhorse import terminal
from packhorse.control.origin import Origin, origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.text import Text

    from packhorse.control.gate import Gate, Off
    from packhorse.plugins import PluginHost
    from packhorse.records import PluginRecord

COLOURS = {"ok": "green", "loaded": "green", "warning": "yellow", "blocked": "yellow", "isolated": "green"}
ROOMY = 100  # columns for the table with all of its columns
WIDEST = 120  # columns of the lists below the table, where there is no terminal


@dataclass(frozen=True, slots=True)
class Entry:
    """One plugin in the list.

    `tokens` is the cost of the tools that are on (see `definitions.tokens`), `costs` that of each tool, `off` what is
    not offered, by label (see `definitions.label`). `health` is empty when no checks were asked for.
    """

    record: PluginRecord
    origin: Origin
    costs: dict[str, int]
    off: dict[str, Off]
    health: str = ""
    findings: tuple[dict[str, Any], ...] = ()

    @property
    def tokens(self) -> int:
        """Return what the tools on offer cost in every conversation."""
        return sum(cost for tool, cost in self.costs.items() if tool not in self.off)

    @property
    def status(self) -> str:
        """Return the record's status, or `isolated` for a loaded one in a process of its own."""
        return "isolated" if self.record.loaded and self.record.isolated else self.record.status

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as JSON-serialisable data: the record's fields and those of the list."""
        return {
            **self.record.as_dict(),
            "origin": self.origin.kind,
            "origin_address": self.origin.address,
            "tokens": self.tokens,
            "tool_tokens": self.costs,
            "off": {
                tool: {"why": off.why, "reason": off.reason, "remedy": off.remedy} for tool, off in self.off.items()
            },
            "health": self.health or None,
            "checks": list(self.findings),
        }


def entries(host: PluginHost, gate: Gate | None, *, health: bool = False) -> list[Entry]:
    """Return every installed plugin.

    Args:
        host: the loaded host, whose server was built.
        gate: the server's, None when it could not be built.
        health: start what the server would start and run the plugins' checks.
    """
    from packhorse.control.gate import instructions_of, labels_of

    checks = _checks(host) if health else {}
    found = []
    for record in host.records:
        costs = {tool: gate.cost[tool] for tool in record.tools if gate is not None and tool in gate.cost}
        labels = [*labels_of(record), instructions_of(record.name)]
        off = {name: gate.off[name] for name in labels if gate is not None and name in gate.off}
        mine = checks.get(record.name, [])
        worst = max((one["status"] for one in mine), key=("ok", "warning", "failed").index, default="")
        state = (worst or "ok") if health and record.loaded else ""
        found.append(Entry(record, origin(record.distribution), costs, off, state, tuple(mine)))
    return found


def _checks(host: PluginHost) -> Mapping[str, list[dict[str, Any]]]:
    from packhorse.health import examine

    found: dict[str, list[dict[str, Any]]] = {}
    for check in asyncio.run(examine(host)).as_dict()["checks"]:
        found.setdefault(check.pop("plugin"), []).append(check)
    return found


def show(listed: list[Entry]) -> None:
    """Print the list for a person."""
    console = terminal.output()
    if not listed:
        console.print("No plugins are installed. Install one, such as: pip install packhorse-indexing")
        return
    columns = ["Plugin", "Version", "Status", "Health", "Tools", "Tokens", "Import", "Start", "From"]
    if not any(entry.health for entry in listed):
        columns.remove("Health")
    elif console.is_terminal and console.width < ROOMY:
        columns.remove("Import")
    table = terminal.table(*columns)
    for entry in listed:
        cells = _cells(entry)
        table.add_row(*(cells[column] for column in columns))
    terminal.print_table(table)
    total = sum(entry.tokens for entry in listed)
    console.print(f"\nAll schemas together take about {total:,} tokens of every conversation.", soft_wrap=True)
    for entry in listed:
        _details(console, entry)


def _cells(entry: Entry) -> dict[str, Text]:
    record = entry.record
    off = sum(tool in entry.off for tool in record.tools)
    count = f"{len(record.tools) - off} of {len(record.tools)}" if off else str(len(record.tools) or "-")
    return {
        "Plugin": terminal.safe(record.name, style="bold"),
        "Version": terminal.safe(record.version),
        "Status": terminal.safe(entry.status, style=COLOURS.get(entry.status, "red")),
        "Health": terminal.safe(entry.health or "-", style=COLOURS.get(entry.health, "red")),
        "Tools": terminal.safe(count),
        "Tokens": terminal.safe(f"{entry.tokens:,}" if entry.costs else "-"),
        "Import": terminal.safe(f"{record.import_seconds * 1000:.0f} ms" if record.seconds else "-"),
        "Start": terminal.safe(f"{record.seconds * 1000:.0f} ms" if record.seconds else "-"),
        "From": terminal.safe(entry.origin.kind),
    }


def _details(console: Console, entry: Entry) -> None:
    record = entry.record
    lines: list[tuple[str, str]] = []
    on = [tool for tool in record.tools if tool not in entry.off]
    if on:
        lines.append((", ".join(on), ""))
    lines += [(f"{off.reason} {off.remedy}", "yellow") for off in entry.off.values()]
    if record.error:
        colour = COLOURS.get(record.status, "red")
        lines += [(record.error, colour), *([(record.remedy, "")] if record.remedy else [])]
    lines += [(note, "yellow") for note in record.notes]
    lines += [
        (f"{check['name']}: {check['summary']} {check['remedy']}".rstrip(), COLOURS.get(check["status"], "red"))
        for check in entry.findings
        if check["status"] != "ok"
    ]
    if not lines:
        return
    console.print()
    console.print(terminal.safe(f"{record.name} ({record.distribution})", style="bold"), soft_wrap=True)
    width = (console.width if console.is_terminal else WIDEST) - 2
    for text, style in lines:
        for line in textwrap.wrap(terminal.safe(text).plain, max(width, 20), break_on_hyphens=False):
            console.print(terminal.safe(f"  {line}", style=style), soft_wrap=True)
