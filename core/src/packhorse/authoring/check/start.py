"""Whether it loads, which hooks it implements, and what its import costs and does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse import deprecations
from packhorse.authoring.check.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.authoring.check.facts import Facts
    from packhorse.authoring.check.target import Target

SLOW, TOO_SLOW = 0.1, 0.5  # seconds; every `packhorse --help` and every start of a server pays them
HEAVY = frozenset(
    {"fastmcp", "numpy", "pandas", "psycopg", "pydantic", "httpx", "requests", "torch", "tree_sitter", "rich", "mcp"}
)


def check(target: Target, facts: Facts) -> Iterator[Finding]:
    """Yield what hinders or burdens the start."""
    path = str(target.module_path)
    if facts.fault:
        remedy = facts.remedy or "Run `packhorse plugins` after installing it to see the same."
        yield Finding("load", "error", facts.fault, remedy, path)
    if facts.printed.strip():
        shown = facts.printed.strip().splitlines()[0][:80]
        yield Finding(
            "prints",
            "error",
            f"Importing and registering it prints {shown!a}.",
            "Log with context.logger; standard output belongs to the protocol.",
            path,
        )
    if facts.import_seconds >= SLOW:
        heavy = sorted(HEAVY & set(facts.imported))
        yield Finding(
            "import-time",
            "error" if facts.import_seconds >= TOO_SLOW else "warning",
            f"Importing {target.module} takes {facts.import_seconds * 1000:.0f} ms"
            + (f" and brings in {', '.join(heavy)}." if heavy else "."),
            "Import what is slow inside the hook or function that needs it.",
            path,
            1,
        )
    if facts.changed:
        yield Finding(
            "process-wide",
            "warning",
            f"Importing and registering it changes {', '.join(facts.changed)} for the whole process.",
            "Leave it alone: the host and every other plugin live there, and the host puts it back.",
            path,
        )
    if facts.threads:
        yield Finding(
            "threads",
            "warning",
            f"Registering it leaves a thread running: {', '.join(facts.threads)}.",
            "Start background work in plugin_lifespan, which ends it too.",
            path,
        )
    for one in deprecations.of(facts.hooks):
        place = facts.hooks[one.hook]
        yield Finding("deprecated", "warning", f"It implements what goes: {one}.", one.instead, place.path, place.line)
    if facts.tools and "register_instructions" not in facts.hooks:
        yield Finding(
            "instructions",
            "advice",
            "It has tools and no register_instructions.",
            "Return one sentence that says when an agent should use them.",
            path,
        )
