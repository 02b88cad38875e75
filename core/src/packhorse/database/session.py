"""What every connection gets before its first use: time limits, pgvector's types, and a look at the versions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
from pgvector.psycopg.bit import register_bit_info
from pgvector.psycopg.halfvec import register_halfvec_info
from pgvector.psycopg.sparsevec import register_sparsevec_info
from pgvector.psycopg.vector import register_vector_info
from psycopg.types import TypeInfo

from packhorse.database import failures
from packhorse.errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from packhorse.database.address import Address

OLDEST_POSTGRESQL = 15
OLDEST_PGVECTOR = (0, 8)

# One round trip, and no `options` in the connection string, which poolers refuse. Limits are in milliseconds.
# client_connection_check_interval lets the server end a statement whose client is gone; not every platform has it.
_CONFIGURE = """
SELECT current_setting('server_version_num')::int,
       (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       (SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
        WHERE extname = 'vector' AND nspname <> ALL (current_schemas(true))),
       (SELECT array_agg(ARRAY[typname::text, pg_type.oid::text, typarray::text]) FROM pg_type
        JOIN pg_depend ON pg_depend.classid = 'pg_type'::regclass AND objid = pg_type.oid AND deptype = 'e'
        JOIN pg_extension ON refclassid = 'pg_extension'::regclass AND refobjid = pg_extension.oid
        WHERE extname = 'vector' AND typname IN ('vector', 'halfvec', 'sparsevec')),
       set_config('application_name', %(application_name)s, false),
       set_config('statement_timeout', %(statement)s, false),
       set_config('idle_in_transaction_session_timeout', %(idle)s, false),
       set_config('client_connection_check_interval', %(check)s, false)
"""
_SET_PATH = "SELECT set_config('search_path', current_setting('search_path') || ', ' || quote_ident(%s), false)"

_RETRY_SECONDS = 0.1
_NOTHING = (0, None, None, None)
_BIT_OID, _BIT_ARRAY_OID = 1560, 1561
_REGISTRATIONS = {
    "vector": register_vector_info,
    "halfvec": register_halfvec_info,
    "sparsevec": register_sparsevec_info,
}


async def configure(connection: psycopg.AsyncConnection[Any], address: Address) -> None:
    """Prepare a connection of an asyncio program; it is left outside of a transaction, in its former autocommit mode.

    Raises:
        DatabaseUnavailableError: PostgreSQL or pgvector is too old.
        psycopg.Error: the connection failed.
    """
    before = connection.autocommit
    await connection.set_autocommit(True)
    try:
        cursor = await connection.execute(_CONFIGURE, _arguments(address, check="5000"))
    except psycopg.errors.InvalidParameterValue:
        cursor = await connection.execute(_CONFIGURE, _arguments(address, check="0"))
    version, extension, schema, types = (await cursor.fetchone() or _NOTHING)[:4]
    check_versions(version, extension, address)
    if schema is not None:
        await connection.execute(_SET_PATH, (schema,))
    register_types(connection, types or ())
    await connection.set_autocommit(before)


def connect(address: Address) -> psycopg.Connection[tuple[Any, ...]]:
    """Return a synchronous connection with the same limits and types, for worker processes.

    Raises:
        DatabaseUnavailableError: no connection can be had, or pgvector is missing or too old.
        DatabaseTimeoutError: the server does not answer.
    """
    connection = _connect(address)
    try:
        try:
            cursor = connection.execute(_CONFIGURE, _arguments(address, check="5000"))
        except psycopg.errors.InvalidParameterValue:
            cursor = connection.execute(_CONFIGURE, _arguments(address, check="0"))
        version, extension, schema, types = (cursor.fetchone() or _NOTHING)[:4]
        check_versions(version, extension, address)
        if schema is not None:
            connection.execute(_SET_PATH, (schema,))
        register_types(connection, types or ())
        connection.autocommit = False
    except psycopg.Error as error:
        connection.close()
        raise failures.running(error, address) or failures.connecting(error, address) from None
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(address: Address) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect; wait within the deadline for a server that is just starting, and start an embedded one that is gone."""
    until = time.monotonic() + address.deadline
    while True:
        try:
            return psycopg.connect(address.conninfo, autocommit=True)
        except psycopg.Error as error:
            gone = address.embedded is not None and failures.is_absent(error)
            if time.monotonic() > until or not (gone or failures.is_passing(error)):
                raise failures.connecting(error, address) from None
        if gone and address.embedded is not None:
            address.embedded.ensure()
        time.sleep(_RETRY_SECONDS)


def check_versions(version: int, extension: str | None, address: Address) -> None:
    """Refuse a server that is too old; a missing extension is allowed here, as it may be about to be created.

    Raises:
        DatabaseUnavailableError: PostgreSQL or pgvector is too old.
    """
    if version // 10_000 < OLDEST_POSTGRESQL:
        raise DatabaseUnavailableError(
            f"Packhorse needs PostgreSQL {OLDEST_POSTGRESQL} or newer, and {address.display} is {version // 10_000}.",
            remedy="Upgrade the server, or unset DATABASE_URL to use the embedded PostgreSQL.",
        )
    if extension is not None and tuple(int(part) for part in extension.split(".")[:2]) < OLDEST_PGVECTOR:
        raise DatabaseUnavailableError(
            f"Packhorse needs pgvector 0.8 or newer, and {address.display} has {extension}.",
            remedy="Install a newer pgvector there and run `ALTER EXTENSION vector UPDATE` as its owner.",
        )


def register_types(connection: psycopg.BaseConnection[Any], types: Any) -> None:
    """Teach the connection pgvector's types; `types` are (name, oid, array oid)."""
    for name, oid, array_oid in types:
        _REGISTRATIONS[name](connection, TypeInfo(name, int(oid), int(array_oid)))
    if types:
        register_bit_info(connection, TypeInfo("bit", _BIT_OID, _BIT_ARRAY_OID))


def _arguments(address: Address, *, check: str) -> dict[str, str]:
    return {
        "application_name": "packhorse",
        "statement": str(round(address.statement_timeout * 1000)),
        # A transaction that waits for its client longer than the deadline has lost it.
        "idle": str(round(max(address.deadline, address.statement_timeout) * 2000)),
        "check": check,
    }
