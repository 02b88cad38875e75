"""Settings: read through the settings class under the plugin's prefix, described, with defaults, secrets masked."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from packhorse.authoring.check.finding import Finding
from packhorse.settings import plugin_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.authoring.check.facts import Facts
    from packhorse.authoring.check.target import Target

_SECRET = re.compile(r"(^|_)(api_?key|credentials?|password|passphrase|secret|token)(_|$)")
_READING = frozenset({"getenv", "get", "pop", "setdefault"})


def check(target: Target, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with the settings class, and variables that are read past it."""
    place = facts.settings_place
    prefix = plugin_prefix(target.name)
    if facts.settings_prefix:
        yield Finding(
            "settings",
            "error",
            f"The settings class sets env_prefix to {facts.settings_prefix!a}, which has no effect.",
            f"Take it out: the core fixes the prefix to {prefix}.",
            place.path,
            place.line,
        )
    for one in facts.settings:
        problems = []
        if one.required:
            problems.append(("error", "has no default, so that the plugin does not start unconfigured", "Give it one."))
        if not one.description:
            problems.append(("warning", "has no description", "Give it one: `packhorse config` prints it."))
        if _SECRET.search(one.name) and "Secret" not in one.kind and "str" in one.kind:
            problems.append(("error", "is a secret that would be shown", "Annotate it with pydantic.SecretStr."))
        for severity, problem, remedy in problems:
            message = f"The setting {prefix}{one.name.upper()} {problem}."
            rule = "settings"
            if severity == "error":
                yield Finding(rule, "error", message, remedy, place.path, place.line)
            else:
                yield Finding(rule, "warning", message, remedy, place.path, place.line)
    yield from _read_past(target)


def _read_past(target: Target) -> Iterator[Finding]:
    for path in target.sources:
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError, OSError):
            continue
        for node in ast.walk(tree):
            name = _variable(node)
            if name.startswith("PACKHORSE_"):
                yield Finding(
                    "settings",
                    "warning",
                    f"{name} is read from the environment directly, so that the settings file does not count.",
                    "Make it a field of the settings class and use context.settings, or context.core for the host's.",
                    str(path),
                    getattr(node, "lineno", 0),
                )


def _variable(node: ast.AST) -> str:
    """Return the environment variable that an expression reads, or nothing."""
    key: ast.AST | None = None
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) in {"os.environ", "environ"}:
        key = node.slice if isinstance(node.ctx, ast.Load) else None
    elif isinstance(node, ast.Call) and node.args:
        function = ast.unparse(node.func)
        if function in {"os.getenv", "getenv"} or function.rpartition(".")[0] in {"os.environ", "environ"}:
            key = node.args[0] if function.rpartition(".")[2] in _READING else None
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
