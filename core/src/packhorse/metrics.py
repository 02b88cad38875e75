"""Counting the calls of each tool and their latency, in memory of fixed size."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

KEPT = 512  # latencies per tool, the latest; enough for a p95
MOST_TOOLS = 1_000  # no server has as many; what a client invents must not fill the memory


@dataclass(slots=True)
class _Calls:
    calls: int = 0
    errors: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))


class Metrics:
    """Calls, errors and latency of every tool since the process started."""

    def __init__(self) -> None:
        self._tools: dict[str, _Calls] = {}

    def record(self, tool: str, seconds: float, *, failed: bool) -> None:
        """Count one call of a tool that took `seconds`."""
        if tool not in self._tools and len(self._tools) >= MOST_TOOLS:
            return
        entry = self._tools.setdefault(tool, _Calls())
        entry.calls += 1
        entry.errors += failed
        entry.seconds.append(seconds)

    def report(self) -> dict[str, dict[str, Any]]:
        """Return calls, errors and the p50 and p95 in milliseconds of each tool's latest calls."""
        return {
            name: {
                "calls": entry.calls,
                "errors": entry.errors,
                "p50_ms": _milliseconds(entry.seconds, 0.5),
                "p95_ms": _milliseconds(entry.seconds, 0.95),
            }
            for name, entry in sorted(self._tools.items())
        }


def _milliseconds(seconds: deque[float], quantile: float) -> float:
    """Return the smallest latency that at least this share of the calls did not exceed."""
    ordered = sorted(seconds)
    at = max(0, -int(-quantile * len(ordered) // 1) - 1)
    return round(ordered[at] * 1000, 2)
