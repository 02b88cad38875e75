"""The hints by which clients decide whether to ask their user before a call, and output that is sent twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from packhorse.authoring.check.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.authoring.check.facts import Facts, ToolFacts
    from packhorse.authoring.check.target import Target

_WRITES = re.compile(
    r"(^|_)(add|append|clear|create|delete|drop|insert|move|remove|rename|reset|send|set|update|write)(_|$)"
)


def check(_target: Target, facts: Facts) -> Iterator[Finding]:
    """Yield hints that are missing or contradict each other or the tool's name."""
    for tool in facts.tools:
        for rule, message, remedy in (*_hints(tool), *_output(tool)):
            yield Finding(rule, "warning", message, remedy, tool.place.path, tool.place.line)


def _hints(tool: ToolFacts) -> Iterator[tuple[str, str, str]]:
    hints: dict[str, Any] = tool.definition.get("annotations") or {}
    read_only, destructive = hints.get("readOnlyHint"), hints.get("destructiveHint")
    if read_only is None and destructive is None:
        yield (
            "annotations",
            f"{tool.name} says neither whether it only reads nor whether it destroys; clients assume the worst.",
            "Give annotations=ToolAnnotations(read_only_hint=True), or destructive_hint=False if it only adds.",
        )
    if read_only and destructive:
        yield "annotations", f"{tool.name} says that it only reads and that it destroys.", "Decide."
    if read_only and _WRITES.search(tool.name):
        yield (
            "annotations",
            f"{tool.name} says that it only reads, and its name says otherwise.",
            "Correct read_only_hint: clients call such tools without asking.",
        )


def _output(tool: ToolFacts) -> Iterator[tuple[str, str, str]]:
    schema = tool.definition.get("outputSchema") or {}
    result = (schema.get("properties") or {}).get("result") or {}
    if schema.get("x-fastmcp-wrap-result") and result.get("type") == "string":
        yield (
            "sent-twice",
            f"{tool.name} returns text with an output schema, so that the text is sent twice.",
            "Register it with @mcp.tool(output_schema=None), or return a model with fields.",
        )
