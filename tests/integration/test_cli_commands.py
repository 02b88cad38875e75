"""Specification of the command line: what it prints where, its exit codes, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fix_packs import write_metadata
from fix_process import MODULE

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.integration

COMMANDS = '''
import os, sys, time
print("printed at import")
os.write(1, b"written at import\\n")
from packhorse import hookimpl
from packhorse.errors import NotFoundError

@hookimpl
def register_commands(app, context):
    @app.command
    def hello(name: str = "you", *, json: bool = False):
        """Greet.

        Examples:
          packhorse hello you
        """
        from packhorse import terminal
        terminal.print_json({"hello": name}) if json else print("hello", name)

    @app.command
    def missing():
        """Fail as expected."""
        raise NotFoundError("There is no such thing: 'x\\x1b[2J'.", remedy="Name another.")

    @app.command
    def broken():
        """Fail as not expected."""
        raise RuntimeError("password=hunter22 in a defect")

    @app.command
    def endless():
        """Print for ever."""
        while True:
            print("line")

    @app.command
    def slow():
        """Wait."""
        print("waiting", flush=True)
        time.sleep(60)

    @app.command
    def code() -> int:
        """Return a number."""
        return 3
'''


@pytest.fixture
def greeter(packhorse: Run, site: Path) -> Run:
    """Run a command with one plugin, which prints at import and has commands."""
    (site / "packhorse_greeter.py").write_text(COMMANDS)
    write_metadata(
        site / "packhorse_greeter-1.0.dist-info",
        name="packhorse-greeter",
        entry_points={"greeter": "packhorse_greeter"},
    )

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return packhorse(*arguments, PACKHORSE_PLUGINS="packhorse-greeter", PYTHONPATH=str(site), **environment)

    return run


def test_the_version_is_one_line(packhorse: Run) -> None:
    done = packhorse("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0.1.0\n", "")


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_lists_the_commands_and_teaches_by_examples(packhorse: Run, arguments: list[str]) -> None:
    done = packhorse(*arguments)
    assert done.returncode == 0
    for word in ("serve", "plugins", "doctor", "config", "completion", "Examples:", "packhorse doctor"):
        assert word in done.stdout


@pytest.mark.parametrize("command", ["serve", "plugins", "doctor", "config", "completion"])
def test_every_command_has_a_page_with_its_own_examples(packhorse: Run, command: str) -> None:
    done = packhorse(command, "--help")
    assert done.returncode == 0
    assert f"Examples:\n  packhorse {command}" in done.stdout or "PACKHORSE_" in done.stdout
    assert "what is installed, and why" not in done.stdout


def test_help_needs_neither_fastmcp_nor_the_database(clean_environment: dict[str, str]) -> None:
    """With the plugins of this repository installed, too: what is heavy they import when it is used."""
    script = "import sys; sys.argv[1:] = ['--help']; from packhorse.cli import main; main(); print('!', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=clean_environment, capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.rpartition("!")[2].split())
    assert not modules & {"fastmcp", "mcp", "psycopg", "numpy", "uvicorn", "tree_sitter"}


def test_a_plugins_command_is_there_and_its_output_is_its_own(greeter: Run) -> None:
    done = greeter("hello", "Ann")
    assert done.stdout == "hello Ann\n"
    assert "printed at import" in done.stderr
    assert "written at import" in done.stderr
    assert json.loads(greeter("hello", "--json").stdout) == {"hello": "you"}


def test_a_plugins_command_shows_the_examples_of_its_docstring(greeter: Run) -> None:
    assert "Examples:\n  packhorse hello you" in greeter("hello", "--help").stdout


def test_what_a_command_returns_is_the_exit_code(greeter: Run) -> None:
    assert greeter("code").returncode == 3


def test_an_expected_failure_is_a_sentence_and_what_to_do(greeter: Run) -> None:
    done = greeter("missing")
    assert done.returncode == 1
    assert done.stderr.endswith("Error: There is no such thing: 'x\\x1b[2J'.\nName another.\n")
    assert done.stdout == ""


def test_a_defect_is_an_id_and_its_traceback_is_in_the_log(greeter: Run, clean_environment: dict[str, str]) -> None:
    done = greeter("broken")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "hunter22" not in done.stderr
    identity = done.stderr.split("(id ")[1].split(")")[0]
    path = Path(done.stderr.split("Its traceback is in ")[1].strip().rstrip("."))
    log = path.read_text()
    assert str(path).startswith(clean_environment["PACKHORSE_DATA_DIR"])
    assert identity in log
    assert "RuntimeError: password=***" in log


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nonsense"], 'Unknown command "nonsense"'),
        (["serve", "--htp", "1"], "Did you mean --http?"),
        (["config", "--nonsense"], "Unknown option: --nonsense"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_a_pointer_to_the_help(
    packhorse: Run, arguments: list[str], expected: str
) -> None:
    done = packhorse(*arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "--help`" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_command_mentions_the_plugins_that_did_not_load(packhorse: Run, site: Path) -> None:
    (site / "packhorse_bad.py").write_text("raise RuntimeError('no')")
    write_metadata(site / "packhorse_bad-1.0.dist-info", name="packhorse-bad", entry_points={"bad": "packhorse_bad"})
    done = packhorse("deeds", PACKHORSE_PLUGINS="packhorse-bad", PYTHONPATH=str(site))
    assert done.returncode == 2
    assert "did not load" in done.stderr
    assert "RuntimeError: no" in done.stderr


def test_a_broken_pipe_ends_quietly(greeter: Run, clean_environment: dict[str, str], site: Path) -> None:
    greeter("code")
    environment = {**clean_environment, "PACKHORSE_PLUGINS": "packhorse-greeter", "PYTHONPATH": str(site)}
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(MODULE)} endless 2>errors | head -1; echo ${{PIPESTATUS[0]}}; cat errors"],
        env=environment, capture_output=True, text=True, check=True, cwd=site,
    )  # fmt: skip
    assert done.stdout.startswith("line\n141\n")
    assert "Error" not in done.stdout
    assert "Traceback" not in done.stdout


def test_an_interrupt_is_exit_code_130_without_words(
    greeter: Run, clean_environment: dict[str, str], site: Path
) -> None:
    greeter("code")
    environment = {**clean_environment, "PACKHORSE_PLUGINS": "packhorse-greeter", "PYTHONPATH": str(site)}
    with subprocess.Popen(
        [*MODULE, "slow"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_config_shows_every_setting_with_its_source(packhorse: Run) -> None:
    done = packhorse("config", PACKHORSE_DB_DEADLINE="3", PACKHORSE_HTTP_TOKEN="s" * 20)
    assert done.returncode == 0
    assert "PACKHORSE_DB_DEADLINE (environment)" in done.stdout
    assert "s" * 20 not in done.stdout
    assert "Settings file: none" in done.stdout


def test_config_as_json(packhorse: Run, clean_environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "my.env"
    file.write_text("DB_POOL_SIZE=3\n")
    found = json.loads(packhorse("config", "--json", PACKHORSE_ENV_FILE=str(file)).stdout)
    rows = {row["name"]: row for row in found["settings"]}
    assert rows["PACKHORSE_DB_POOL_SIZE"]["value"] == "3"
    assert rows["PACKHORSE_DB_POOL_SIZE"]["source"] == f"DB_POOL_SIZE ({file})"
    assert found["env_file"] == str(file)
    assert found["log_file"] == clean_environment["PACKHORSE_DATA_DIR"] + "/logs/packhorse.log"


def test_config_lists_the_settings_although_one_is_wrong(packhorse: Run) -> None:
    """The remedy of the other commands is this one."""
    done = packhorse("config", "--json", DB_POOL_SIZE="many", DB_MAX_OVERFLOW="7")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: DB_POOL_SIZE is 'many'")
    assert "packhorse config" not in done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["settings"]}
    assert (rows["PACKHORSE_DB_POOL_SIZE"]["value"], rows["PACKHORSE_DB_POOL_SIZE"]["source"]) == ("20", "default")
    assert rows["PACKHORSE_DB_MAX_OVERFLOW"]["value"] == "7"


def test_the_env_file_of_the_folder_in_which_a_server_starts_does_not_lead_it_elsewhere(
    packhorse: Run, tmp_path: Path
) -> None:
    """It belongs to the repository, which nobody has vouched for; the prefixed name would win over the environment."""
    (tmp_path / ".env").write_text("PACKHORSE_DATABASE_URL=postgresql://evil/db\nDATABASE_URL=postgresql://evil/db\n")
    done = packhorse("serve")
    assert done.returncode == 1
    assert "nobody@127.0.0.1:1/nothing" in done.stderr
    assert "evil" not in done.stderr


def test_fastmcp_does_not_read_that_file_either(clean_environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FASTMCP_PORT=666\nFASTMCP_MASK_ERROR_DETAILS=maybe\n")
    script = (
        "from packhorse.framework import settle_fastmcp; settle_fastmcp(); import fastmcp; print(fastmcp.settings.port)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=clean_environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().isdigit()
    assert done.stdout.strip() != "666"


@pytest.mark.parametrize("command", ["plugins", "serve"])
def test_a_wrong_setting_is_one_sentence(packhorse: Run, command: str) -> None:
    done = packhorse(command, DB_POOL_SIZE="many")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: DB_POOL_SIZE is 'many'")
    assert done.stdout == ""


def test_help_works_with_a_wrong_setting(packhorse: Run) -> None:
    assert packhorse("--help", DB_POOL_SIZE="many").returncode == 0
    assert packhorse("search", "--help", DB_POOL_SIZE="many").stderr.startswith("Error: DB_POOL_SIZE")


@pytest.mark.parametrize("command", ["serve", "plugins"])
def test_an_unknown_setting_is_refused_with_the_nearest_name(packhorse: Run, command: str) -> None:
    done = packhorse(command, PACKHORSE_DATABASE_UL="x")
    assert done.returncode == 1
    assert "did you mean PACKHORSE_DATABASE_URL?" in done.stderr


def test_the_doctor_finds_a_wrong_setting(packhorse: Run) -> None:
    done = packhorse("doctor", "--json", DB_POOL_SIZE="many")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["status"] == "failed"
    assert "DB_POOL_SIZE" in report["checks"][0]["summary"]


def test_the_doctor_does_not_blame_plugins_for_a_wrong_setting(packhorse: Run) -> None:
    """Their checks need what has not been started."""
    done = packhorse("doctor", "--json", PACKHORSE_PLUGINS="packhorse-indexing", PACKHORSE_DATABASE_UL="x")
    found = json.loads(done.stdout)["checks"]
    assert [(one["plugin"], one["name"], one["status"]) for one in found] == [
        ("core", "configuration", "failed"),
        ("core", "disk", "ok"),
        ("core", "plugins", "ok"),
    ]


def test_the_doctor_works_without_a_database(packhorse: Run) -> None:
    done = packhorse("doctor")
    assert done.returncode == 1
    assert "Cannot connect to postgresql://nobody@127.0.0.1:1/nothing" in done.stdout
    assert "The logs are in " in done.stdout


def test_the_doctor_is_content_with_a_database(packhorse: Run, packhorse_settings: object) -> None:
    url = packhorse_settings.database_url.get_secret_value()  # type: ignore[attr-defined]
    done = packhorse("doctor", "--json", DATABASE_URL=url)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["status"] in {"ok", "warning"}


def test_the_doctor_mentions_a_settings_file_that_is_not_read(packhorse: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PACKHORSE_STRICT=1\n")
    report = json.loads(packhorse("doctor", "--json").stdout)
    finding = next(check for check in report["checks"] if check["name"] == "settings file")
    assert finding["status"] == "warning"
    assert "PACKHORSE_ENV_FILE=.env" in finding["remedy"]


@pytest.mark.usefixtures("greeter")
def test_plugins_that_fail_are_listed_with_the_reason_and_the_rest_works(packhorse: Run, site: Path) -> None:
    (site / "packhorse_exiting.py").write_text("import sys; sys.exit('bye')")
    write_metadata(
        site / "packhorse_exiting-1.0.dist-info",
        name="packhorse-exiting",
        entry_points={"exiting": "packhorse_exiting"},
    )
    both = {"PACKHORSE_PLUGINS": "packhorse-exiting,packhorse-greeter", "PYTHONPATH": str(site)}
    done = packhorse("plugins", "--json", **both)
    assert done.returncode == 1
    records = {record["name"]: record for record in json.loads(done.stdout)["plugins"]}
    assert records["greeter"]["status"] == "loaded"
    assert records["exiting"]["status"] == "failed"
    text = packhorse("plugins", **both).stdout
    assert "exiting (packhorse-exiting)" in text
    assert "bye" in text
    assert packhorse("hello", **both).stdout == "hello you\n"


def test_plugins_left_out_by_the_allow_list_are_blocked_not_failed(packhorse: Run) -> None:
    done = packhorse("plugins", "--json")
    assert done.returncode == 0
    assert {record["status"] for record in json.loads(done.stdout)["plugins"]} == {"blocked"}


def test_a_list_that_names_nothing_installed_is_warned_about(packhorse: Run) -> None:
    done = packhorse("plugins", PACKHORSE_BLOCK="packhorse-nothing")
    assert "packhorse-nothing" in done.stderr
    assert done.stderr.startswith("Warning: ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(packhorse: Run, shell: str) -> None:
    done = packhorse("completion", shell)
    assert done.returncode == 0
    assert "doctor" in done.stdout


def test_completion_can_be_installed(packhorse: Run, clean_environment: dict[str, str]) -> None:
    done = packhorse("--install-completion", "--shell", "bash", SHELL="/bin/bash")
    assert done.returncode == 0, done.stderr
    installed = [
        file
        for file in Path(clean_environment["HOME"]).rglob("*")
        if file.is_file() and "packhorse" in file.read_text()
    ]
    assert installed


def test_the_console_script_is_the_same_program() -> None:
    script = Path(sys.executable).with_name("packhorse")
    one = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    two = subprocess.run([*MODULE, "--version"], capture_output=True, text=True, check=True)
    assert one.stdout == two.stdout


@pytest.mark.slow
def test_the_help_is_quick() -> None:
    """The best of five, in CPU seconds: other processes share the cores."""

    def seconds() -> float:
        before = os.times()
        subprocess.run([*MODULE, "--help"], capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    start = time.monotonic()
    assert min(seconds() for _ in range(5)) < 0.8, time.monotonic() - start
