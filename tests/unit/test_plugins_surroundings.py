"""What belongs to the whole process is put back after a plugin's code, and code that takes too long is interrupted."""

from __future__ import annotations

import gc
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from packhorse.overtime import Allowance, OvertimeError, interrupted_after
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
                json.dumps(list(range(100)))

    with (
        pytest.raises(OvertimeError, match=r"longer than 0\.4 seconds") as caught,
        interrupted_after(Allowance(0.4, 0.1)),
    ):
        stubborn()
    assert not caught.value.stalled


def take_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def read_silent_socket() -> None:
    ours, others = socket.socketpair()
    with ours, others:
        ours.recv(1)


def wait_for_child() -> None:
    subprocess.run(["sleep", "60"], check=True)


def poll() -> None:
    while True:
        time.sleep(0.1)


def sleep_twice() -> None:
    try:
        time.sleep(60)
    except BaseException:  # noqa: BLE001 - as a bad plugin does
        time.sleep(60)


@pytest.mark.parametrize("wait", [take_lock, read_silent_socket, wait_for_child, poll, sleep_twice])
def test_what_only_waits_is_interrupted_long_before_what_works(wait: Callable[[], None]) -> None:
    start = time.perf_counter()
    with (
        pytest.raises(OvertimeError, match=r"nothing but wait for 0\.3 seconds") as caught,
        interrupted_after(Allowance(60, 0.3)),
    ):
        wait()
    assert caught.value.stalled
    assert time.perf_counter() - start < 3


def test_what_computes_or_waits_briefly_and_often_is_let_go_on() -> None:
    """An import from a slow network file system does the latter."""
    with interrupted_after(Allowance(60, 0.2)):
        end = time.perf_counter() + 0.7
        while time.perf_counter() < end:
            json.dumps(list(range(100)))
        for _ in range(300):
            time.sleep(0.002)


def test_elsewhere_than_in_the_main_thread_nothing_is_interrupted() -> None:
    """No signal arrives there, and a timer that somebody else set is not ours to reset."""
    done = threading.Event()

    def work() -> None:
        with interrupted_after(Allowance(0.01, 0.01)):
            time.sleep(0.05)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done.is_set()
    brief, briefer = Allowance(0.2, 0.2), Allowance(0.01, 0.01)
    with pytest.raises(OvertimeError, match=r"0\.2"), interrupted_after(brief), interrupted_after(briefer):
        time.sleep(5)
