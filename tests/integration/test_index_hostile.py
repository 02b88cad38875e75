"""A folder that means harm: indexing it does not fail, executes nothing, reads nothing beyond, explains every skip."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from fix_hostile import OUTSIDE, Hostile, make_hostile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fix_index import Repository, RunningIndex

pytestmark = [pytest.mark.integration, pytest.mark.slow]

# What can stand in one configuration together; each alone is tried on the scanner.
CONFIGURATION = """
[core]
    fsmonitor = {program}
    hooksPath = {folder}
    sshCommand = {program}
    pager = {program}
    editor = {program}
    askPass = {program}
    gitProxy = {program}
    alternateRefsCommand = {program}
    attributesFile = {folder}/attributes
[filter "evil"]
    clean = {program}
    smudge = {program}
    process = {program}
    required = true
[diff]
    external = {program}
[diff "evil"]
    textconv = {program}
[credential]
    helper = !{program}
[include]
    path = {folder}/included
[alias]
    ls-files = !{program}
[gpg]
    program = {program}
[extensions]
    partialClone = origin
[remote "origin"]
    promisor = true
    url = ext::{program}
    uploadpack = {program}
[protocol]
    allow = always
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that leaves a file behind when it is run."""
    made = tmp_path / "canary.sh"
    made.write_text(f"#!/bin/sh\necho run >> '{tmp_path / 'EXECUTED'}'\n")
    made.chmod(0o755)
    return made


@pytest.fixture
def hostile(make_repository: Callable[..., Repository], tmp_path: Path) -> Hostile:
    return make_hostile(make_repository("hostile").root, tmp_path / "outside.py")


def arm(folder: Path, program: Path) -> None:
    """Make a folder a repository whose configuration runs a program wherever it can."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    git = folder / ".git"
    with (git / "config").open("a") as config:
        config.write(CONFIGURATION.format(program=program, folder=program.parent))
    (program.parent / "included").write_text(f"[core]\n    fsmonitor = {program}\n")
    (program.parent / "attributes").write_text("* filter=evil diff=evil\n")
    (git / "info" / "attributes").write_text("* filter=evil diff=evil\n")
    (git / "objects" / "info" / "alternates").write_text(f"{program.parent}\n")
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout", "pre-auto-gc"):
        shutil.copy(program, git / "hooks" / hook)
    inner = folder / "armed"
    subprocess.run(["git", "init", "-q", "--bare", str(inner)], check=True)
    shutil.copy(git / "config", inner / "config")


class Swapper(threading.Thread):
    """Makes files vanish, come back, and be links to a file outside, again and again."""

    def __init__(self, root: Path, outside: Path) -> None:
        super().__init__()
        self.files = [root / f"swapped_{number}.py" for number in range(5)]
        self.outside = outside
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            for file in self.files:
                file.write_text("inside = 1\n")
                file.unlink()
                file.symlink_to(self.outside)
                time.sleep(0.001)
                file.unlink()


async def everything(indexing: RunningIndex) -> str:
    rows = await indexing.query("SELECT content FROM indexing.chunk UNION ALL SELECT lexeme FROM indexing.posting")
    return "\n".join(text for (text,) in rows)


async def outcome(indexing: RunningIndex, root: Path) -> tuple[Any, dict[str, str | None]]:
    result = await indexing.index.index(str(root))
    listed = await indexing.query("SELECT path, skipped FROM indexing.file")
    return result, dict(listed)


@pytest.mark.parametrize("armed", [False, True], ids=["without git", "with a hostile git"])
async def test_a_hostile_folder_does_no_harm_and_every_skip_is_explained(
    indexing: RunningIndex, hostile: Hostile, program: Path, tmp_path: Path, *, armed: bool
) -> None:
    assert len(hostile.indexed) + len(hostile.skipped) + len(hostile.special) > 100
    if armed:
        arm(hostile.root, program)
    swapper = Swapper(hostile.root, tmp_path / "outside.py")
    swapper.start()
    try:
        result, listed = await outcome(indexing, hostile.root)
    finally:
        swapper.ended.set()
        swapper.join()
    assert result.status in {"success", "partial"}, result.errors
    assert all("vanished" in error for error in result.errors), result.errors
    assert {path for path in hostile.indexed if listed.get(path, "missing") is not None} == set()
    assert {path: listed.get(path) for path in hostile.skipped} == hostile.skipped
    assert {listed.get(path) for path in hostile.special} <= {"special file", *([None] if armed else [])}
    assert OUTSIDE not in await everything(indexing)
    assert not list(tmp_path.rglob("EXECUTED"))
    assert await indexing.query("SELECT attempts, poisonous FROM indexing.job") == [(0, [])]
