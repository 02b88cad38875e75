"""A repository's random history, indexed piece by piece and with workers killed on the way, equals a full rebuild."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from fix_index import contents
from packhorse_indexing.store import catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_index import Repository, RunningIndex

STEPS = 24
SOME = [pytest.param(seed, marks=pytest.mark.integration) for seed in (1, 2)]
MANY = [pytest.param(seed, marks=[pytest.mark.integration, pytest.mark.slow]) for seed in range(3, 13)]


class History:
    """A git repository to which random things happen."""

    def __init__(self, repository: Repository, seed: int) -> None:
        self.repository = repository.init()
        self.random = random.Random(seed)
        self.count = 0
        self.branches = ["main"]
        for _ in range(8):
            self.create()
        self.commit()

    @property
    def files(self) -> list[str]:
        root = self.repository.root
        return sorted(
            str(file.relative_to(root)) for file in root.rglob("*") if file.is_file() and ".git" not in file.parts
        )

    def text(self) -> str:
        names = [self.random.choice(("parse", "load", "send", "merge")) for _ in range(self.random.randint(1, 4))]
        number = self.random.randint(0, 5)  # few values, so that contents and chunks come again
        return "\n\n".join(f"def {name}_{number}(value):\n    return value + {number}\n" for name in names)

    def create(self) -> None:
        self.count += 1
        folder = self.random.choice(("", "src/", "src/deep/", "docs/"))
        self.repository.write(f"{folder}file_{self.count}{self.random.choice(('.py', '.md', '.txt'))}", self.text())

    def edit(self) -> None:
        # Sometimes just now, so that only the content can tell.
        self.repository.write(self.random.choice(self.files), self.text(), age=self.random.choice((0.0, 3600.0)))

    def delete(self) -> None:
        if len(self.files) > 3:
            (self.repository.root / self.random.choice(self.files)).unlink()

    def rename(self) -> None:
        self.count += 1
        old = self.repository.root / self.random.choice(self.files)
        old.rename(old.with_name(f"renamed_{self.count}{old.suffix}"))

    def touch(self) -> None:
        os.utime(self.repository.root / self.random.choice(self.files))

    def ignore(self) -> None:
        self.repository.write(".mcpignore", self.random.choice(("docs/\n", "*.txt\n", "# nothing\n")))

    def blob(self) -> None:
        self.repository.write("data.bin", self.random.choice((b"\x00\x01" * 50, b"text after all\n")))

    def revert(self) -> None:
        """Take back what is not committed, or the last commit too."""
        commits = self.repository.git("rev-list", "--max-count=2", "HEAD").splitlines()
        self.repository.git("reset", "-q", "--hard", self.random.choice(commits))
        self.repository.git("clean", "-q", "-f", "-d")

    def commit(self) -> None:
        self.repository.commit(f"change {self.count}")

    def switch(self) -> None:
        self.commit()
        if self.random.random() < 0.4:
            self.branches.append(f"branch-{len(self.branches)}")
            self.repository.git("checkout", "-q", "-b", self.branches[-1])
        else:
            self.repository.git("checkout", "-q", self.random.choice(self.branches))

    def happen(self) -> None:
        """Let one thing happen."""
        things = (self.create, self.edit, self.edit, self.delete, self.rename, self.touch, self.ignore, self.blob)
        self.random.choice((*things, self.commit, self.commit, self.switch, self.switch, self.revert))()


async def kill_the_worker(indexing: RunningIndex, history: History) -> None:
    """Kill the worker at work, if there is one by now, or end its connection as a PostgreSQL that dies does."""
    if history.random.random() < 0.3:
        await indexing.query(
            """
            SELECT pg_terminate_backend(pid) FROM pg_locks
            WHERE locktype = 'advisory' AND classid = %s::bigint::oid
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """,
            catalog.POOL_LOCK,
        )
        return
    rows = await indexing.query("SELECT worker FROM indexing.job WHERE status = 'running' AND worker IS NOT NULL")
    for (pid,) in rows:
        with suppress(ProcessLookupError):  # it may be done
            os.kill(pid, signal.SIGKILL)


async def crash(indexing: RunningIndex, history: History) -> None:
    """Index, and kill the worker at some moment of it."""
    running = asyncio.create_task(indexing.index.index(str(history.repository)))
    await asyncio.sleep(history.random.random() * 0.4)
    await kill_the_worker(indexing, history)
    await running


async def counts(indexing: RunningIndex) -> list[tuple[int, ...]]:
    """Return what the repository counts, after it was compared with what it lists."""
    counted = await indexing.query("SELECT files, skipped, chunks, pending FROM indexing.repository")
    assert counted == await indexing.query(
        """
        SELECT (SELECT count(blob_id) FROM indexing.file), (SELECT count(skipped) FROM indexing.file),
               sum(chunks), sum(chunks - embedded)
        FROM indexing.blob WHERE id IN (SELECT blob_id FROM indexing.file)
        """
    )
    return counted


@pytest.mark.parametrize("seed", [*SOME, *MANY])
async def test_what_is_indexed_piece_by_piece_equals_a_full_rebuild(
    seed: int, indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    history = History(make_repository(), seed)
    path = str(history.repository)
    result = await indexing.index.index(path)
    for _ in range(STEPS):
        for _ in range(history.random.randint(1, 3)):
            history.happen()
        how = history.random.random()
        if how < 0.25:
            await crash(indexing, history)
        elif how < 0.5:
            await indexing.index.refresh(await indexing.index.find(path), 30.0)
        elif how < 0.8:
            await indexing.index.index(path)
    result = await indexing.index.index(path)
    assert result.errors == []
    incremental = await contents(indexing, result.repository_id)
    counted = await counts(indexing)
    assert {file for file, row in incremental.items() if row[2] is None} <= set(history.files)
    assert (await indexing.index.index(path, force=True)).status == "success"
    assert incremental == await contents(indexing, result.repository_id)
    assert counted == await counts(indexing)
    found = await indexing.index.find(path)
    assert found.branch == history.repository.git("rev-parse", "--abbrev-ref", "HEAD")
    assert found.revision == history.repository.git("rev-parse", "HEAD")
