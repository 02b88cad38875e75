"""A few kills of each kind by the script that does fifty: nothing is lost, half done or done again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "faults.py"


def test_kills_at_random_moments_cost_nothing() -> None:
    command = [
        sys.executable,
        str(SCRIPT),
        "--kills",
        "2",
        "--files",
        "120",
        "--only",
        "indexer",
        "server",
        "postgresql",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 7, done.stdout
