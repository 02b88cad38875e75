"""What became known of a plugin by importing and registering it in a process of its own."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packhorse.authoring.check.target import Target

SECONDS = 60.0  # for the whole probe; a plugin that takes longer hangs
QUICK = 0.08  # seconds for an import that need not be timed again
TIMED_RUNS = 3  # of which the quickest counts: the first one compiles, and a machine has other work too


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is defined; the line is 1-based, or 0 when it is not known."""

    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """A tool as clients get it from `tools/list`, and where its function stands."""

    definition: dict[str, Any]
    place: Place
    owner: str = ""

    @property
    def name(self) -> str:
        """The tool's name."""
        return str(self.definition["name"])


@dataclass(frozen=True, slots=True)
class SettingFacts:
    """One field of the settings class."""

    name: str
    description: str
    required: bool
    kind: str


@dataclass(slots=True)
class Facts:
    """Everything that the probe saw; with a `fault` only what came before it."""

    fault: str = ""
    remedy: str = ""
    printed: str = ""
    import_seconds: float = 0.0
    imported: list[str] = field(default_factory=list)
    """The top-level packages that the import of the plugin's module brought in."""
    hooks: dict[str, Place] = field(default_factory=dict)
    tools: list[ToolFacts] = field(default_factory=list)
    foreign_tools: dict[str, str] = field(default_factory=dict)
    """The tools of other plugins, with their owner."""
    settings: list[SettingFacts] = field(default_factory=list)
    settings_place: Place = field(default_factory=Place)
    settings_prefix: str = ""
    migrations: list[str] = field(default_factory=list)
    """The folders of migrations."""
    threads: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """What it changed for the whole process; see `packhorse.surroundings`."""
    written: list[str] = field(default_factory=list)
    """Files that appeared in the home and working folder while it was imported and registered."""

    def as_json(self) -> str:
        """Return the facts for `read`."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Facts:
        """Return the facts that `as_json` wrote."""
        found = json.loads(text)
        found["hooks"] = {name: Place(**place) for name, place in found["hooks"].items()}
        found["settings_place"] = Place(**found["settings_place"])
        found["settings"] = [SettingFacts(**one) for one in found["settings"]]
        found["tools"] = [ToolFacts(one["definition"], Place(**one["place"]), one["owner"]) for one in found["tools"]]
        return cls(**found)


def gather(target: Target) -> Facts:
    """Import and register the plugin in a process with an empty home folder, and return what could be seen."""
    with tempfile.TemporaryDirectory(prefix="packhorse-check-") as scratch:
        folder = Path(scratch)
        for name in ("home", "work", "data", "out"):
            (folder / name).mkdir(mode=0o700)
        facts = _probe(target, folder)
        facts.import_seconds, facts.imported = _timed(target, folder)
        facts.written = sorted(
            str(path.relative_to(folder)) for name in ("home", "work") for path in (folder / name).rglob("*")
        )
    return facts


def _probe(target: Target, folder: Path) -> Facts:
    out = folder / "out" / "facts.json"
    command = [sys.executable, "-m", "packhorse.authoring.check.probe", str(target.root or target.name), target.name]
    try:
        done = subprocess.run(  # noqa: S603 - our own module; the plugin's code is what the user asked to review
            [*command, str(out)],
            cwd=folder / "work",
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Facts(
            fault=f"It was not imported and registered within {SECONDS:g} seconds.", remedy="See where it waits."
        )
    printed = done.stdout.decode("utf-8", "replace")
    if not out.is_file():
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = f"ended with {done.returncode}: {last[-1] if last else 'no message'}"
        return Facts(
            fault=f"The process that imported it {why}.", remedy="A plugin must not end its host.", printed=printed
        )
    facts = Facts.read(out.read_text("utf-8"))
    facts.printed = printed
    return facts


_TIMING = """
import sys, time
import packhorse.hookspecs
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)

def now():
    # Without the time for which other processes had the processor, which Linux tells.
    try:
        with open("/proc/self/schedstat") as file:
            waited = int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        waited = 0.0
    return time.perf_counter() - waited

start = now()
__import__(sys.argv[2])
seconds = now() - start
print("\\n", seconds, *sorted({name.partition(".")[0] for name in set(sys.modules) - before}), file=sys.stderr)
"""


def _timed(target: Target, folder: Path) -> tuple[float, list[str]]:
    runs: list[tuple[float, list[str]]] = []
    for _ in range(TIMED_RUNS):
        try:
            done = subprocess.run(  # noqa: S603 - as above
                [sys.executable, "-c", _TIMING, str(target.base), target.module],
                cwd=folder / "work",
                env=_environment(folder),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=True,
            )
            seconds, *names = done.stderr.decode("utf-8", "replace").splitlines()[-1].split()
            runs.append((float(seconds), names))
            if runs[-1][0] < QUICK:
                break
        except (subprocess.SubprocessError, IndexError, ValueError):
            return 0.0, []  # it cannot be imported, which the probe says
    return min(runs)


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's is read or written."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PACKHORSE_", "FASTMCP_", "XDG_", "COVERAGE_PROCESS"))
    }
    kept.pop("DATABASE_URL", None)
    return kept | {
        "HOME": str(folder / "home"),
        "PYTHONUSERBASE": site.getuserbase(),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PACKHORSE_DATA_DIR": str(folder / "data"),
        "PACKHORSE_ENV_FILE": os.devnull,
    }
