"""Saying in one short sentence per field what is wrong with a tool's arguments."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from packhorse.isolation import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

MOST_SENTENCES = 5
LONGEST_VALUE = 60
LONGEST_LIST = 3  # items that are shown; of a longer list only their number
# How pydantic names the branch of a union that it tried: `list[str]`, `literal['a','b']`, `constrained-str`, `uuid`.
_BRANCH = re.compile(
    r"[a-z]+\[.*|(function|is|constrained|nullable|lax|json)-.*|str|int|float|bool|none|uuid|list|dict", re.DOTALL
)
_TYPES = {"string": "text", "integer": "an integer", "number": "a number", "boolean": "true or false"}


def sentences(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """Describe what pydantic found wrong, by the tool's input schema: what is allowed, and what was given."""
    definitions = schema.get("$defs", {})
    properties = {name: _resolved(one, definitions) for name, one in schema.get("properties", {}).items()}
    found: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_context=False):
        # The branches of a union complain one by one about the same argument: the first stands for all.
        path = [
            str(part)
            for depth, part in enumerate(detail["loc"])
            if not depth or not isinstance(part, str) or not _BRANCH.fullmatch(part)
        ]
        found.setdefault(path[0] if path else "", _sentence(path, detail, properties))
    shown = list(found.values())[:MOST_SENTENCES]
    if len(found) > MOST_SENTENCES:
        shown.append(f"{len(found) - MOST_SENTENCES} more arguments are wrong.")
    return " ".join(shown)


def _sentence(path: list[str], detail: ErrorDetails, properties: Mapping[str, Any]) -> str:
    name = path[0] if path else "The arguments"
    kind = detail["type"]
    if kind == "unexpected_keyword_argument" or (kind == "extra_forbidden" and len(path) == 1):
        return _unknown(name, list(properties))
    allowed = _allowed(properties.get(name, {}))
    if kind in {"missing_argument", "missing", "missing_keyword_only_argument"} and len(path) == 1:
        return f"{name} is required{f': {allowed}' if allowed else ''}."
    given = _given(detail["input"])
    if len(path) > 1:
        within = ".".join(printable(part, LONGEST_VALUE) for part in path[1:])
        return f"{name}: {_problem(detail)} at {within}, got {given}."
    return f"{name} must be {allowed}, got {given}." if allowed else f"{name}: {_problem(detail)}, got {given}."


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema with its own reference, and those of its branches, replaced by what they refer to."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_resolved(branch, definitions) for branch in schema["anyOf"]]}
    referred = definitions.get(str(schema.get("$ref", "")).rpartition("/")[2], {})
    return {**schema, **referred}


def _problem(detail: ErrorDetails) -> str:
    message = printable(detail["msg"], 200).removeprefix("Value error, ").rstrip(".")
    return message.replace("Input should be", "must be").replace("Input should", "must")


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    shown = printable(name, LONGEST_VALUE)
    if near:
        return f"{shown} is no argument of this tool; did you mean {near[0]}?"
    return f"{shown} is no argument of this tool; it takes {', '.join(known) or 'none'}."


def _allowed(schema: Mapping[str, Any]) -> str:
    """Say which values a property's JSON schema allows, or nothing when it is too intricate for a few words."""
    branches = [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]
    if len(branches) != 1:
        return ""
    branch = branches[0]
    if "const" in branch or "enum" in branch:
        values = branch.get("enum") or [branch["const"]]
        return ("one of " if len(values) > 1 else "") + ", ".join(json.dumps(one, ensure_ascii=False) for one in values)
    kind = str(branch.get("type", ""))
    if kind == "string":
        return _text(branch)
    if kind == "array":
        return _bounded("a list", branch, "minItems", "maxItems", " items")
    if kind in {"integer", "number"}:
        return _bounded(_TYPES[kind], branch, "minimum", "maximum")
    return _TYPES.get(kind, "")


def _text(branch: Mapping[str, Any]) -> str:
    if branch.get("format") == "uuid":
        return "a UUID"
    text = _bounded("text", branch, "minLength", "maxLength", " characters")
    return f"{text} matching {branch['pattern']}" if "pattern" in branch else text


def _bounded(noun: str, branch: Mapping[str, Any], least: str, most: str, unit: str = "") -> str:
    low, high = branch.get(least), branch.get(most)
    joined = " of " if unit else " "
    if low is not None and high is not None:
        return f"{noun}{joined}{low} to {high}{unit}" if unit else f"{noun} from {low} to {high}"
    if low is not None:
        return f"{noun}{joined}at least {low}{unit}"
    return noun if high is None else f"{noun}{joined}at most {high}{unit}"


def _given(value: Any) -> str:
    """Show a value that a client sent, shortened and escaped."""
    if isinstance(value, str):
        shown = printable(value[: LONGEST_VALUE + 1], LONGEST_VALUE)
        return f'"{shown}"' + (f" ({len(value):,} characters)" if len(value) > LONGEST_VALUE else "")
    if isinstance(value, (list, tuple)) and len(value) > LONGEST_LIST:
        return f"a list of {len(value):,} items"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__}"
    return printable(text, LONGEST_VALUE)
