"""The server process: starting it, telling whether it lives, and stopping it. Standard library only, for the keeper."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.database.embedded import locks
from packhorse.database.embedded.cluster import environment, reachable
from packhorse.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from packhorse.database.embedded.binaries import Binaries
    from packhorse.database.embedded.folder import Folder
    from packhorse.database.embedded.owner import Owner

PORT = 5432
"""Only a part of the socket's name: the server does not listen on the network."""

_SOCKET_PATH_BYTES = 100
"""The kernel's limit for the path of a socket is 103 bytes on macOS and 107 on Linux."""

_READY_LINE = 7


def _settings() -> dict[str, str]:
    settings = {
        "listen_addresses": "",  # the socket is the only way in
        "port": str(PORT),
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": "300",  # eight servers of 30 connections and their workers
        "shared_buffers": "192MB",  # an index of some 100,000 chunks stays in memory; a laptop does not notice
        "maintenance_work_mem": "256MB",  # HNSW and GIN indexes are built many times faster in memory
        "wal_level": "minimal",  # nobody replicates it: a COPY into a table made in its transaction skips the log
        "max_wal_senders": "0",  # required by wal_level=minimal
        "max_wal_size": "2GB",  # a bulk load would otherwise wait for checkpoint after checkpoint
        "checkpoint_timeout": "15min",
        "jit": "off",  # compiling costs more than it saves in queries of milliseconds
        "random_page_cost": "1.1",  # solid-state disks
        "fsync": "on",  # an index that a power cut corrupts would be found out late
        "full_page_writes": "on",
        "autovacuum": "on",
        "logging_collector": "on",  # the server's own rotation survives the keeper
        "log_directory": "log",
        "log_filename": "postgresql-%a.log",  # one file for each day of the week, overwritten in the next
        "log_file_mode": "0600",
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        # Failed statements are the client's to log: they would carry pieces of the user's code into this file.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_checkpoints": "off",
        "log_autovacuum_min_duration": "-1",
    }
    if sys.platform == "linux":
        # Containers have 64 MB of /dev/shm, which a parallel index build exceeds.
        settings["dynamic_shared_memory_type"] = "sysv"
    return settings


@dataclass(frozen=True, slots=True)
class PidFile:
    """What `postmaster.pid` says. `pid` is 0 when the file is missing, empty or truncated."""

    pid: int
    ready: bool


def read_pid_file(folder: Folder) -> PidFile:
    """Read `postmaster.pid`; it is written line by line, so any part of it may be missing."""
    try:
        lines = (folder.cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
    except OSError:
        return PidFile(0, ready=False)
    pid = lines[0].strip() if lines else ""
    ready = len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready"
    return PidFile(int(pid) if pid.isascii() and pid.isdigit() else 0, ready=ready)


def is_running(folder: Folder) -> bool:
    """Whether any process of the server lives, be it one that outlived the postmaster."""
    return locks.is_held(folder.server_lock)


def is_ready(folder: Folder) -> bool:
    """Whether a server with a keeper accepts connections."""
    if not locks.is_held(folder.keeper_lock) or not read_pid_file(folder).ready:
        return False
    # The surest sign: the socket of a server that died a moment ago refuses, whatever its files and locks still say.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(socket_path(folder)))
        except BlockingIOError:  # it lives and is busy
            return True
        except OSError:
            return False
    return True


def process_exists(pid: int) -> bool:
    """Whether there is a process of this number, whoever's it is."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def socket_folder(folder: Folder) -> Path:
    """Return the folder of the server's socket as its starter recorded it."""
    try:
        return Path(os.fsdecode(folder.socket.read_bytes().rstrip(b"\n")) or folder.cluster)
    except OSError:
        return folder.cluster


def socket_path(folder: Folder) -> Path:
    """Return the server's socket."""
    return socket_folder(folder) / f".s.PGSQL.{PORT}"


def choose_socket_folder(folder: Folder, owner: Owner) -> Path:
    """Return the folder for the socket, made and recorded: the cluster's own unless its path does not do.

    The choice is recorded because the next process may have another idea of the temporary directory.

    Raises:
        DatabaseUnavailableError: no folder with a path short enough can be made.
    """
    if _fits(folder.cluster):
        folder.socket.unlink(missing_ok=True)
        return folder.cluster
    recorded = socket_folder(folder)
    if recorded != folder.cluster and _is_private(recorded, owner):
        return recorded
    for base in (os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), tempfile.gettempdir(), "/tmp"):  # noqa: S108 mkdtemp makes a private folder in it
        with suppress(OSError):
            made = Path(tempfile.mkdtemp(prefix="packhorse-", dir=base))
            if not _fits(made):
                made.rmdir()
                continue
            if owner.uid != os.geteuid():
                os.chown(made, owner.uid, owner.gid)
            folder.socket.write_bytes(os.fsencode(made) + b"\n")
            return made
    raise DatabaseUnavailableError(
        f"The path of {folder.cluster} is too long for a socket, and no shorter temporary folder can be made.",
        remedy="Set PACKHORSE_DATA_DIR to a folder with a shorter path.",
    )


