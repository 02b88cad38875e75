"""The examples in docs/testing-plugins.md are tests, and they pass as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PAGE = Path(__file__).parents[2] / "docs/testing-plugins.md"


def test_the_examples_of_the_page_pass(tmp_path: Path) -> None:
    """Each python block goes to a file of its own, in a project configured as the page says."""
    text = PAGE.read_text("utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for number, example in enumerate(examples):
        (tmp_path / f"test_example_{number}.py").write_text(example, "utf-8")
    (configuration,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(configuration, "utf-8")
    ours = ("PYTEST_", "COVERAGE")  # the outer run's workers and options are not this one's
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{sum(example.count('def test_') for example in examples)} passed" in done.stdout
