"""One run's state: what is known before anything is loaded, and what a defect is told as."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from packhorse.errors import ConfigurationError
from packhorse.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.unit


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    env_file = tmp_path / "test.env"
    env_file.touch()
    monkeypatch.setenv("PACKHORSE_ENV_FILE", str(env_file))
    monkeypatch.setenv("PACKHORSE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PACKHORSE_PLUGINS", "")
    with ExitStack() as stack:
        yield Program(stack)


def test_before_loading_there_is_no_host(program: Program) -> None:
    with pytest.raises(ConfigurationError, match="have not been loaded"):
        program.loaded_host()


def test_the_settings_are_shown_with_a_default_in_the_place_of_a_wrong_one(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "many")
    program.load()
    assert program.host is None
    assert program.problem is not None
    core, settings = program.described_settings()
    assert core.db_pool_size == 20
    assert core.plugins == ()
    assert {one.name: one.source for one in settings}["PACKHORSE_DB_POOL_SIZE"] == "default"
    program.announce_log()
    with pytest.raises(ConfigurationError, match="DB_POOL_SIZE is 'many'"):
        program.loaded_host()


def test_a_defect_before_the_log_is_open_is_told_itself(program: Program) -> None:
    try:
        {}["surprise"]
    except KeyError:
        told = program.defect("ab12")
    assert "before the log was open: KeyError: 'surprise'" in told.message


def test_a_log_that_cannot_be_written_is_told_once_before_the_silence(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOG_FILE", str(tmp_path / "file" / "x.log"))
    program.announce_log()
    assert "cannot be written" in capsys.readouterr().err
