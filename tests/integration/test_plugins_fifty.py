"""The figures of discovery with fifty installed packs, and that a blocked pack costs no import."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fix_packs import write_metadata

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

PACKS = 50
MOST_MILLISECONDS = 30.0
PLUGIN = """
from packhorse import hookimpl

@hookimpl
def register_instructions():
    return "Use it."
"""
MEASURE = """
import json, sys, time
from pathlib import Path
from packhorse.discovery import discover, screen
from packhorse.plugins import PluginHost
from packhorse.settings import CoreSettings

data, site, block = Path(sys.argv[1]), sys.argv[2], tuple(filter(None, sys.argv[3].split(",")))

def discovery():
    start = time.process_time()
    screen(discover(), None, block)
    return (time.process_time() - start) * 1000

screen(discover(), None, ())  # what is imported and compiled once
without = min(discovery() for _ in range(7))
sys.path.insert(0, site)
discovering = min(discovery() for _ in range(7)) - without
host = PluginHost(CoreSettings(data_dir=data, block=block), variables={})
host.load()
ours = [record for record in host.records if record.name.startswith("pack")]
print(json.dumps({
    "discovering": discovering,
    "loaded": sum(record.loaded for record in ours),
    "blocked": sum(record.status == "blocked" for record in ours),
    "imported": sum(name.startswith("packhorse_pack") for name in sys.modules),
}))
"""


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """A folder with fifty installed packs."""
    site = tmp_path / "fifty"
    site.mkdir()
    for number in range(PACKS):
        (site / f"packhorse_pack{number}.py").write_text(PLUGIN, "utf-8")
        write_metadata(
            site / f"packhorse_pack{number}-1.0.dist-info",
            name=f"packhorse-pack{number}",
            requires=("packhorse-core>=0.1", "pydantic>=2"),
            requires_python=">=3.11",
            entry_points={f"pack{number}": f"packhorse_pack{number}"},
        )
    return site


def measured(packs: Path, tmp_path: Path, *block: str) -> dict[str, Any]:
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "data"), str(packs), ",".join(block)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_fifty_packs_are_discovered_in_thirty_milliseconds(packs: Path, tmp_path: Path) -> None:
    """Processor time beyond an environment without them, the best of seven; what they import is their own."""
    found = measured(packs, tmp_path)
    print(f"discovery of {PACKS} packs: {found['discovering']:.1f} ms")
    assert found["loaded"] == PACKS
    assert found["discovering"] <= MOST_MILLISECONDS


def test_a_blocked_pack_is_not_imported(packs: Path, tmp_path: Path) -> None:
    """All but one are blocked, and one module is imported."""
    found = measured(packs, tmp_path, *(f"packhorse-pack{number}" for number in range(1, PACKS)))
    assert (found["loaded"], found["blocked"], found["imported"]) == (1, PACKS - 1, 1)
