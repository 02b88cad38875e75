"""What lies where in the data folder, and whether the folder can be used."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from packhorse.errors import DatabaseUnavailableError

NEEDED_BYTES = 256 * 1024 * 1024
"""An empty cluster takes 40 MB, its write-ahead log up to 80 MB at rest; the rest is room for the first index."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The data folder of one embedded server. `root` is absolute and resolved."""

    root: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.root / "postgresql"

    @property
    def password(self) -> Path:
        """The database password of the user, readable by them alone."""
        return self.root / "postgresql.password"

    @property
    def socket(self) -> Path:
        """The file that names the folder of the server's socket."""
        return self.root / "postgresql.socket"

    @property
    def startup_log(self) -> Path:
        """What the server said before its own log was open."""
        return self.root / "postgresql.startup.log"

    @property
    def keeper_log(self) -> Path:
        """What the keeper did."""
        return self.root / "postgresql.keeper.log"

    @property
    def start_lock(self) -> Path:
        """Held by whoever prepares the cluster or starts a keeper, and by the keeper while it stops the server."""
        return self.root / "start.lock"

    @property
    def leases_lock(self) -> Path:
        """Held, shared, by every process that uses the server; it contains the latest one's grace period."""
        return self.root / "leases.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper for its whole life: the right to start and stop the server. It contains its pid."""
        return self.root / "keeper.lock"

    @property
    def server_lock(self) -> Path:
        """Inherited by every process of the server, so that it is held while any of them lives."""
        return self.root / "server.lock"

    @property
    def token(self) -> str:
        """A word in the titles of the server's processes by which they are told from those of other servers."""
        return "packhorse-" + hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]


def prepare(data_dir: Path) -> Folder:
    """Make the data folder if it is missing and return it.

    Raises:
        DatabaseUnavailableError: the folder is somebody else's, cannot be written, or is no folder.
    """
    root = Path(data_dir).expanduser().absolute()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root = root.resolve(strict=True)
        status = root.stat()
    except OSError as error:
        raise _unusable(root, os.strerror(error.errno or 0)) from error
    if status.st_uid != os.geteuid():
        raise DatabaseUnavailableError(
            f"The data folder {root} belongs to {user_name(status.st_uid)}, but this is {user_name(os.geteuid())}.",
            remedy="Run Packhorse as the folder's owner, or set PACKHORSE_DATA_DIR to a folder of your own.",
        )
    # A group-writable folder is what a umask of 002 makes, where every user has a group of their own.
    foreign_group = status.st_mode & stat.S_IWGRP and status.st_gid != os.getegid()
    if foreign_group or status.st_mode & stat.S_IWOTH:
        raise DatabaseUnavailableError(
            f"The data folder {root} can be written by other users.",
            remedy="Set PACKHORSE_DATA_DIR to a folder that only you can write, for instance a new one inside of it.",
        )
    _check_writable(root)
    return Folder(root)


def check_space(folder: Folder) -> None:
    """Refuse to create a cluster on a disk that is too full for it."""
    free = shutil.disk_usage(folder.root).free
    if free < NEEDED_BYTES:
        raise DatabaseUnavailableError(
            f"There is no space for the embedded PostgreSQL in {folder.root}: {free // 2**20} MiB are free and "
            f"{NEEDED_BYTES // 2**20} MiB are needed.",
            remedy="Free some space, or set PACKHORSE_DATA_DIR to a folder on another disk.",
        )


def user_name(uid: int) -> str:
    """Return the name of an operating system user, or `user 1234` for one without."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _check_writable(root: Path) -> None:
    probe = root / f".probe-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        probe.unlink()
    except OSError as error:
        raise _unusable(root, os.strerror(error.errno or 0)) from error


def _unusable(root: Path, reason: str) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(
        f"The data folder {root} cannot be used: {reason}.",
        remedy="Make it writable, or set PACKHORSE_DATA_DIR to a folder that is, or DATABASE_URL to a PostgreSQL.",
    )