def start(folder: Folder, binaries: Binaries, owner: Owner) -> subprocess.Popen[bytes]:
    """Start the server; the caller holds the keeper lock and has cleared what a dead one left.

    Raises:
        DatabaseUnavailableError: another server lives on the cluster.
    """
    sockets = choose_socket_folder(folder, owner)
    lock = locks.open_lock(folder.server_lock)
    cluster = os.open(folder.cluster, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    socket_descriptor = os.open(sockets, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not locks.wait_lock(lock, exclusive=True, seconds=1):
            raise DatabaseUnavailableError(f"Another server is running on {folder.cluster}.")
        settings = _settings() | {
            "cluster_name": folder.token,
            "unix_socket_directories": reachable(sockets, socket_descriptor),
        }
        command = [str(binaries.postgres), "-D", reachable(folder.cluster, cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(folder.startup_log, flags, 0o600), "wb") as log:
            return subprocess.Popen(  # noqa: S603 a program of ours with arguments of ours
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
                cwd="/",
                pass_fds=(lock, cluster, socket_descriptor),
                # Ctrl-C in the terminal of whoever started us must not reach it.
                start_new_session=True,
                **owner.popen_arguments(),
            )
    finally:
        for descriptor in (lock, cluster, socket_descriptor):
            os.close(descriptor)


def clear_leftovers(folder: Folder) -> None:
    """Remove the files by which a dead server would keep a new one from starting.

    PostgreSQL itself refuses to start when the process number in them is in use again, by whatever program.

    Raises:
        DatabaseUnavailableError: a server lives there that was not started by Packhorse.
    """
    pid = read_pid_file(folder).pid
    if process_exists(pid) and _works_in(pid, folder.cluster):
        raise DatabaseUnavailableError(
            f"A PostgreSQL server that Packhorse did not start (process {pid}) is running on {folder.cluster}.",
            remedy=f"Stop it with `kill -INT {pid}`, then try again.",
        )
    (folder.cluster / "postmaster.pid").unlink(missing_ok=True)
    stale = socket_path(folder)
    stale.unlink(missing_ok=True)
    stale.with_name(f"{stale.name}.lock").unlink(missing_ok=True)


def stop(folder: Folder, pid: int, seconds: float = 30) -> None:
    """Stop the server: politely, then at once, then by force, which costs no more than a recovery at the next start."""
    for stage in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, stage)
        if wait_stopped(folder, seconds):
            return
        seconds = 5


def wait_stopped(folder: Folder, seconds: float) -> bool:
    """Wait until no process of the server lives; False when one still does after `seconds`."""
    until = time.monotonic() + seconds
    while is_running(folder):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def end_orphans(folder: Folder, owner: Owner) -> None:
    """End server processes whose postmaster is gone; they notice it themselves unless they are busy or frozen."""
    import psutil

    for stage, seconds in ((signal.SIGTERM, 0.5), (signal.SIGKILL, 3.0)):
        for process in psutil.process_iter(["cmdline", "uids"]):
            title = " ".join(process.info["cmdline"] or ())
            if process.info["uids"] and process.info["uids"].real == owner.uid and folder.token in title:
                with suppress(psutil.Error):
                    process.send_signal(stage)
        if wait_stopped(folder, seconds):
            return


def startup_messages(folder: Folder) -> str:
    """Return the last lines of what the server said while it started, from whichever of its logs is the newer."""
    try:
        logs = [folder.startup_log, *(folder.cluster / "log").glob("*.log")]
        texts = [log.read_text("utf-8", "replace") for log in sorted(logs, key=lambda log: log.stat().st_mtime)]
    except OSError:
        return ""
    lines = [line for text in texts for line in text.splitlines() if "FATAL" in line or "PANIC" in line]
    return lines[-1].strip() if lines else ""


def _fits(sockets: Path) -> bool:
    # libpq and the server take a comma for the end of one path among several.
    return len(os.fsencode(sockets / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_BYTES and "," not in str(sockets)


def _is_private(path: Path, owner: Owner) -> bool:
    import stat

    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == owner.uid and not status.st_mode & 0o077


def _works_in(pid: int, cluster: Path) -> bool:
    """Whether the process is a server on this cluster, by its working directory; one of another user's is none."""
    import psutil

    try:
        return cluster.samefile(psutil.Process(pid).cwd())
    except (psutil.Error, OSError):
        return False
