"""The keeper: the parent of the embedded server. `python -m packhorse.database.embedded.keeper`, standard library only.

It holds the keeper lock for its whole life, restarts a server that crashed, and stops the server when no process
has held a lease for the grace period. A new keeper adopts the server of one that was killed.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.database.embedded import locks, server
from packhorse.database.embedded.binaries import Binaries
from packhorse.database.embedded.folder import Folder
from packhorse.database.embedded.owner import Owner
from packhorse.errors import DatabaseUnavailableError, PackhorseError

if TYPE_CHECKING:
    import subprocess
    from types import FrameType

_LOG_BYTES = 1_000_000
_RESTARTS, _PER_SECONDS = 5, 60.0
_START_SECONDS = 60.0
_ORPHAN_SECONDS = 0.5  # for processes of a killed server to notice it; busy ones do not, and everybody waits


class Stopped(BaseException):
    """The keeper was told to end."""


@dataclass
class Keeper:
    """One server's keeper."""

    folder: Folder
    binaries: Binaries
    owner: Owner
    lock: int
    process: subprocess.Popen[bytes] | None = None
    pid: int = 0
    starts: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start the server or adopt the one that runs, and wait until it accepts connections.

        Raises:
            DatabaseUnavailableError: it ends again and again.
        """
        while True:
            self.starts = [moment for moment in self.starts if moment > time.monotonic() - _PER_SECONDS]
            if len(self.starts) > _RESTARTS:
                reason = server.startup_messages(self.folder)
                raise DatabaseUnavailableError(
                    f"The embedded PostgreSQL in {self.folder.root} does not stay up. {reason}".strip(),
                    remedy=f"See {self.folder.startup_log} and {self.folder.cluster / 'log'}.",
                )
            self.starts.append(time.monotonic())
            if self._adopt() or self._launch():
                return
            log(f"the server did not start: {server.startup_messages(self.folder)}")
            time.sleep(0.05 * 2 ** len(self.starts))

    def keep(self) -> None:
        """Return when the server is no longer needed and stopped, or when it does not stay up."""
        leases = locks.open_lock(self.folder.leases_lock)
        last_used = time.time()
        while True:
            grace = _read_grace(leases)
            self._wait(min(1.0, max(grace / 4, 0.05)))
            if not _is_same_file(leases, self.folder.leases_lock):
                log("the data folder is gone")
                server.stop(self.folder, self.pid, 0)
                return
            if not self._alive():
                log("the server is gone")
                self.start()
            if not locks.try_lock(leases, exclusive=True):
                last_used = time.time()
                continue
            locks.unlock(leases)
            last_used = max(last_used, os.fstat(leases).st_mtime)
            if time.time() - last_used >= grace and self._stop_if_unused(leases):
                return

    def stop(self) -> None:
        """Stop the server."""
        server.stop(self.folder, self.pid)
        if self.process is not None:
            self.process.wait()

    def _stop_if_unused(self, leases: int) -> bool:
        # Both locks: nobody may take a lease or start a keeper until this one and its server are gone.
        with locks.exclusive_lock(self.folder.start_lock, seconds=0) as held:
            if not held or not locks.try_lock(leases, exclusive=True):
                return False
            log("stopping: not in use")
            self.stop()
            os.close(self.lock)
            return True

    def _adopt(self) -> bool:
        pid_file = server.read_pid_file(self.folder)
        if not server.is_running(self.folder) or not server.process_exists(pid_file.pid):
            return False
        self.process, self.pid = None, pid_file.pid
        return self._wait_ready()

    def _launch(self) -> bool:
        if not server.wait_stopped(self.folder, _ORPHAN_SECONDS):
            server.end_orphans(self.folder, self.owner)
        server.clear_leftovers(self.folder)
        self.process = server.start(self.folder, self.binaries, self.owner)
        self.pid = self.process.pid
        return self._wait_ready()

    def _wait_ready(self) -> bool:
        until = time.monotonic() + _START_SECONDS
        while self._alive():
            pid_file = server.read_pid_file(self.folder)
            # A server that is still recovering counts: connections are told so and wait.
            if (pid_file.pid == self.pid and pid_file.ready) or time.monotonic() > until:
                return True
            time.sleep(0.01)
        return False

    def _alive(self) -> bool:
        if self.process is not None:
            return self.process.poll() is None
        return server.process_exists(self.pid) and server.is_running(self.folder)

    def _wait(self, seconds: float) -> None:
        """Wait for the server's end, for `seconds` at most."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except (OSError, AttributeError):  # an older kernel, or not Linux
            time.sleep(seconds)
            return
        try:
            select.select([descriptor], [], [], seconds)
        finally:
            os.close(descriptor)


def log(message: str) -> None:
    """Write a line to the keeper's log, which is this process's standard error."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with suppress(OSError):  # the disk may be full; the server matters more than the line
        if os.fstat(2).st_size > _LOG_BYTES:
            os.ftruncate(2, 0)
        os.write(2, f"{stamp} keeper {os.getpid()}: {message}\n".encode())


def main(arguments: list[str]) -> int:
    """Go into the background, tell the caller over the pipe how the start went, and keep the server."""
    report, root, programs, uid, gid = int(arguments[0]), *arguments[1:5]
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    folder = Folder(Path(root))
    descriptor = locks.open_lock(folder.keeper_lock)
    if not locks.wait_lock(descriptor, exclusive=True, seconds=0.2):
        _tell(report, {})
        return 0
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    keeper = Keeper(folder, Binaries(Path(programs)), Owner(int(uid), int(gid)), descriptor)
    try:
        keeper.start()
        log(f"keeping the server {keeper.pid}")
        _tell(report, {})
        report = -1
        keeper.keep()
    except Stopped:
        log("stopping: told to end")
        keeper.stop()
    except (PackhorseError, OSError) as error:
        log(str(error))
        _tell(report, {"error": getattr(error, "message", str(error)), "remedy": getattr(error, "remedy", "")})
        return 1
    return 0


def _tell(report: int, answer: dict[str, str]) -> None:
    if report >= 0:
        with suppress(OSError):  # the process that asked may be gone
            os.write(report, json.dumps(answer).encode())
        os.close(report)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped


def _read_grace(leases: int) -> float:
    try:
        return float(os.pread(leases, 64, 0))
    except ValueError:
        return 30.0


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
