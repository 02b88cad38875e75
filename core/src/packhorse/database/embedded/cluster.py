"""Creating a cluster: PostgreSQL's data folder, with a password from its first moment and nothing half when killed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.database.embedded import owner as owners
from packhorse.database.embedded.binaries import MAJOR_VERSION
from packhorse.database.embedded.folder import check_space
from packhorse.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from packhorse.database.embedded.binaries import Binaries
    from packhorse.database.embedded.folder import Folder
    from packhorse.database.embedded.owner import Owner

USER = "packhorse"
# Everyone proves who they are, also the user who owns the files: other users of the machine have no way in even
# where they can reach the socket.
_HBA = "local all all scram-sha-256\n"
_SECONDS = 120


def ensure(folder: Folder, binaries: Binaries) -> Owner:
    """Create the cluster if there is none, and return who runs its server. The caller holds the start lock.

    Raises:
        DatabaseUnavailableError: no space, another major version's cluster, another user's, or initdb failed.
    """
    owner = owners.server_owner(folder.cluster)
    for leftover in folder.root.glob(".postgresql-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if folder.cluster.exists():
        _check_version(folder)
    else:
        check_space(folder)
        _create(folder, binaries, owner)
    if not folder.password.is_file():
        raise DatabaseUnavailableError(
            f"The password of the embedded PostgreSQL, {folder.password}, is missing.",
            remedy=f"Put it back, or move {folder.cluster} away to begin with an empty database.",
        )
    return owner


def read_password(folder: Folder) -> str:
    """Return the password of the user `packhorse`.

    Raises:
        DatabaseUnavailableError: the file cannot be read.
    """
    try:
        return folder.password.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DatabaseUnavailableError(
            f"The password of the embedded PostgreSQL cannot be read from {folder.password}.",
            remedy=f"Put it back, or move {folder.cluster} away to begin with an empty database.",
        ) from error


def _check_version(folder: Folder) -> None:
    try:
        version = (folder.cluster / "PG_VERSION").read_text("ascii").strip()
    except OSError:
        raise DatabaseUnavailableError(
            f"{folder.cluster} is not a PostgreSQL data folder: it has no PG_VERSION.",
            remedy="Move it away to begin with an empty database.",
        ) from None
    if version != MAJOR_VERSION:
        raise DatabaseUnavailableError(
            f"The database in {folder.cluster} is of PostgreSQL {version}, and this is PostgreSQL {MAJOR_VERSION}.",
            remedy=f"Write it out with pg_dumpall of PostgreSQL {version}, move the folder away and read it in again; "
            "or move it away and index anew.",
        )


def _create(folder: Folder, binaries: Binaries, owner: Owner) -> None:
    password = secrets.token_urlsafe(32)
    maker = owners.initdb_owner(owner)
    working = Path(tempfile.mkdtemp(dir=folder.root, prefix=".postgresql-"))
    try:
        _give(working, maker)
        _run_initdb(folder, binaries, maker, working, password)
        (working / "pg_hba.conf").write_text(_HBA)
        for path in (working, *working.rglob("*")):
            _give(path, owner)
        # The password is in place before the cluster is: a cluster without one could never be entered again.
        _write_private(folder.password, password)
        working.rename(folder.cluster)
        _sync(folder.root)
    except OSError as error:
        raise DatabaseUnavailableError(
            f"The embedded PostgreSQL cannot be created in {folder.root}: {os.strerror(error.errno or 0)}.",
            remedy="Free some space or correct the folder's permissions, or set PACKHORSE_DATA_DIR to another one.",
        ) from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _run_initdb(folder: Folder, binaries: Binaries, maker: Owner, working: Path, password: str) -> None:
    descriptor = os.open(working, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # initdb stores a text of this form as it is. Its reader learns nothing from it, whoever that is.
    verifier_read, verifier_write = os.pipe()
    try:
        if maker.uid != os.geteuid():
            os.fchown(verifier_read, maker.uid, maker.gid)
        os.write(verifier_write, scram_verifier(password).encode() + b"\n")
        os.close(verifier_write)
        command = [
            str(binaries.initdb),
            f"--pgdata={reachable(working, descriptor)}",
            f"--username={USER}",
            f"--pwfile=/dev/fd/{verifier_read}",
            "--auth=scram-sha-256",
            "--data-checksums",
            "--encoding=UTF8",
            "--locale=C",
            # The same sorting and the same case folding everywhere, whatever the operating system has installed.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        ]
        result = subprocess.run(  # noqa: S603 a program of ours with arguments of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(),
            pass_fds=(descriptor, verifier_read),
            cwd="/",
            timeout=_SECONDS,
            check=False,
            text=True,
            errors="replace",
            **maker.popen_arguments(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise _failed(folder, str(error)) from error
    finally:
        os.close(descriptor)
        os.close(verifier_read)
    if result.returncode != 0:
        raise _failed(folder, result.stderr)


def environment() -> dict[str, str]:
    """Return the environment of the server's programs: nothing of the user's, whose PG* variables would change it."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def reachable(path: Path, descriptor: int) -> str:
    """Return a name for an open folder by which a child of another user finds it below folders closed to that user."""
    by_descriptor = os.geteuid() == 0 and Path("/proc/self/fd").exists()
    return f"/proc/self/fd/{descriptor}" if by_descriptor else str(path)


def scram_verifier(password: str) -> str:
    """Return what PostgreSQL stores of a password (RFC 5803), from which it cannot be told."""
    salt, iterations = secrets.token_bytes(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt_text}${stored_text}:{server_text}"


def _write_private(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)
    partial.rename(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give(path: Path, owner: Owner) -> None:
    if owner.uid != os.geteuid():
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def _failed(folder: Folder, output: str) -> DatabaseUnavailableError:
    if "No space left" in output:
        reason, remedy = "the disk is full", "Free some space, or set PACKHORSE_DATA_DIR to a folder on another disk."
    else:
        lines = [line for line in output.splitlines() if "error" in line.lower() or "fatal" in line.lower()]
        reason = (lines or output.strip().splitlines() or ["initdb said nothing"])[0].strip().rstrip(".")
        remedy = "Set DATABASE_URL to a PostgreSQL to do without the embedded one."
    return DatabaseUnavailableError(
        f"The embedded PostgreSQL cannot be created in {folder.root}: {reason}.", remedy=remedy
    )
