"""A process's hold on the embedded server: joining it, or starting it when it does not run."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from packhorse.database.embedded import binaries, cluster, folder, locks, server
from packhorse.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from packhorse.database.embedded.folder import Folder

_SECONDS = 90.0
"""How long starting may take: creating the cluster, or recovering from a crash after a bulk load."""

_LAUNCHES = 3

# What the keeper needs to find its interpreter and its modules. It may live for days: it gets no secrets.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH")
_KEPT_PREFIXES = ("PYTHON", "COVERAGE_", "LC_", "DYLD_")


class EmbeddedLease:
    """A hold on the server in one data folder; `grace` is how long, in seconds, it outlives the last hold on it."""

    def __init__(self, data_dir: Path, grace: float) -> None:
        self._data_dir = data_dir
        self._grace = grace
        self._descriptor: int | None = None
        self._folder: Folder | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The libpq parameters of a connection, with the password. The lease must be held."""
        here = self._held_folder()
        return {
            "host": str(server.socket_folder(here)),
            "port": str(server.PORT),
            "user": cluster.USER,
            "dbname": "postgres",
            "password": cluster.read_password(here),
            # Settings that the user's PG* variables would otherwise bring in.
            "sslmode": "disable",
            "gssencmode": "disable",
            "options": "",
            "target_session_attrs": "any",
            # A program that took the server's place would have to know the password too.
            "require_auth": "scram-sha-256",
        }

    def acquire(self) -> None:
        """Take the lease and wait until the server accepts connections.

        Raises:
            DatabaseUnavailableError: it cannot be started; the message says why.
        """
        self._folder = here = folder.prepare(self._data_dir)
        try:
            self._hold(here)
            self.ensure()
        except OSError as error:
            self.release()
            raise DatabaseUnavailableError(
                f"The embedded PostgreSQL in {here.root} cannot be used: {os.strerror(error.errno or 0)}."
            ) from error
        except BaseException:
            self.release()
            raise

    def ensure(self) -> None:
        """Wait until the server accepts connections, starting what is missing. The lease must be held.

        Raises:
            DatabaseUnavailableError: it cannot be started.
        """
        here = self._held_folder()

        def ready() -> bool:
            return server.is_ready(here)

        if ready():
            return
        until = time.monotonic() + _SECONDS
        with locks.exclusive_lock(here.start_lock, _SECONDS, unless=ready) as held:
            if ready():
                return
            if not held:
                raise _stuck(here)
            _start(here, until)

    def release(self) -> None:
        """Give the lease up; the server goes on for the grace period."""
        if self._descriptor is not None:
            # The time of the file's last change tells the keeper when the server was last used.
            os.utime(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _hold(self, here: Folder) -> None:
        self._descriptor = locks.open_lock(here.leases_lock)
        if not locks.wait_lock(self._descriptor, exclusive=False, seconds=_SECONDS):
            raise _stuck(here)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{self._grace}\n".encode(), 0)

    def _held_folder(self) -> Folder:
        if self._folder is None or self._descriptor is None:
            raise RuntimeError("the lease is not held")
        return self._folder


def _start(here: Folder, until: float) -> None:
    launches = 0
    while not server.is_ready(here):
        if time.monotonic() > until:
            raise DatabaseUnavailableError(
                f"The embedded PostgreSQL in {here.root} did not become ready within {_SECONDS:.0f} s. "
                f"{server.startup_messages(here)}".strip(),
                remedy="It may be recovering from a crash: try again in a minute.",
            )
        if not locks.is_held(here.keeper_lock):
            # None, or one that was just ending as we looked.
            if launches == _LAUNCHES:
                raise DatabaseUnavailableError(
                    f"The embedded PostgreSQL in {here.root} does not stay up. {server.startup_messages(here)}".strip(),
                    remedy=f"See {here.keeper_log} and {here.cluster / 'log'}.",
                )
            launches += 1
            programs = binaries.find(for_others=os.geteuid() == 0)
            owner = cluster.ensure(here, programs)
            _launch_keeper(here, [str(here.root), str(programs.root), str(owner.uid), str(owner.gid)], until)
        time.sleep(0.02)


def _launch_keeper(here: Folder, arguments: list[str], until: float) -> None:
    log = os.open(here.keeper_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    report_read, report_write = os.pipe()
    try:
        # -P: the working directory may be a repository with a `packhorse` folder of its own.
        command = [sys.executable, "-P", "-m", "packhorse.database.embedded.keeper", str(report_write), *arguments]
        # This process ends as soon as it has put the keeper into the background.
        subprocess.run(  # noqa: S603 this interpreter with arguments of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={k: v for k, v in os.environ.items() if k in _KEPT_VARIABLES or k.startswith(_KEPT_PREFIXES)},
            cwd="/",
            pass_fds=(report_write,),
            start_new_session=True,
            timeout=_SECONDS,
            check=False,
        )
        os.close(report_write)
        report_write = -1
        report = _read_report(report_read, until)
    except subprocess.SubprocessError as error:
        raise DatabaseUnavailableError(f"The keeper of the embedded PostgreSQL does not start: {error}.") from error
    finally:
        for descriptor in (log, report_read, report_write):
            if descriptor >= 0:
                os.close(descriptor)
    if report.get("error"):
        raise DatabaseUnavailableError(report["error"], remedy=report.get("remedy", ""))


def _read_report(descriptor: int, until: float) -> dict[str, str]:
    text = b""
    while True:
        readable, _, _ = select.select([descriptor], [], [], max(0, until - time.monotonic()))
        piece = os.read(descriptor, 65536) if readable else b""
        if not piece:
            break
        text += piece
    try:
        report: dict[str, str] = json.loads(text)
    except ValueError:
        return {}
    return report


def _stuck(here: Folder) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(
        f"Another process has been starting or stopping the embedded PostgreSQL in {here.root} for too long.",
        remedy="See whether a packhorse process hangs, end it and try again.",
    )
