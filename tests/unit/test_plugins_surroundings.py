"""What belongs to the whole process is put back after a plugin's code, and code that takes too long is interrupted."""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from packhorse.overtime import OvertimeError, interrupted_after
from packhorse.surroundings import kept

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.unit


def lower_the_limit_of_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))


CHANGES: list[tuple[str, Callable[[], object]]] = [
    ("json.loads", lambda: setattr(json, "loads", None)),
    ("json.loads", lambda: delattr(json, "loads")),
    ("sys.excepthook", lambda: setattr(sys, "excepthook", None)),
    ("sys.meta_path", lambda: sys.meta_path.insert(0, object())),  # type: ignore[arg-type]  # its fault
    ("the umask", lambda: os.umask(0o7)),
    ("the garbage collector's switch", gc.disable),
    ("the recursion limit", lambda: sys.setrecursionlimit(sys.getrecursionlimit() - 100)),
    ("the limit of open files", lower_the_limit_of_files),
    ("PACKHORSE_BLOCK", lambda: os.environ.update(PACKHORSE_BLOCK="all")),
    ("DB_POOL_SIZE", lambda: os.environ.pop("DB_POOL_SIZE")),
]


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(CHANGES)])
def test_what_is_changed_for_everybody_is_put_back_and_named(
    monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[], object]
) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "3")
    monkeypatch.delenv("PACKHORSE_BLOCK", raising=False)
    changed: list[str] = []
    with kept(changed):
        change()
    assert changed == [name]
    again: list[str] = []
    with kept(again):
        assert json.loads("1") == 1
        assert os.environ["DB_POOL_SIZE"] == "3"
    assert again == []


def test_what_is_only_added_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library's own variable, a name of its own in a module, a finder behind the others."""
    monkeypatch.setenv("SOMEBODYS_OWN", "")
    changed: list[str] = []
    finder = object()
    with kept(changed):
        os.environ["SOMEBODYS_OWN"] = "1"
        json.somebodys = 1  # type: ignore[attr-defined]
        sys.meta_path.append(finder)  # type: ignore[arg-type]
    sys.meta_path.remove(finder)  # type: ignore[arg-type]
    assert changed == []
    assert os.environ["SOMEBODYS_OWN"] == "1"
    del json.somebodys  # type: ignore[attr-defined]


def test_a_loop_is_interrupted_by_what_no_plugin_catches() -> None:
    def stubborn() -> None:
        while True:
            with suppress(Exception):
                time.sleep(10)

    with pytest.raises(OvertimeError, match=r"longer than 0\.1 seconds"), interrupted_after(0.1):
        stubborn()


def test_elsewhere_than_in_the_main_thread_nothing_is_interrupted() -> None:
    """No signal arrives there, and a timer that somebody else set is not ours to reset."""
    done = threading.Event()

    def work() -> None:
        with interrupted_after(0.01):
            time.sleep(0.05)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done.is_set()
    with pytest.raises(OvertimeError), interrupted_after(0.2), interrupted_after(0.01):
        time.sleep(5)
