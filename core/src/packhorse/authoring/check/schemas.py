"""Names, descriptions and parameters of tools: what an agent needs to choose and call one, and what it costs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from packhorse.authoring.check.finding import Finding
from packhorse.control.definitions import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.authoring.check.facts import Facts, ToolFacts
    from packhorse.authoring.check.target import Target

LONGEST_NAME = 45  # clients put `mcp__server__` before it and cut or refuse at 64
LONGEST_DESCRIPTION = 1_000  # characters; some clients cut at 1,024
MOST_TOKENS = 800  # for one tool, in every conversation
_TOO_GENERAL = frozenset(
    {"add", "create", "delete", "fetch", "find", "get", "help", "list", "open", "query", "read", "run", "search"}
    | {"set", "status", "update", "write", "read_file", "write_file", "execute", "shell", "ask", "info", "tool"}
)
_AMBIGUOUS = re.compile(
    r"args?|config|data|date|day|file|id|input|kwargs|mode|name|options|params|path|payload|time|value|\w{1,2}"
)


def properties(tool: ToolFacts) -> list[tuple[str, dict[str, Any]]]:
    """Return the parameters of a tool with their schemas."""
    found = (tool.definition.get("inputSchema") or {}).get("properties") or {}
    return [(str(name), schema if isinstance(schema, dict) else {}) for name, schema in found.items()]


def check(_target: Target, facts: Facts) -> Iterator[Finding]:
    """Yield what makes a tool hard to choose, hard to call or dear."""
    for tool in facts.tools:
        for finding in (*_naming(tool), *_describing(tool), *_parameters(tool)):
            rule, severity, message, remedy = finding
            yield Finding(rule, severity, message, remedy, tool.place.path, tool.place.line)


def _naming(tool: ToolFacts) -> Iterator[Any]:
    if len(tool.name) > LONGEST_NAME:
        message = f"The name {tool.name} has {len(tool.name)} characters."
        yield "tool-name", "warning", message, f"Keep to {LONGEST_NAME}: clients add a prefix and allow 64."
    if tool.name in _TOO_GENERAL:
        message = f"The name {tool.name} is too general; another plugin will have it."
        yield "tool-name", "warning", message, "Say what it works on, such as find_note."


def _describing(tool: ToolFacts) -> Iterator[Any]:
    description = str(tool.definition.get("description") or "").strip()
    if not description:
        message = f"The tool {tool.name} has no description."
        yield "description", "error", message, "Give its function a docstring of one or two sentences."
    elif len(description) > LONGEST_DESCRIPTION:
        message = f"The description of {tool.name} has {len(description):,} characters."
        yield "description", "warning", message, f"Keep to {LONGEST_DESCRIPTION:,}; every conversation pays for it."
    cost = tokens(tool.definition)
    if cost > MOST_TOKENS:
        message = f"The definition of {tool.name} costs about {cost:,} tokens in every conversation."
        yield "cost", "warning", message, "Shorten descriptions, drop parameters, or declare a smaller output_schema."


def _parameters(tool: ToolFacts) -> Iterator[Any]:
    remedy = 'Annotate it: Annotated[str, Field(description="…")], in a few words.'
    untyped = [name for name, schema in properties(tool) if not _types(schema)]
    if untyped:
        yield "parameter", "warning", f"Without a type in {tool.name}: {', '.join(untyped)}.", "Annotate it."
    silent = [name for name, schema in properties(tool) if not schema.get("description") and not _says_enough(schema)]
    ambiguous = [name for name in silent if _AMBIGUOUS.fullmatch(name)]
    if ambiguous:
        message = f"Without a description in {tool.name}, and ambiguous: {', '.join(ambiguous)}."
        yield "parameter", "warning", message, remedy
    plain = [name for name in silent if name not in ambiguous]
    if plain:
        yield "parameter", "advice", f"Without a description in {tool.name}: {', '.join(plain)}.", remedy


def _types(schema: dict[str, Any]) -> bool:
    return any(key in schema for key in ("type", "anyOf", "oneOf", "allOf", "$ref", "enum", "const"))


def _says_enough(schema: dict[str, Any]) -> bool:
    """Tell whether the schema by itself says what may be given: choices, a switch, a range, a format."""
    branches = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    told = ("enum", "const", "$ref", "format", "pattern", "minimum", "maximum", "minLength", "maxLength")
    return all(one.get("type") == "boolean" or any(key in one for key in told) for one in branches)
