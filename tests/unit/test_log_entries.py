"""Specification of what the log says: one unforgeable line per entry, no secrets, every logger, nothing elsewhere."""

from __future__ import annotations

import json
import logging
import sys
import threading
import warnings
from typing import TYPE_CHECKING

import pytest
from loguru import logger

from packhorse.log import LONGEST_TEXT, log_path, logging_to_file, silence_frameworks
from packhorse.settings import CoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.unit


def raised(error: Exception) -> Exception:
    """Return the error with a traceback."""
    local_variable = "a-password-in-a-variable"
    with pytest.raises(type(error)) as caught:
        raise error
    assert local_variable
    return caught.value


@pytest.fixture
def logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a function while logging to a file, check that nothing else was written, and return the file's text."""

    def run(act: Callable[[], object], **settings: object) -> str:
        with logging_to_file(CoreSettings(data_dir=tmp_path, **settings)) as file:
            act()
        assert capfd.readouterr() == ("", "")
        return file.path.read_text() if file.path.exists() else ""

    return run


def test_an_entry_is_one_line_with_time_level_and_place(logged: Callable[..., str]) -> None:
    text = logged(lambda: logger.bind(plugin="tasks").info("hello {}", "you"))
    assert text.count("\n") == 1
    assert " INFO     " in text
    assert "test_log_entries" in text
    assert text.endswith("| hello you | plugin=tasks\n")


def test_a_value_cannot_forge_an_entry_or_drive_a_terminal(logged: Callable[..., str]) -> None:
    text = logged(lambda: logger.info("file {}", "a\n2026-01-01T00:00:00 INFO x | all is well\x1b[2J\u202e"))
    assert text.count("\n") == 1
    assert "a\\n2026-01-01" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_lines_of_an_exception_are_indented_and_escaped(logged: Callable[..., str]) -> None:
    error = raised(ValueError("bad\n2026-01-01T00:00:00 INFO forged\x1b[0m"))
    lines = logged(lambda: logger.opt(exception=error).error("it failed")).splitlines()
    assert "| it failed" in lines[0]
    assert all(line.startswith("    ") for line in lines[1:])
    assert any("ValueError: bad" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_secrets_are_masked_in_messages_extras_and_exceptions_and_variables_are_not_shown(
    logged: Callable[..., str],
) -> None:
    error = raised(ValueError("cannot open postgresql://u:hunter22@h/d"))
    log = logger.bind(url="postgresql://u:hunter33@h/d").opt(exception=error)
    text = logged(lambda: log.error("with password=hunter44"))
    assert "hunter" not in text
    assert "a-password-in-a-variable" not in text.replace('local_variable = "a-password-in-a-variable"', "")
    assert text.count("***") >= 3


def test_a_huge_message_keeps_its_ends(logged: Callable[..., str]) -> None:
    text = logged(lambda: logger.info("begin" + "x" * 1_000_000 + "end"))
    assert len(text) < LONGEST_TEXT + 500
    assert "begin" in text
    assert "characters left out" in text
    assert text.endswith("end\n")


def test_json_lines_on_request(logged: Callable[..., str]) -> None:
    def act() -> None:
        logger.bind(plugin="p").info("one\ntwo password=hunter22")
        logger.opt(exception=raised(ValueError("x"))).error("failed")

    first, second = (json.loads(line) for line in logged(act, log_json=True).splitlines())
    assert first["message"] == "one\\ntwo password=***"
    assert first["extra"] == {"plugin": "p"}
    assert first["level"] == "INFO"
    assert "exception" not in first
    assert second["exception"][-1] == "ValueError: x"
    assert "extra" not in second


def test_the_level_is_the_settings(logged: Callable[..., str]) -> None:
    def act() -> None:
        logger.info("not this")
        logger.warning("but this")

    assert logged(act, log_level="WARNING").count("\n") == 1


def test_the_standard_librarys_logging_is_caught_under_its_loggers_name(logged: Callable[..., str]) -> None:
    text = logged(lambda: logging.getLogger("some.library").warning("it said %s", "this"))
    assert "WARNING  some.library:" in text
    assert "| it said this" in text


def test_a_library_of_the_framework_is_heard_only_from_warnings_on(logged: Callable[..., str]) -> None:
    def act() -> None:
        logging.getLogger("mcp.server").info("chatter")
        logging.getLogger("mcp.server").warning("trouble")

    assert "chatter" not in logged(act)


def test_debugging_hears_everything(logged: Callable[..., str]) -> None:
    assert "chatter" in logged(lambda: logging.getLogger("mcp.server").info("chatter"), log_level="DEBUG")


def test_a_record_that_cannot_be_formatted_is_logged_all_the_same(logged: Callable[..., str]) -> None:
    text = logged(lambda: logging.getLogger("x").warning("%d", "no number"))
    assert "could not be formatted" in text


def test_a_level_of_a_librarys_own_is_kept_as_a_number(logged: Callable[..., str]) -> None:
    assert "Level 35" in logged(lambda: logging.getLogger("x").log(35, "odd"))


def test_exceptions_of_the_standard_librarys_logging_arrive(logged: Callable[..., str]) -> None:
    error = raised(KeyError("k"))
    text = logged(lambda: logging.getLogger("x").error("oh", exc_info=error))
    assert "KeyError: 'k'" in text


def test_warnings_are_logged(logged: Callable[..., str]) -> None:
    def act() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.warn("old fashioned", DeprecationWarning, stacklevel=1)

    assert "old fashioned" in logged(act)


def test_what_nothing_catches_is_logged_from_any_thread(logged: Callable[..., str]) -> None:
    def fail() -> None:
        raise RuntimeError("in a thread")

    def act() -> None:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        error = raised(LookupError("in the main thread"))
        sys.excepthook(type(error), error, error.__traceback__)
        sys.excepthook(KeyboardInterrupt, None, None)  # type: ignore[arg-type]

        class Bad:
            def __del__(self) -> None:
                raise OSError("in a finaliser")

        Bad()

    text = logged(act)
    assert "RuntimeError: in a thread" in text
    assert "LookupError: in the main thread" in text
    assert "OSError: in a finaliser" in text


def test_terminal_handlers_of_the_frameworks_are_taken_away() -> None:
    library = logging.getLogger("fastmcp.something")
    library.addHandler(logging.StreamHandler())
    library.propagate = False
    silence_frameworks()
    assert library.handlers == []
    assert library.propagate


def test_everything_is_as_before_afterwards(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    with logging_to_file(CoreSettings(data_dir=tmp_path)):
        assert root.handlers != before[0]
    assert (root.handlers, root.level, sys.excepthook, threading.excepthook) == before


def test_an_unwritable_folder_does_not_stop_anything(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with logging_to_file(CoreSettings(log_file=tmp_path / "file" / "x.log")) as file:
        logger.info("lost")
        assert file.problem is not None


def test_the_log_is_in_the_data_folder_unless_a_file_is_named(tmp_path: Path) -> None:
    assert log_path(CoreSettings(data_dir=tmp_path)) == tmp_path / "logs" / "packhorse.log"
    assert log_path(CoreSettings(log_file=tmp_path / "x.txt")) == tmp_path / "x.txt"
