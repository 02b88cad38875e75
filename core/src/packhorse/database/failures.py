"""From a driver's error to one sentence that a person or an agent can act on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors as pg

from packhorse.database.url import redact
from packhorse.errors import DatabaseError, DatabaseTimeoutError, DatabaseUnavailableError

if TYPE_CHECKING:
    from packhorse.database.address import Address

_CHECK_URL = "Correct DATABASE_URL, or unset it to use the embedded PostgreSQL."

# libpq gives no SQLSTATE for a connection that was refused: only its text tells why.
_REFUSALS: tuple[tuple[str, str, str], ...] = (
    ("password authentication failed|no password supplied|SCRAM", "the user name or password is wrong", _CHECK_URL),
    (r"no pg_hba\.conf entry|authentication (failed|method)", "it does not let this user in", _CHECK_URL),
    ('role ".*" does not exist', "the user does not exist there", _CHECK_URL),
    ('database ".*" does not exist', "the database does not exist", f"Create it with `createdb`. {_CHECK_URL}"),
    ("permission denied for database", "this user may not connect to the database", _CHECK_URL),
    ("failed to resolve host|could not translate host", "the host's name is not known", _CHECK_URL),
    (
        "too many clients|too many connections|remaining connection slots",
        "it has no connection left",
        "Close other programs that use it, lower DB_POOL_SIZE, or raise max_connections there.",
    ),
    (
        "starting up|shutting down|recovery mode|not yet accepting",
        "it is starting up or shutting down",
        "Try again in a moment.",
    ),
    ("SSL|TLS|certificate", "the encrypted connection could not be agreed on", "Check sslmode in DATABASE_URL."),
    (
        "Connection refused|No such file or directory|unreachable|No route to host|Connection reset|closed the conn",
        "no server answers there",
        f"Start the server. {_CHECK_URL}",
    ),
    ("Permission denied", "its socket may not be opened by this user", _CHECK_URL),
)
# Failures of the database while a statement runs.
_FAILURES: tuple[tuple[type[psycopg.Error], str, str], ...] = (
    (pg.DiskFull, "The disk of the database is full ({where}).", "Free some space there, then try again."),
    (
        pg.ReadOnlySqlTransaction,
        "The database accepts no changes: it is read-only ({where}).",
        "Let DATABASE_URL name the primary server.",
    ),
    (pg.OutOfMemory, "The database is out of memory ({where}).", "Try again with a narrower request."),
    (
        pg.InsufficientPrivilege,
        "The database user lacks a right: {reason} ({where}).",
        "Grant it, or let DATABASE_URL name the user who owns the database.",
    ),
    (pg.IoError, "The database cannot read or write its files ({where}).", "See the server's own log."),
)
_PASSING = re.compile(r"too many|remaining connection slots|starting up|shutting down|recovery mode|not yet accepting")
_REFUSED = re.compile(r"Connection refused|No such file or directory|closed the connection|Connection reset")


def is_passing(error: BaseException) -> bool:
    """Whether the server lives and a refused connection may succeed in a moment."""
    return isinstance(error, psycopg.Error) and _PASSING.search(str(error)) is not None


def is_absent(error: BaseException) -> bool:
    """Whether no server answered at all."""
    return isinstance(error, psycopg.OperationalError) and _REFUSED.search(str(error)) is not None


def connecting(error: BaseException, address: Address) -> DatabaseError:
    """Return what to raise when no connection could be made."""
    if isinstance(error, DatabaseError):
        return error
    text = redact(str(error), address.parameters)
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return timed_out(address)
    if address.embedded is not None and re.search(_REFUSALS[0][0], text):
        return DatabaseUnavailableError(
            f"Cannot connect to {address.display}: it has another password than when this process started.",
            remedy="Its data folder was deleted or replaced meanwhile; restart this server or command.",
        )
    for pattern, reason, remedy in _REFUSALS:
        if re.search(pattern, text):
            return DatabaseUnavailableError(f"Cannot connect to {address.display}: {reason}.", remedy=remedy)
    connection = getattr(error, "pgconn", None)
    if connection is not None and connection.used_password:
        reason = "the user name or the password may be wrong"
    else:
        reason = redact(first_line(error), address.parameters)
    return DatabaseUnavailableError(f"Cannot connect to {address.display}: {reason}.", remedy=_CHECK_URL)


def timed_out(address: Address, seconds: float | None = None) -> DatabaseTimeoutError:
    """Return what to raise when the server did not answer in time."""
    within = "" if seconds is None else f" within {seconds:.3g} s"
    return DatabaseTimeoutError(
        f"The database did not answer{within} ({address.display}).",
        remedy="See whether it hangs or is overloaded, then try again; PACKHORSE_DB_DEADLINE sets how long we wait.",
    )


def exhausted(address: Address, seconds: float, size: int) -> DatabaseTimeoutError:
    """Return what to raise when every connection of the pool stayed in use."""
    return DatabaseTimeoutError(
        f"All {size} connections to {address.display} were in use for {seconds:.3g} s.",
        remedy="Try again; DB_POOL_SIZE and DB_MAX_OVERFLOW set how many there are.",
    )


def running(error: psycopg.Error, address: Address) -> DatabaseError | None:
    """Return what to raise for an error inside a transaction, or None when it is the caller's own to handle.

    Translated is what says that the database, not the statement, is at fault. Violated constraints, wrong SQL,
    unacceptable values, deadlocks and unavailable locks stay as they are.
    """
    if isinstance(error, pg.QueryCanceled):
        return DatabaseTimeoutError(
            f"The database cancelled a statement after {address.statement_timeout:.3g} s.",
            remedy="Try again with a narrower request, or raise PACKHORSE_DB_STATEMENT_TIMEOUT.",
        )
    for kind, message, remedy in _FAILURES:
        if isinstance(error, kind):
            return DatabaseError(message.format(where=address.display, reason=first_line(error)), remedy=remedy)
    if is_lost(error):
        return DatabaseUnavailableError(
            f"The connection to {address.display} was lost; the transaction was not completed.",
            remedy="Try again; if it happens often, see the server's own log.",
        )
    return None


def is_lost(error: psycopg.Error) -> bool:
    """Whether the error means that the connection is gone."""
    if error.sqlstate is None:
        return type(error) in {psycopg.OperationalError, psycopg.InterfaceError}
    # 08: connection exceptions, 57P: shut down by the operator, 25P03 and 25P04: the session's own time limits.
    return error.sqlstate.startswith(("08", "57P")) or error.sqlstate in {"25P03", "25P04"}


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without passwords and without its final full stop."""
    lines = redact(str(error)).strip().splitlines() or ["no reason was given"]
    return lines[0].strip().rstrip(".")
