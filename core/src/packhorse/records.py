"""What happened to each plugin: the record that `packhorse plugins`, the log and the health checks show."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from loguru import logger

import packhorse

MOST_NAMED = 6  # of the things that a plugin changed
SLOW_IMPORT = 1.0  # seconds; every start waits for an import

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
    that its import, registration and start took and `import_seconds` the import alone. `isolated` says that it runs in
    a process of its own. `notes` are sentences about what is odd without keeping it out; `changed` is what it changed
    for the whole process; that was put back.
    """

    name: str
    distribution: str
    version: str
    location: str
    status: PluginStatus = "loaded"
    error: str = ""
    remedy: str = ""
    seconds: float = 0.0
    import_seconds: float = 0.0
    isolated: bool = False
    notes: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    core_version: str = packhorse.__version__

    @property
    def loaded(self) -> bool:
        """Whether the plugin takes part in this process."""
        return self.status == "loaded"

    def fail(self, fault: Fault) -> None:
        """Note why the plugin is out; what it had registered is gone by now."""
        self.status, self.error, self.remedy = fault.status, fault.error, fault.remedy
        self.tools, self.resources, self.prompts = [], [], []

    def note_import(self, *, took_log: bool) -> None:
        """Note how long the import took, which is what `seconds` are so far, and what was odd about it."""
        self.import_seconds = self.seconds
        if self.seconds > SLOW_IMPORT:
            self.notes.append(f"Its import took {self.seconds:.1f} seconds, which every start waits for.")
            logger.warning("The import of the plugin {} took {:.1f} seconds.", self, self.seconds)
        if took_log:
            self.notes.append("It took the server's log away when it was imported; that was undone.")

    def note_changes(self, doing: str, changed: list[str]) -> None:
        """Note what the plugin changed for the whole process, and that it was put back."""
        if changed:
            self.changed += changed
            more = "" if len(changed) <= MOST_NAMED else f" and {len(changed) - MOST_NAMED} more"
            named = f"{', '.join(changed[:MOST_NAMED])}{more}"
            self.notes.append(f"It changed {named} for the whole process when it {doing}; that was undone.")
            logger.warning("The plugin {} changed {} for the whole process; that was undone.", self, named)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON-serialisable data, the times rounded to milliseconds."""
        times = {"seconds": round(self.seconds, 3), "import_seconds": round(self.import_seconds, 3)}
        return {**asdict(self), **times}

    def __str__(self) -> str:
        """Return one line for the log."""
        who = f"{self.name} ({self.distribution} {self.version}, {self.location})"
        if self.loaded:
            return f"{who}: {', '.join(self.tools) or 'no tools'}"
        return f"{who} is {self.status}: {self.error} {self.remedy}".rstrip()
