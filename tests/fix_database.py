"""Embedded servers to be killed, and an ordinary PostgreSQL on loopback to be frozen."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from packhorse.settings import CoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from packhorse.database.embedded.folder import Folder

USER = """
import sys
from pathlib import Path
from packhorse.database import lease, connect
from packhorse.settings import CoreSettings
with lease(CoreSettings(data_dir=Path(sys.argv[1]), embedded_grace=float(sys.argv[2]))) as address:
    with connect(address) as connection:
        started = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()[0]
    print(started, flush=True)
    sys.stdin.read()
"""


@dataclass
class Embedded:
    """An embedded server's folder, and processes that use it."""

    folder: Folder
    grace: float = 0.3
    users: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def settings(self) -> CoreSettings:
        return CoreSettings(data_dir=self.folder.root, embedded_grace=self.grace)

    @property
    def keeper(self) -> int:
        return int(self.folder.keeper_lock.read_text())

    @property
    def postmaster(self) -> int:
        return int((self.folder.cluster / "postmaster.pid").read_text().splitlines()[0])

    def user(self) -> subprocess.Popen[str]:
        """Start a process that holds a lease until its standard input is closed; its first line tells the server."""
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(self.folder.root), str(self.grace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.users.append(process)
        return process

    @staticmethod
    def exists(pid: int) -> bool:
        import psutil

        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def kill_keeper(self) -> None:
        from packhorse.database.embedded import locks

        os.kill(self.keeper, signal.SIGKILL)
        until(lambda: not locks.is_held(self.folder.keeper_lock), 5)

    def kill_server(self) -> int:
        """Kill the server and wait for the end of all its processes: they outlive it by a moment. Returns its pid."""
        import psutil

        postmaster = psutil.Process(self.postmaster)
        processes = [postmaster, *postmaster.children()]
        postmaster.kill()
        until(lambda: not any(self.exists(process.pid) for process in processes), 10)
        return postmaster.pid

    def is_running(self) -> bool:
        from packhorse.database.embedded import server

        return server.is_running(self.folder)

    def end(self) -> None:
        for process in self.users:
            process.kill()
            process.communicate()
        with suppress(OSError, ValueError):
            os.kill(self.keeper, signal.SIGTERM)
        with suppress(AssertionError):
            until(lambda: not self.is_running(), 5)
            return
        with suppress(OSError, ValueError):
            os.kill(self.keeper, signal.SIGKILL)
        with suppress(OSError, ValueError, IndexError):
            os.kill(self.postmaster, signal.SIGKILL)
        until(lambda: not self.is_running(), 10)


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], float], None]:
    return until


@pytest.fixture(scope="session")
def new_cluster(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Copies of one freshly created cluster, as making it takes a while."""
    from packhorse.database.embedded import binaries, cluster, folder

    original = folder.prepare(tmp_path_factory.mktemp("cluster") / "data")
    cluster.ensure(original, binaries.find(for_others=os.geteuid() == 0))

    def copy(root: Path) -> None:
        subprocess.run(["cp", "-a", str(original.root), str(root)], check=True)

    return copy


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for a socket, whose path has 107 bytes at most, however long the path of the tests' own folder is."""
    made = Path(tempfile.mkdtemp(prefix="ph-", dir="/tmp"))
    yield made
    remove(made)


def remove(folder: Path) -> None:
    """Remove a folder in which a server that is ending may still write."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    shutil.rmtree(folder)


@pytest.fixture
def embedded(short_path: Path, new_cluster: Callable[[Path], None]) -> Iterator[Embedded]:
    from packhorse.database.embedded import folder

    new_cluster(short_path / "data")
    made = Embedded(folder.prepare(short_path / "data"))
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can enter."""
    made = Path(tempfile.mkdtemp(prefix="packhorse-test-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    remove(made)


@dataclass
class OrdinaryServer:
    """A PostgreSQL with pgvector on loopback, with passwords, as somebody's DATABASE_URL names it."""

    port: int
    password: str
    process: subprocess.Popen[bytes]

    def url(self, database: str = "postgres", *, user: str = "packhorse", password: str | None = None) -> str:
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def settings(self, url: str | None = None, **settings: float) -> CoreSettings:
        return CoreSettings.model_validate({"database_url": SecretStr(url or self.url()), **settings})

    def pids(self) -> list[int]:
        import psutil

        return [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of the server, as a hanging machine would."""
        stopped = self.pids()
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


@contextmanager
def ordinary(root: Path, *options: str) -> Iterator[OrdinaryServer]:
    from packhorse.database.embedded import binaries, cluster, folder

    here = folder.Folder(root)
    programs = binaries.find(for_others=os.geteuid() == 0)
    owner = cluster.ensure(here, programs)
    (here.cluster / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    descriptor = os.open(here.cluster, os.O_RDONLY | os.O_DIRECTORY)
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                programs.postgres,
                *("-D", cluster.reachable(here.cluster, descriptor)),
                *("-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="),
                *("-c", "dynamic_shared_memory_type=sysv", "-c", "fsync=off", "-c", "max_connections=40"),
                *options,
            ],
            pass_fds=(descriptor,),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=cluster.environment(),
            **owner.popen_arguments(),
        )
    os.close(descriptor)
    try:
        until(lambda: "ready to accept" in (root / "log").read_text() or process.poll() is not None, 20)
        assert process.poll() is None, (root / "log").read_text()
        yield OrdinaryServer(port, cluster.read_password(here), process)
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(10)


@pytest.fixture(scope="session")
def ordinary_server(
    tmp_path_factory: pytest.TempPathFactory, new_cluster: Callable[[Path], None]
) -> Iterator[OrdinaryServer]:
    root = tmp_path_factory.mktemp("ordinary") / "data"
    new_cluster(root)
    with ordinary(root) as server:
        yield server


@pytest.fixture
def start_ordinary_server(tmp_path: Path, new_cluster: Callable[[Path], None]) -> Callable[..., OrdinaryServer]:
    def start(*options: str) -> object:
        new_cluster(tmp_path / "ordinary")
        return ordinary(tmp_path / "ordinary", *options)

    return start  # type: ignore[return-value]  # a context manager; the annotation of its user says so
