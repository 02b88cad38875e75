"""What happened to each plugin: the record that `packhorse plugins`, the log and the health checks show."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import packhorse

PluginStatus = Literal["loaded", "blocked", "incompatible", "conflict", "failed"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a plugin is not loaded: `error` is one sentence, `remedy` what the reader does next."""

    status: PluginStatus
    error: str
    remedy: str = ""


@dataclass(slots=True)
class PluginRecord:
    """One installed plugin and what became of it.

    `location` is the folder that it is imported from (for an editable install, its source tree), `seconds` the time
    that its import, registration and start took.
    """

    name: str
    distribution: str
    version: str
    location: str
    status: PluginStatus = "loaded"
    error: str = ""
    remedy: str = ""
    seconds: float = 0.0
    tools: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    core_version: str = packhorse.__version__

    @property
    def loaded(self) -> bool:
        """Whether the plugin takes part in this process."""
        return self.status == "loaded"

    def fail(self, fault: Fault) -> None:
        """Note why the plugin is out; what it had registered is gone by now."""
        self.status, self.error, self.remedy = fault.status, fault.error, fault.remedy
        self.tools, self.resources, self.prompts = [], [], []

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON-serialisable data, `seconds` rounded to milliseconds."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}

    def __str__(self) -> str:
        """Return one line for the log."""
        who = f"{self.name} ({self.distribution} {self.version}, {self.location})"
        if self.loaded:
            return f"{who}: {', '.join(self.tools) or 'no tools'}"
        return f"{who} is {self.status}: {self.error} {self.remedy}".rstrip()
