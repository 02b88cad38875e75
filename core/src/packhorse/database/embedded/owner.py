"""Which operating system user runs the server: PostgreSQL refuses to run as root."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packhorse.database.embedded.folder import user_name
from packhorse.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

# systemd reserves this range for users that exist only while a service runs; nobody logs in as one of them.
_FIRST, _LAST = 61184, 65519


@dataclass(frozen=True, slots=True)
class Owner:
    """The user and group that the server runs as, given to `subprocess`."""

    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        """Return the arguments of `subprocess.Popen` that make a child run as this user, as nobody else's member."""
        if self.uid == os.geteuid():
            return {"umask": 0o077}
        return {"user": self.uid, "group": self.gid, "extra_groups": [], "umask": 0o077}


def server_owner(cluster: Path) -> Owner:
    """Return who runs the server: the current user, or for root a user of the server's own.

    Raises:
        DatabaseUnavailableError: the cluster belongs to another user.
    """
    existing = cluster.stat().st_uid if cluster.exists() else None
    me = os.geteuid()
    if me != 0:
        if existing not in {None, me}:
            raise _foreign(cluster, existing or 0)
        return Owner(me, os.getegid())
    if existing is None:
        return _unused_owner()
    if existing == 0 or _is_user(existing):
        raise _foreign(cluster, existing)
    return Owner(existing, cluster.stat().st_gid)


def initdb_owner(owner: Owner) -> Owner:
    """Return who may run `initdb` for `owner`: it insists on a name, which only entries of the user database have.

    Raises:
        DatabaseUnavailableError: there is no unprivileged user at all.
    """
    if owner.uid == os.geteuid() or _is_user(owner.uid):
        return owner
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        candidates = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
        if not candidates:
            raise DatabaseUnavailableError(
                "PostgreSQL does not run as root, and this system has no other user.",
                remedy="Add an ordinary user and run Packhorse as that one, or set DATABASE_URL to a PostgreSQL.",
            ) from None
        entry = candidates[0]
    return Owner(entry.pw_uid, entry.pw_gid)


def _unused_owner() -> Owner:
    for number in range(_FIRST + 50, _LAST):
        if not _is_user(number) and not _is_group(number):
            return Owner(number, number)
    raise DatabaseUnavailableError(
        f"PostgreSQL does not run as root, and every user number from {_FIRST} to {_LAST} is taken.",
        remedy="Run Packhorse as an ordinary user, or set DATABASE_URL to a PostgreSQL.",
    )


def _is_user(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _is_group(gid: int) -> bool:
    try:
        grp.getgrgid(gid)
    except KeyError:
        return False
    return True


def _foreign(cluster: Path, uid: int) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(
        f"The database in {cluster} belongs to {user_name(uid)}, but this is {user_name(os.geteuid())}.",
        remedy="Run Packhorse as its owner, or set PACKHORSE_DATA_DIR to a folder of your own.",
    )
