"""Specification of what commands print: JSON for programs, safe text for people, nothing mixed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import BaseModel

from packhorse import terminal
from packhorse.errors import PackhorseError

pytestmark = pytest.mark.unit


class Colour(Enum):
    RED = "red"


class Model(BaseModel):
    at: datetime


@dataclass
class Point:
    x: int
    where: Path


@pytest.fixture(autouse=True)
def fresh_consoles() -> None:
    terminal._console.cache_clear()


def test_json_has_a_form_for_times_ids_paths_models_and_sets(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    terminal.print_json(
        {
            "at": at,
            "day": date(2026, 1, 2),
            "id": UUID(int=1),
            "path": Path("/a/ü"),
            "enum": Colour.RED,
            "set": {2, 1},
            "model": Model(at=at),
            "point": Point(1, Path("/p")),
        }
    )
    raw = capsysbinary.readouterr().out
    assert "ü".encode() in raw
    assert json.loads(raw) == {
        "at": "2026-01-02T03:04:05+00:00",
        "day": "2026-01-02",
        "id": "00000000-0000-0000-0000-000000000001",
        "path": "/a/ü",
        "enum": "red",
        "set": [1, 2],
        "model": {"at": "2026-01-02T03:04:05Z"},
        "point": {"x": 1, "where": "/p"},
    }


def test_a_lone_surrogate_is_written_as_an_escape(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    terminal.print_json({"name": "bad\udcff"})
    assert json.loads(capsysbinary.readouterr().out) == {"name": "bad\udcff"}


def test_what_has_no_json_form_is_an_error() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        terminal.print_json({"x": object()})
    with pytest.raises(ValueError, match="JSON compliant"):
        terminal.print_json(float("nan"))


def test_untrusted_text_is_neither_markup_nor_control(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.output().print(terminal.safe("[bold]x[/bold] \x1b[31m\nnext"))
    assert capsys.readouterr().out == "[bold]x[/bold] \\x1b[31m\\nnext\n"


def test_a_table_in_a_pipe_is_neither_cut_nor_padded(capsys: pytest.CaptureFixture[str]) -> None:
    found = terminal.table("Name", "Text")
    found.add_row("a", "x" * 500)
    found.add_row("b", "short")
    terminal.print_table(found)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "a     " + "x" * 500
    assert lines[2] == "b     short"


def test_a_table_on_a_terminal_fits_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    found = terminal.table("Name", "Text")
    found.add_row("a", "x" * 100)
    terminal.print_table(found)
    assert "\x1b[1m" in (out := capsys.readouterr().out)
    assert "x" * 50 not in out


def test_errors_and_warnings_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_error(PackhorseError("It broke.", remedy="Mend it."))
    terminal.print_error("Just a sentence.")
    terminal.print_warning("Odd.")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "Error: It broke.\nMend it.\nError: Just a sentence.\nWarning: Odd.\n"


def test_errors_are_red_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    terminal.print_error("It broke.")
    assert "\x1b[31mError: It broke." in capsys.readouterr().err


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress("working", total=2) as shown:
        shown.update(1)
        shown.update(2, total=2, description="nearly")
    assert capsys.readouterr() == ("", "")


def test_progress_is_on_standard_error_of_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with terminal.progress("working", total=2) as shown:
        shown.update(1, description="file\x1b[2J [red]")
        shown.update(2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "file\\x1b[2J [red]" in captured.err


def test_a_reader_who_has_seen_enough_ends_the_command_and_not_the_console():
    with pytest.raises(BrokenPipeError):
        terminal.output().on_broken_pipe()
