"""What killed processes leave in the data folder does not keep the next start from succeeding."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from packhorse.database import connect, lease
from packhorse.database.embedded import server
from packhorse.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from fix_database import Embedded

pytestmark = pytest.mark.integration


def assert_works(embedded: Embedded) -> None:
    with lease(embedded.settings) as address, connect(address) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("12", id="truncated"),
        pytest.param("999999999\n/nowhere\n1\n5432\n\n\n1 1\nready\n", id="of a process that is gone"),
        pytest.param("{pid}\n/nowhere\n1\n5432\n\n\n1 1\nready\n", id="of a number that another program has now"),
        pytest.param("\0\xff no number\n", id="garbage"),
    ],
)
def test_a_leftover_postmaster_pid_is_no_obstacle(embedded: Embedded, content: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        text = content.format(pid=other.pid)
        (embedded.folder.cluster / "postmaster.pid").write_text(text, "latin-1")
        (embedded.folder.cluster / ".s.PGSQL.5432").touch()
        (embedded.folder.cluster / ".s.PGSQL.5432.lock").write_text(text, "latin-1")
        assert_works(embedded)
        other.communicate(b"\n")
    assert other.returncode == 0


def test_a_creation_that_was_killed_midway_is_begun_again(embedded: Embedded) -> None:
    half = embedded.folder.root / ".postgresql-half"
    embedded.folder.cluster.rename(half)
    (half / "global" / "pg_control").unlink()
    assert_works(embedded)
    assert not half.exists()


def test_a_start_right_after_everything_was_killed_is_retried(embedded: Embedded) -> None:
    for _ in range(2):
        with lease(embedded.settings) as address:
            connection = connect(address)
            os.kill(embedded.keeper, signal.SIGKILL)
            os.kill(embedded.postmaster, signal.SIGKILL)
        assert_works(embedded)
        connection.close()


def test_the_server_of_another_program_on_the_folder_is_named_and_left_alone(embedded: Embedded) -> None:
    here = embedded.folder
    # A process whose number is in the file and which works in the folder, as a server started by hand does.
    with subprocess.Popen(["/bin/cat"], cwd=here.cluster, stdin=subprocess.PIPE) as other:
        (here.cluster / "postmaster.pid").write_text(f"{other.pid}\n")
        with pytest.raises(DatabaseUnavailableError, match=rf"process {other.pid}.*kill -INT {other.pid}"):
            assert_works(embedded)
        assert other.poll() is None
        other.communicate()


@pytest.mark.slow
def test_a_server_that_cannot_start_is_reported_with_its_own_reason(embedded: Embedded) -> None:
    (embedded.folder.cluster / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(DatabaseUnavailableError, match=r"does not stay up.*configuration file"):
        assert_works(embedded)


def test_a_cluster_without_its_password_is_not_entered(embedded: Embedded) -> None:
    embedded.folder.password.unlink()
    with pytest.raises(DatabaseUnavailableError, match=r"password.*missing.*Put it back"):
        assert_works(embedded)


def test_a_cluster_of_another_major_version_is_refused_with_the_way_out(embedded: Embedded) -> None:
    (embedded.folder.cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(DatabaseUnavailableError, match=r"of PostgreSQL 16, and this is PostgreSQL 18.*pg_dumpall"):
        assert_works(embedded)


def test_a_folder_that_is_no_cluster_is_refused(embedded: Embedded) -> None:
    shutil.rmtree(embedded.folder.cluster)
    embedded.folder.cluster.mkdir()
    os.chown(embedded.folder.cluster, 61234 if os.geteuid() == 0 else -1, -1)
    with pytest.raises(DatabaseUnavailableError, match=r"no PG_VERSION"):
        assert_works(embedded)


def test_a_process_that_holds_the_start_for_ever_is_reported(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    from packhorse.database.embedded import lease as leases
    from packhorse.database.embedded import locks

    monkeypatch.setattr(leases, "_SECONDS", 0.3)
    with locks.exclusive_lock(embedded.folder.start_lock, 1) as held:
        assert held
        with pytest.raises(DatabaseUnavailableError, match=r"for too long"):
            assert_works(embedded)
    with locks.exclusive_lock(embedded.folder.leases_lock, 1) as held:
        assert held
        with pytest.raises(DatabaseUnavailableError, match=r"for too long"):
            assert_works(embedded)


def test_a_server_is_ready_only_while_it_answers(embedded: Embedded) -> None:
    assert not server.is_ready(embedded.folder)
    with lease(embedded.settings):
        assert server.is_ready(embedded.folder)
        (embedded.folder.cluster / ".s.PGSQL.5432").unlink()
        assert not server.is_ready(embedded.folder)
