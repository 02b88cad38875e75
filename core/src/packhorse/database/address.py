"""Where the database is, and the lease that keeps the embedded one running."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packhorse.database.embedded import EmbeddedLease
    from packhorse.settings import CoreSettings


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach the database.

    `conninfo` contains the password: never put it into arguments, logs or messages; `display` is for those.
    The session's time limits are in seconds.
    """

    conninfo: str = field(repr=False)
    display: str
    parameters: Mapping[str, Any] = field(repr=False)
    deadline: float
    statement_timeout: float
    embedded: EmbeddedLease | None = field(default=None, repr=False)


def resolve(settings: CoreSettings) -> Address:
    """Return the address that the settings mean, starting or joining the embedded server when they name none.

    The caller releases `address.embedded` when it is not None; `lease` does.

    Raises:
        ConfigurationError: DATABASE_URL is malformed.
        DatabaseUnavailableError: the embedded server cannot be started.
    """
    from psycopg.conninfo import make_conninfo

    from packhorse import redaction
    from packhorse.database import url

    embedded = None
    if settings.database_url is not None and settings.database_url.get_secret_value().strip():
        parameters: dict[str, Any] = dict(url.parse(settings.database_url.get_secret_value()))
        display = url.describe(parameters)
    else:
        from packhorse.database.embedded import EmbeddedLease

        embedded = EmbeddedLease(settings.data_dir, grace=settings.embedded_grace)
        embedded.acquire()
        parameters = dict(embedded.parameters)
        display = f"the embedded PostgreSQL in {settings.data_dir}"
    if parameters.get("password"):
        redaction.protect(parameters["password"])
    parameters = _DEFAULTS | {"fallback_application_name": "packhorse"} | parameters
    return Address(
        conninfo=make_conninfo(**parameters),
        display=display,
        parameters=parameters,
        deadline=settings.db_deadline,
        statement_timeout=settings.db_statement_timeout,
        embedded=embedded,
    )


@contextmanager
def lease(settings: CoreSettings) -> Iterator[Address]:
    """Hold the database for the length of a block; it starts or joins the embedded server when that is used.

    Synchronous. The embedded server lives while any process holds a lease and a grace period beyond; the kernel
    releases the lease of a process that dies.

    Raises:
        ConfigurationError: DATABASE_URL is malformed.
        DatabaseUnavailableError: the embedded server cannot be started.
    """
    address = resolve(settings)
    try:
        yield address
    finally:
        if address.embedded is not None:
            address.embedded.release()


# A peer that vanished without a word (a laptop that slept, a firewall that forgot) is noticed within about half a
# minute; the deadline of each use is stricter still.
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
