"""Specification of the embedded database shared by servers and commands: any of them may be killed at any time."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from fix_process import MODULE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fix_process import RawServer

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def embedded(clean_environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of processes that use an embedded database of their own."""
    environment = {
        **clean_environment,
        "DATABASE_URL": "",
        "PACKHORSE_PLUGINS": "packhorse-tasks",
        "PACKHORSE_EMBEDDED_GRACE": "1",
    }
    yield environment
    end = time.monotonic() + 20
    while postmasters(environment) and time.monotonic() < end:
        time.sleep(0.2)
    assert not postmasters(environment), "the embedded server outlived its users"


def postmasters(environment: dict[str, str]) -> list[int]:
    """Return the PostgreSQL servers whose cluster is in this data folder."""
    found = []
    for file in Path(environment["PACKHORSE_DATA_DIR"]).rglob("postmaster.pid"):
        with suppress(OSError, ValueError, IndexError):
            number = int(file.read_text().splitlines()[0])
            if psutil.pid_exists(number):
                found.append(number)
    return found


def titles(server: RawServer) -> set[str]:
    listing: dict[str, Any] = server.call("list_tasks")["structuredContent"]
    return {task["title"] for task in listing["tasks"]}


def test_two_servers_and_a_command_share_one_database_and_survive_each_others_death(
    embedded: dict[str, str], raw_server: Callable[..., RawServer]
) -> None:
    one, two = raw_server(environment=embedded), raw_server(environment=embedded)
    one.initialize()
    two.initialize()
    assert len(postmasters(embedded)) == 1
    one.call("create_task", title="from one")
    assert titles(two) == {"from one"}
    doctor = subprocess.run([*MODULE, "doctor"], env=embedded, capture_output=True, text=True, check=False, timeout=60)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    one.kill()
    two.call("create_task", title="from two")
    assert titles(two) == {"from one", "from two"}
    three = raw_server(environment=embedded).initialize()
    assert titles(three) == {"from one", "from two"}
    two.process.send_signal(signal.SIGTERM)
    assert two.end() == 0
    assert len(titles(three)) == 2
    assert len(postmasters(embedded)) == 1
    three.close_stdin()
    assert three.end() == 0


def test_a_command_that_starts_the_database_leaves_it_to_a_server_that_joined(
    embedded: dict[str, str], raw_server: Callable[..., RawServer]
) -> None:
    with subprocess.Popen([*MODULE, "doctor"], env=embedded, stdout=subprocess.DEVNULL) as command:
        server = raw_server(environment=embedded).initialize()
        command.wait(60)
    time.sleep(2.5)  # longer than the grace period
    server.call("create_task", title="still here")
    assert titles(server) == {"still here"}


def test_what_was_acknowledged_survives_the_death_of_everyone(
    embedded: dict[str, str], raw_server: Callable[..., RawServer]
) -> None:
    server = raw_server(environment=embedded).initialize()
    server.call("create_task", title="kept")
    postmaster = postmasters(embedded)[0]
    server.kill()
    os.kill(postmaster, signal.SIGKILL)
    again = raw_server(environment=embedded).initialize()
    assert titles(again) == {"kept"}


def test_the_log_of_each_process_is_a_file_of_its_own(
    embedded: dict[str, str], raw_server: Callable[..., RawServer]
) -> None:
    servers = [raw_server(environment=embedded).initialize() for _ in range(2)]
    names = {file.name for file in Path(embedded["PACKHORSE_DATA_DIR"], "logs").iterdir()}
    assert names >= {f"packhorse.{server.process.pid}.log" for server in servers}
