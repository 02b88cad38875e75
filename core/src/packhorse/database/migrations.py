"""Migrations: numbered SQL files per plugin, each plugin in its own PostgreSQL schema, run once whoever starts first.

A file is `0001_what_it_does.sql`; the numbers of a plugin count up from 1 without gaps. The ledger
`packhorse.migration` keeps the checksum of each file that was run: what was run is never edited, only followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors as pg
from psycopg import sql

from packhorse.database import failures
from packhorse.errors import (
    ConfigurationError,
    ConflictError,
    DatabaseError,
    DatabaseTimeoutError,
    DatabaseUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable

    from psycopg import AsyncConnection

    from packhorse.database.pool import Database

SECONDS = 300.0
"""How long one file may take, waiting for another process's included."""

_POLL_SECONDS = 0.05

_NAME = re.compile(r"(\d{4,})_([a-z0-9_]+)\.sql")
_TAKEN = {"packhorse", "public", "information_schema"}
_PLUGIN = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Any number will do that no other program uses for its advisory locks: the letters of "packhors".
_LOCK = 0x7061636B686F7273

_FIND = "SELECT number, name, checksum FROM packhorse.migration WHERE plugin = %s ORDER BY number"
_RECORD = "INSERT INTO packhorse.migration (plugin, number, name, checksum) VALUES (%s, %s, %s, %s)"
_CORE_READY = """
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector'),
       to_regclass('packhorse.migration') IS NOT NULL
"""
_CORE = """
CREATE SCHEMA IF NOT EXISTS packhorse;
CREATE TABLE IF NOT EXISTS packhorse.migration (
    plugin     text NOT NULL,
    number     int NOT NULL CHECK (number > 0),
    name       text NOT NULL,
    checksum   text NOT NULL,                    -- SHA-256 of the file with line feeds as line ends
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plugin, number)
);
"""
# Everything outside of a schema that a migration could make, change or drop. In a REPEATABLE READ transaction two
# readings differ only by what the transaction itself did, whatever other processes do meanwhile.
_OUTSIDE = """
WITH schema AS MATERIALIZED (
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname <> %s AND nspname <> 'information_schema' AND nspname !~ '^pg_'
), relation AS MATERIALIZED (
    SELECT pg_class.oid, format('%%I.%%I', nspname, relname) AS name, pg_class.xmin
    FROM pg_class JOIN schema ON schema.oid = relnamespace
)
SELECT 'relation ' || name, concat(oid, ' ', xmin) FROM relation
UNION ALL SELECT 'table ' || name, concat(kind, ' ', part, ' ', version) FROM relation JOIN (
    SELECT 'column', attrelid, attname, xmin FROM pg_attribute
    UNION ALL SELECT 'constraint', conrelid, conname, xmin FROM pg_constraint
    UNION ALL SELECT 'trigger', tgrelid, tgname, xmin FROM pg_trigger
    UNION ALL SELECT 'policy', polrelid, polname, xmin FROM pg_policy
    UNION ALL SELECT 'rule', ev_class, rulename, xmin FROM pg_rewrite
) AS component (kind, owner, part, version) ON owner = oid
UNION ALL SELECT format('%%s %%I.%%I', kind, nspname, name), concat(object.oid, ' ', version) FROM schema JOIN (
    SELECT 'function', pronamespace, proname, oid, xmin FROM pg_proc
    UNION ALL SELECT 'type', typnamespace, typname, oid, xmin FROM pg_type
    UNION ALL SELECT 'operator', oprnamespace, oprname, oid, xmin FROM pg_operator
) AS object (kind, home, name, oid, version) ON home = schema.oid
UNION ALL SELECT format('schema %%I', nspname), concat(oid, ' ', xmin) FROM pg_namespace
    WHERE nspname <> %s AND nspname !~ '^pg_'
UNION ALL SELECT format('extension %%I', extname), concat(oid, ' ', xmin) FROM pg_extension
UNION ALL SELECT format('event trigger %%I', evtname), concat(oid, ' ', xmin) FROM pg_event_trigger
UNION ALL SELECT format('role %%I', rolname), rolname FROM pg_roles
UNION ALL SELECT 'settings of roles or databases', concat(setdatabase, ' ', setrole, ' ', xmin) FROM pg_db_role_setting
UNION ALL SELECT format('contents of %%I.%%I', schemaname, relname), concat(n_tup_ins, ' ', n_tup_upd, ' ', n_tup_del)
    FROM pg_stat_xact_user_tables WHERE schemaname <> %s AND n_tup_ins + n_tup_upd + n_tup_del > 0
"""
_PATH = """
SELECT set_config('search_path', concat_ws(', ', quote_ident(%s), 'public', (
    SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = 'vector' AND nspname <> 'public')), true)
"""
# Run by PL/pgSQL, which refuses COMMIT and ROLLBACK: a file cannot end the transaction that it is run in.
_SCRIPT = "SELECT set_config('packhorse.script', %s, true)"
_RUN = "DO $$ BEGIN EXECUTE current_setting('packhorse.script'); END $$"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file; `checksum` is the SHA-256 of its text with line feeds as line ends."""

    number: int
    name: str
    text: str
    checksum: str


@dataclass(frozen=True, slots=True)
class PluginMigrations:
    """The migrations of one plugin, in order; `plugin` is its name and that of its schema."""

    plugin: str
    migrations: tuple[Migration, ...]

    @classmethod
    def read(cls, plugin: str, folder: Traversable) -> PluginMigrations:
        """Read a plugin's folder of migrations; other files than `*.sql` are left alone.

        Raises:
            ConfigurationError: a name is malformed, a number is missing or taken twice, or a file is not UTF-8.
        """
        if not _PLUGIN.fullmatch(plugin) or plugin in _TAKEN or plugin.startswith("pg_"):
            raise ConfigurationError(f"{plugin!r} cannot be the name of a plugin's database schema.")
        try:
            files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda f: f.name)
        except OSError as error:
            raise ConfigurationError(f"The migrations of the plugin {plugin} cannot be read from {folder}.") from error
        found = sorted((_read(plugin, file) for file in files), key=lambda migration: migration.number)
        for expected, migration in enumerate(found, start=1):
            if migration.number != expected:
                what = "is missing" if migration.number > expected else "exists twice"
                number = min(expected, migration.number)
                raise ConfigurationError(
                    f"Migration {number:04} of the plugin {plugin} {what} (at {migration.name}).",
                    remedy="Number the files of a plugin from 0001 on without gaps.",
                )
        return cls(plugin, tuple(found))


async def migrate(database: Database, plugin: PluginMigrations) -> list[str]:
    """Bring one plugin's schema up to date and return the names of the files that were run.

    Each file is one transaction; those before a failing one stay. Processes that start together run each file once.

    Raises:
        ConflictError: a file that was run has been changed or removed, or the database is newer than the plugin.
        ConfigurationError: a file reaches outside of the plugin's schema.
        DatabaseError: a file failed; the message names it.
    """
    # Without anything to do, which is nearly always, no lock is taken.
    pending = await _read_pending(database, plugin)
    return [migration.name for migration in pending if await _apply(database, plugin, migration)]


async def migrate_core(database: Database) -> bool:
    """Create the extension and the ledger if they are missing; True when the extension was created.

    Raises:
        DatabaseUnavailableError: the extension is not installed on the server, or may not be created by this user.
    """
    async with database.connection() as connection:
        extension, ledger = await (await connection.execute(_CORE_READY)).fetchone() or (False, False)
    if extension and ledger:
        return False
    try:
        async with database.connection(deadline=SECONDS) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            await _create_extension(database, connection)
            # The tables of several statements are made with the right owner or not at all.
            await connection.execute(_CORE)
    except psycopg.Error as error:
        raise DatabaseUnavailableError(
            f"The database cannot be prepared ({database.address.display}): {failures.first_line(error)}.",
            remedy="Let DATABASE_URL name a user who owns the database.",
        ) from error
    return not extension


async def _create_extension(database: Database, connection: AsyncConnection[Any]) -> None:
    where = database.address.display
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL client_min_messages = error")
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
    except pg.InsufficientPrivilege:
        raise DatabaseUnavailableError(
            f"The database lacks the extension vector, and this user may not create it ({where}).",
            remedy="Run `CREATE EXTENSION vector` there as a superuser.",
        ) from None
    except (pg.FeatureNotSupported, pg.UndefinedFile):
        raise DatabaseUnavailableError(
            f"The server has no pgvector ({where}).",
            remedy="Install pgvector 0.8 or newer there, or unset DATABASE_URL to use the embedded PostgreSQL.",
        ) from None


async def _read_pending(database: Database, plugin: PluginMigrations) -> list[Migration]:
    async with database.connection() as connection:
        return _pending(plugin, await (await connection.execute(_FIND, (plugin.plugin,))).fetchall())


async def _apply(database: Database, plugin: PluginMigrations, migration: Migration) -> bool:
    """Run one file unless another process has; True when it was run here."""
    clock = asyncio.get_running_loop().time
    until = clock() + SECONDS
    while True:
        try:
            async with database.connection(deadline=SECONDS) as connection:
                if await _try_to_run(connection, plugin, migration):
                    return True
            await asyncio.sleep(_POLL_SECONDS)
        except (DatabaseUnavailableError, DatabaseTimeoutError):
            raise
        except (psycopg.Error, DatabaseError) as error:
            # Another process may have been ahead by less than our snapshot could show, or have written what the
            # file changes: then it is done, or worth another try.
            if migration in await _read_pending(database, plugin) and not isinstance(error, pg.SerializationFailure):
                raise _failed(plugin, migration, error) from error
        if migration not in await _read_pending(database, plugin):
            return False
        if clock() > until:
            raise DatabaseTimeoutError(
                f"Another process has been migrating the database for more than {SECONDS:.0f} s.",
                remedy="See whether a packhorse process hangs, end it and try again.",
            )


async def _try_to_run(connection: AsyncConnection[Any], plugin: PluginMigrations, migration: Migration) -> bool:
    """Run one file if no other process migrates at this moment, and if none of those before it is missing."""
    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    locked = await (await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))).fetchone()
    if not locked or not locked[0]:
        return False
    applied = await (await connection.execute(_FIND, (plugin.plugin,))).fetchall()
    if migration not in _pending(plugin, applied)[:1]:
        return False
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.execute("SET LOCAL client_min_messages = error")
    await connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(plugin.plugin)))
    await connection.execute(_PATH, (plugin.plugin,))
    await connection.execute(_SCRIPT, (migration.text,))
    before = await _outside(connection, plugin.plugin)
    if migration.text.strip():
        await connection.execute(_RUN)
    changed = sorted(before ^ await _outside(connection, plugin.plugin))
    if changed:
        raise ConfigurationError(
            f"The migration {migration.name} of the plugin {plugin.plugin} reaches outside of the schema "
            f"{plugin.plugin}: it changes the {changed[0][0]}.",
            remedy="Nothing of it was kept. A plugin's migrations may change only its own schema.",
        )
    await connection.execute(_RECORD, (plugin.plugin, migration.number, migration.name, migration.checksum))
    return True


async def _outside(connection: AsyncConnection[Any], plugin: str) -> set[tuple[str, str]]:
    cursor = await connection.execute(_OUTSIDE, (plugin, plugin, plugin))
    return {(name, version) for name, version in await cursor.fetchall()}


def _failed(plugin: PluginMigrations, migration: Migration, error: Exception) -> DatabaseError:
    reason = error.message.rstrip(".") if isinstance(error, DatabaseError) else failures.first_line(error)
    return DatabaseError(
        f"The migration {migration.name} of the plugin {plugin.plugin} failed: {reason}.",
        remedy="Nothing of it was kept. Report it to the plugin's author; the other plugins go on.",
    )


def _pending(plugin: PluginMigrations, applied: Sequence[tuple[Any, ...]]) -> list[Migration]:
    known = {migration.number: migration for migration in plugin.migrations}
    for number, name, checksum in applied:
        migration = known.get(number)
        if migration is None and number > len(known):
            raise ConflictError(
                f"The database is newer than the installed plugin {plugin.plugin}: it has had the migration {name}, "
                f"and the plugin ends at {len(known):04}.",
                remedy=f"Upgrade the plugin {plugin.plugin}, or use another database.",
            )
        if migration is None or migration.checksum != checksum:
            raise ConflictError(
                f"The migration {name} of the plugin {plugin.plugin} was run on this database and has been "
                f"{'removed' if migration is None else 'changed'} since.",
                remedy="Restore the file as it was; a change goes into a new file with the next number.",
            )
    done = {number for number, _, _ in applied}
    return [migration for migration in plugin.migrations if migration.number not in done]


def _read(plugin: str, file: Traversable) -> Migration:
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise ConfigurationError(
            f"The migration {file.name!r} of the plugin {plugin} is misnamed.", remedy="Name it like 0001_tables.sql."
        )
    try:
        text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The migration {file.name} of the plugin {plugin} is not UTF-8 text.") from error
    return Migration(int(match[1]), file.name, text, hashlib.sha256(text.encode()).hexdigest())
