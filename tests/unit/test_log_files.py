"""Specification of the log files: private, rotated, one per process, cleaned up, and never in the way."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from packhorse import logfile
from packhorse.logfile import LogFile, log_files, remove_old_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

DEAD = 4_000_000  # beyond the largest process number that Linux gives out by default


def test_the_file_carries_the_processs_number_and_is_private(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "logs" / "packhorse.log")
    file.write("hello\n")
    file.close()
    assert file.path == tmp_path / "logs" / f"packhorse.{os.getpid()}.log"
    assert file.path.read_text() == "hello\n"
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_is_created_before_the_first_line(tmp_path: Path) -> None:
    LogFile(tmp_path / "logs" / "a.log")
    assert not (tmp_path / "logs").exists()


def test_a_name_without_a_suffix_gets_one(tmp_path: Path) -> None:
    assert LogFile(tmp_path / "log").path.name == f"log.{os.getpid()}.log"


def test_a_full_file_is_rotated_and_the_oldest_dropped(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "p.log", largest=10, files=3)
    for number in range(5):
        file.write(f"line {number}\n")
    file.close()
    assert file.path.read_text() == "line 4\n"
    assert file.path.with_name(file.path.name + ".1").read_text() == "line 3\n"
    assert file.path.with_name(file.path.name + ".2").read_text() == "line 2\n"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_restarted_process_of_the_same_number_appends(tmp_path: Path) -> None:
    for text in ("one\n", "two\n"):
        file = LogFile(tmp_path / "p.log")
        file.write(text)
        file.close()
    assert file.path.read_text() == "one\ntwo\n"


def test_a_link_in_the_files_place_is_not_followed(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "p.log")
    target = tmp_path / "target"
    target.write_text("precious")
    file.path.symlink_to(target)
    file.write("x\n")
    assert target.read_text() == "precious"
    assert file.problem is not None


def test_a_pipe_in_the_files_place_is_refused_without_waiting_for_a_reader(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "p.log")
    os.mkfifo(file.path)
    file.check()
    assert file.problem is not None


def test_a_full_disk_loses_lines_says_so_later_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`/dev/full` is not a regular file, so the check for one is what the disk's fullness is let through by."""
    file = LogFile(tmp_path / "p.log")
    monkeypatch.setattr(logfile.stat, "S_ISREG", lambda _: True)
    real, file.path = file.path, type(file.path)("/dev/full")
    file.write("lost\n")
    assert isinstance(file.problem, OSError)
    file.write("lost too\n")
    assert file.lost == 2
    file.path = real
    monkeypatch.setattr(logfile, "RETRY_SECONDS", 0.0)
    file._next_attempt = 0.0
    file.write("again\n")
    file.close()
    assert file.problem is None
    text = real.read_text()
    assert "2 entries before this one could not be written: [Errno 28]" in text
    assert text.endswith("again\n")


def test_an_unwritable_folder_is_a_problem_not_an_exception(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    file = LogFile(tmp_path / "file" / "p.log")
    file.check()
    assert isinstance(file.problem, OSError)


def test_files_of_dead_processes_are_removed_after_two_weeks(tmp_path: Path) -> None:
    path = tmp_path / "packhorse.log"
    old, older_rotated, young, living, foreign = (
        tmp_path / f"packhorse.{DEAD}.log",
        tmp_path / f"packhorse.{DEAD}.log.1",
        tmp_path / f"packhorse.{DEAD + 1}.log",
        tmp_path / f"packhorse.{os.getpid()}.log",
        tmp_path / "other.4000000.log",
    )
    for file in (old, older_rotated, young, living, foreign):
        file.write_text("x")
    for file in (old, older_rotated, living, foreign):
        os.utime(file, (time.time() - 15 * 86_400,) * 2)
    remove_old_files(path)
    assert sorted(tmp_path.iterdir()) == sorted([young, living, foreign])
    assert {number for _, number in log_files(path)} == {DEAD + 1, os.getpid()}


def test_of_many_young_files_of_dead_processes_the_newest_hundred_stay(tmp_path: Path) -> None:
    for number in range(110):
        file = tmp_path / f"packhorse.{DEAD + number}.log"
        file.touch()
        os.utime(file, (time.time() - number,) * 2)
    remove_old_files(tmp_path / "packhorse.log")
    assert {number for _, number in log_files(tmp_path / "packhorse.log")} == {DEAD + number for number in range(100)}


def test_a_folder_that_does_not_exist_has_no_old_files(tmp_path: Path) -> None:
    remove_old_files(tmp_path / "nowhere" / "packhorse.log")
