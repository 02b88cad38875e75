"""What a check found: where, how serious, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "advice"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a reviewer would point out.

    `rule` is a stable word. An `error` keeps the plugin from working or harms its users, a `warning` makes it worse
    than it need be, and `advice` is for the author to weigh; only the first two fail the check. `path` and `line`
    (1-based, 0: the file as a whole) are where to look.
    """

    rule: str
    severity: Severity
    message: str
    remedy: str
    path: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """Return `path:line`, as editors and terminals understand it."""
        return f"{self.path}:{self.line}" if self.line else self.path

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-serialisable data."""
        return asdict(self)
