"""Text that agents read: characters that hide something, and sentences that command instead of describe."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from packhorse.authoring.check.finding import Finding
from packhorse.authoring.check.schemas import properties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.authoring.check.facts import Facts, ToolFacts
    from packhorse.authoring.check.target import Target

_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_COMMANDS = re.compile(
    r"<\s*/?\s*(important|system|secret|instructions?)\s*>|ignore (all |any |the )?(previous|prior|above|other)"
    r"|(do not|don't|never) (tell|mention|inform|show|reveal)|system prompt|without (asking|telling) the user"
    r"|before (using|calling|running) any (other )?tool|you must (always|first|never)",
    re.IGNORECASE,
)


def check(_target: Target, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with names, titles and descriptions as text."""
    for tool in facts.tools:
        for where, text in _texts(tool):
            hidden = sorted({f"U+{ord(c):04X}" for c in text if c != "\n" and unicodedata.category(c) in _HIDDEN})
            if hidden:
                yield Finding(
                    "invisible",
                    "error",
                    f"{where} of {tool.name!a} has control or invisible characters: {', '.join(hidden)}.",
                    "Take them out; hosts and reviewers take them for hidden instructions.",
                    tool.place.path,
                    tool.place.line,
                )
            command = _COMMANDS.search(text)
            if command is not None:
                yield Finding(
                    "commanding",
                    "error",
                    f"{where} of {tool.name!a} reads like a hidden instruction: {command[0]!a}.",
                    "Describe what the tool does; when to use it belongs into register_instructions.",
                    tool.place.path,
                    tool.place.line,
                )
            yield from _references(tool, where, text, facts.foreign_tools)


def _texts(tool: ToolFacts) -> Iterator[tuple[str, str]]:
    definition = tool.definition
    yield "The name", tool.name
    yield "The description", str(definition.get("description") or "")
    yield "The title", str(definition.get("title") or (definition.get("annotations") or {}).get("title") or "")
    for name, schema in properties(tool):
        yield f"The parameter {name!a}", f"{name} {schema.get('title', '')} {schema.get('description', '')}"


def _references(tool: ToolFacts, where: str, text: str, foreign: dict[str, str]) -> Iterator[Finding]:
    for name, owner in foreign.items():
        if re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text):
            yield Finding(
                "foreign-tool",
                "warning",
                f"{where} of {tool.name!a} names {name}, a tool of the plugin {owner}.",
                "Describe this tool alone: the other one may be absent, and steering another's tools is an attack.",
                tool.place.path,
                tool.place.line,
            )
