"""The watcher: what changes in a folder is indexed before anybody searches, as far as it can be watched."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from packhorse_indexing.watch import Watcher, matters

if TYPE_CHECKING:
    from collections.abc import Callable

    from fix_index import Repository, RunningIndex

pytestmark = pytest.mark.integration


async def eventually(indexing: RunningIndex, path: str, *, there: bool = True) -> None:
    """Wait until a path is on the list, or off it."""
    for _ in range(600):
        rows = await indexing.query("SELECT 1 FROM indexing.file WHERE path = %s", path)
        if bool(rows) is there:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{path} is {'not ' if there else ''}listed")


async def watched(indexing: RunningIndex, count: int = 1) -> None:
    for _ in range(300):
        if len(indexing.index.refresher.watched) == count:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{indexing.index.refresher.watched} are watched")


async def test_changes_are_indexed_as_they_happen(run_index: Any, make_repository: Callable[..., Repository]) -> None:
    project = make_repository().init()
    project.write("a.py", "def first():\n    return 1\n")
    project.commit()
    async with run_index(watch="1") as indexing:
        await indexing.index.index(str(project))
        await watched(indexing)
        project.write("deep/down/b.py", "def second():\n    return 2\n")
        await eventually(indexing, "deep/down/b.py")
        (project.root / "a.py").unlink()
        await eventually(indexing, "a.py", there=False)
        # The folder goes, and comes back.
        shutil.rmtree(project.root)
        await watched(indexing, 0)
    assert indexing.index.refresher.watched == set()


async def test_a_folder_that_cannot_be_watched_is_left_to_the_searches(
    indexing: RunningIndex, make_repository: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the limit of inotify is reached."""
    import watchfiles
    from loguru import logger

    async def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(28, "OS file watch limit reached")
        yield

    project = make_repository()
    project.write("a.py", "def first():\n    return 1\n")
    await indexing.index.index(str(project))
    monkeypatch.setattr(watchfiles, "awatch", refuse)
    watcher = Watcher(indexing.index, logger)
    running = asyncio.create_task(watcher.run())
    said: list[str] = []
    sink = logger.add(said.append, format="{message}", level="WARNING")
    try:
        for _ in range(100):
            if said:
                break
            await asyncio.sleep(0.1)
    finally:
        logger.remove(sink)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert "fs.inotify.max_user_watches" in said[0]
    assert indexing.index.refresher.watched == set()


def test_what_is_ignored_does_not_matter(make_repository: Callable[..., Repository]) -> None:
    project = make_repository()
    project.write(".gitignore", "build/\n*.log\n")
    project.write("src/.cursorignore", "private.py\n")
    root = str(project)
    for path in ("build/a.o", "src/x.log", "src/private.py", ".git/index.lock", ".git/objects/ab/cd", ".git/config"):
        assert not matters(root, [f"{root}/{path}"]), path
    for path in ("src/a.py", ".gitignore", ".git/HEAD", ".git/index", ".git/refs/heads/main", "vendor/.git/HEAD"):
        assert matters(root, [f"{root}/{path}"]), path
    assert matters(root + "/nowhere", [f"{root}/nowhere/a.py"])
