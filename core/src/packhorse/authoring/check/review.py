"""Running all checks on a plugin, leaving out what its author allowed in the line itself."""

from __future__ import annotations

import linecache
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packhorse.authoring.check import (
    blocking,
    hints,
    leftovers,
    metadata,
    migrations,
    schemas,
    settings,
    start,
    text,
)
from packhorse.authoring.check.facts import gather
from packhorse.authoring.check.target import resolve
from packhorse.control.definitions import tokens

if TYPE_CHECKING:
    from packhorse.authoring.check.finding import Finding
    from packhorse.authoring.check.target import Target

CHECKS = (metadata, start, schemas, text, hints, blocking, migrations, settings, leftovers)
_RANK = {"error": 0, "warning": 1, "advice": 2}
_ALLOWED = re.compile(r"packhorse: allow ([a-z-]+(?:, ?[a-z-]+)*)")


@dataclass(frozen=True, slots=True)
class Review:
    """What was found in one plugin, the gravest first."""

    name: str
    distribution: str
    tools: int
    tokens: int
    import_milliseconds: float
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return not any(finding.severity in {"error", "warning"} for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the review as JSON-serialisable data."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "passed": self.passed,
            "tools": self.tools,
            "tokens": self.tokens,
            "import_milliseconds": self.import_milliseconds,
            "findings": [finding.as_dict() for finding in self.findings],
        }


def review(what: str) -> list[Review]:
    """Review every plugin of a folder, or an installed one by name or distribution; its code is run.

    Raises:
        NotFoundError, InvalidInputError: there is no such plugin; see `resolve`.
    """
    return [_review(target) for target in resolve(what)]


def _review(target: Target) -> Review:
    facts = gather(target)
    linecache.checkcache()
    found = {finding for check in CHECKS for finding in check.check(target, facts) if not _allowed(finding)}
    ordered = sorted(found, key=lambda one: (_RANK[one.severity], one.path, one.line, one.rule, one.message))
    return Review(
        target.name,
        target.distribution,
        len(facts.tools),
        sum(tokens(tool.definition) for tool in facts.tools),
        round(facts.import_seconds * 1000, 1),
        tuple(ordered),
    )


def _allowed(finding: Finding) -> bool:
    """Tell whether the line says `packhorse: allow RULE` in a comment."""
    match = _ALLOWED.search(linecache.getline(finding.path, finding.line)) if finding.line else None
    return match is not None and finding.rule in {rule.strip() for rule in match[1].split(",")}
