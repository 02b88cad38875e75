"""The embedded server's life: one for all processes, ended when unused, repaired when any part of it is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from packhorse.database import Database, connect, lease
from packhorse.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from fix_database import Embedded

pytestmark = pytest.mark.integration
Wait = "Callable[[Callable[[], bool], float], None]"


def start_of_server(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    assert process.communicate(timeout=10) is not None
    assert process.returncode == 0


def test_eight_processes_that_start_at_once_share_one_server(embedded: Embedded) -> None:
    users = [embedded.user() for _ in range(8)]
    starts = {start_of_server(user) for user in users}
    assert len(starts) == 1
    assert starts != {""}


def test_eight_processes_that_start_at_once_create_one_cluster(embedded: Embedded) -> None:
    shutil.rmtree(embedded.folder.root)
    users = [embedded.user() for _ in range(8)]
    assert len({start_of_server(user) for user in users}) == 1


def test_the_server_stops_a_grace_period_after_the_last_process_left(embedded: Embedded, wait_until: Wait) -> None:
    first, second = embedded.user(), embedded.user()
    start_of_server(first)
    start_of_server(second)
    leave(first)
    with pytest.raises(AssertionError, match=r"in time"):
        wait_until(lambda: not embedded.is_running(), 1)
    leave(second)
    wait_until(lambda: not embedded.is_running(), 5)
    assert not (embedded.folder.cluster / "postmaster.pid").exists()


def test_a_new_process_within_the_grace_period_finds_the_server_running(embedded: Embedded) -> None:
    embedded.grace = 5
    first = embedded.user()
    start = start_of_server(first)
    leave(first)
    assert start_of_server(embedded.user()) == start


def test_killing_the_process_that_started_it_leaves_the_others_at_work(embedded: Embedded, wait_until: Wait) -> None:
    first = embedded.user()
    start = start_of_server(first)
    second = embedded.user()
    start_of_server(second)
    first.kill()
    first.wait()
    assert start_of_server(embedded.user()) == start
    for user in embedded.users[1:]:
        user.kill()
        user.wait()
    wait_until(lambda: not embedded.is_running(), 5)


def test_a_killed_keeper_is_replaced_by_one_that_adopts_the_server(embedded: Embedded, wait_until: Wait) -> None:
    user = embedded.user()
    start = start_of_server(user)
    embedded.kill_keeper()
    with lease(embedded.settings) as address, connect(address) as connection:
        row = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
    assert row == (start,)
    leave(user)
    wait_until(lambda: not embedded.is_running(), 5)


async def test_a_killed_server_is_started_again_and_the_pool_goes_on(embedded: Embedded) -> None:
    database = Database(embedded.settings)
    await database.open()
    try:
        async with database.connection() as connection:
            await connection.execute("CREATE TABLE public.kept AS SELECT 1 AS n")
        killed = embedded.kill_server()
        async with database.connection() as connection:
            assert await (await connection.execute("SELECT n FROM public.kept")).fetchone() == (1,)
        assert embedded.postmaster != killed
    finally:
        await database.close()


async def test_a_killed_server_and_keeper_are_both_replaced_by_the_next_use(embedded: Embedded) -> None:
    database = Database(embedded.settings)
    await database.open()
    try:
        keeper = embedded.keeper
        embedded.kill_keeper()
        embedded.kill_server()
        async with database.connection() as connection:
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
        assert embedded.keeper != keeper
    finally:
        await database.close()


async def test_a_server_whose_password_is_another_now_is_no_matter_of_the_url(embedded: Embedded) -> None:
    database = Database(embedded.settings)
    await database.open()
    try:
        async with database.connection() as connection:
            await connection.execute("ALTER ROLE CURRENT_USER PASSWORD 'another'")
        await database._pool.drain()  # type: ignore[union-attr]  # it is open
        with pytest.raises(DatabaseUnavailableError, match=r"another password than when this process started.*restart"):
            async with database.connection():
                pass
    finally:
        await database.close()


@pytest.mark.slow
def test_frozen_leftovers_of_a_killed_server_are_ended(embedded: Embedded) -> None:
    with lease(embedded.settings) as address:
        connection = connect(address)
        os.kill(connection.info.backend_pid, signal.SIGSTOP)
        embedded.kill_keeper()
        os.kill(embedded.postmaster, signal.SIGKILL)
        with lease(embedded.settings) as again, connect(again) as other:
            assert other.execute("SELECT 1").fetchone() == (1,)
        connection.close()


def test_a_worker_that_connects_starts_what_was_killed(embedded: Embedded) -> None:
    with lease(embedded.settings) as address:
        embedded.kill_keeper()
        embedded.kill_server()
        with connect(address) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_server_that_dies_again_and_again_is_given_up(embedded: Embedded, wait_until: Wait) -> None:
    from packhorse.database.embedded import locks, server

    def alive_again(before: int) -> bool:
        return not locks.is_held(embedded.folder.keeper_lock) or (
            server.is_ready(embedded.folder) and embedded.postmaster != before
        )

    start_of_server(embedded.user())
    for _ in range(7):
        if locks.is_held(embedded.folder.keeper_lock):
            killed = embedded.postmaster
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda killed=killed: alive_again(killed), 20)
    assert "does not stay up" in embedded.folder.keeper_log.read_text()


def test_telling_the_keeper_to_end_stops_the_server_in_order(embedded: Embedded, wait_until: Wait) -> None:
    start_of_server(embedded.user())
    os.kill(embedded.keeper, signal.SIGTERM)
    wait_until(lambda: not embedded.is_running(), 10)
    assert not (embedded.folder.cluster / "postmaster.pid").exists()


def test_a_server_whose_folder_is_deleted_ends(embedded: Embedded, wait_until: Wait) -> None:
    start_of_server(embedded.user())
    postmaster = embedded.postmaster
    while embedded.folder.root.exists():  # the server removes files of its own meanwhile
        shutil.rmtree(embedded.folder.root, ignore_errors=True)

    wait_until(lambda: not embedded.exists(postmaster), 10)


def test_whoever_waits_for_the_end_of_a_clients_output_is_not_held_up_by_the_server(embedded: Embedded) -> None:
    embedded.grace = 10
    user = embedded.user()
    output, _ = user.communicate(timeout=8)
    assert output
    assert embedded.is_running()


def test_a_child_of_a_process_does_not_keep_its_lease(embedded: Embedded, wait_until: Wait) -> None:
    with lease(embedded.settings):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: not embedded.is_running(), 5)
    finally:
        child.communicate()


def test_the_keeper_is_given_no_secrets_of_its_starter(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    with lease(embedded.settings):
        assert b"sk-of-the-user" not in Path(f"/proc/{embedded.keeper}/environ").read_bytes()


def test_the_password_is_in_no_argument_no_log_and_no_representation(embedded: Embedded) -> None:
    import psutil

    password = embedded.folder.password.read_text().strip()
    with lease(embedded.settings) as address:
        assert password in address.conninfo
        assert password not in repr(address)
        for process in psutil.process_iter(["cmdline"]):
            assert password not in " ".join(process.info["cmdline"] or ())
        for log in [*embedded.folder.root.glob("*.log"), *embedded.folder.cluster.glob("log/*")]:
            assert password not in log.read_text()


def test_statements_that_fail_are_not_written_into_the_servers_log(embedded: Embedded) -> None:
    with lease(embedded.settings) as address, connect(address) as connection:
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT 'a piece of the users code' FROM nowhere")
        connection.rollback()
    for log in embedded.folder.cluster.glob("log/*"):
        assert "users code" not in log.read_text()


def test_checksums_are_on_and_the_network_is_off(embedded: Embedded) -> None:
    with lease(embedded.settings) as address, connect(address) as connection:
        query = "SELECT current_setting('data_checksums'), current_setting('listen_addresses')"
        assert connection.execute(query).fetchone() == ("on", "")
