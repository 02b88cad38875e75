"""Migrations: each file once, whoever starts first; nothing half, nothing changed afterwards, nothing outside."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from packhorse.database import Database, PluginMigrations, migrate
from packhorse.database import migrations as module
from packhorse.errors import (
    ConfigurationError,
    ConflictError,
    DatabaseError,
    DatabaseTimeoutError,
    DatabaseUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fix_database import OrdinaryServer
    from packhorse.settings import CoreSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(ordinary_server: OrdinaryServer) -> CoreSettings:
    with psycopg.connect(ordinary_server.url(), autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS migrated WITH (FORCE)")
        admin.execute("CREATE DATABASE migrated")
    return ordinary_server.settings(ordinary_server.url("migrated"))


@asynccontextmanager
async def opened(settings: CoreSettings) -> AsyncIterator[Database]:
    database = Database(settings)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def database(settings: CoreSettings) -> AsyncIterator[Database]:
    async with opened(settings) as database:
        yield database


async def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    async with database.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()


def write(folder: Path, **files: str) -> PluginMigrations:
    for name, text in files.items():
        (folder / f"{name.lstrip('m')}.sql").write_text(text)
    return PluginMigrations.read("notes", folder)


async def test_files_run_in_order_in_the_plugins_own_schema(database: Database, tmp_path: Path) -> None:
    plugin = write(
        tmp_path,
        m0001_tables="CREATE TABLE note (id int, embedding halfvec(3));",
        m0002_rows="INSERT INTO note VALUES (1, '[1,2,3]'); INSERT INTO note VALUES (2, NULL);",
    )
    assert await migrate(database, plugin) == ["0001_tables.sql", "0002_rows.sql"]
    assert await rows(database, "SELECT id FROM notes.note ORDER BY id") == [(1,), (2,)]
    assert await migrate(database, plugin) == []
    write(tmp_path, m0003_more="ALTER TABLE note ADD COLUMN text text")
    assert await migrate(database, PluginMigrations.read("notes", tmp_path)) == ["0003_more.sql"]
    recorded = await rows(database, "SELECT plugin, number, name FROM packhorse.migration ORDER BY number")
    assert recorded == [("notes", n, f"000{n}_{name}.sql") for n, name in ((1, "tables"), (2, "rows"), (3, "more"))]


async def test_processes_that_start_together_run_each_file_once(settings: CoreSettings, tmp_path: Path) -> None:
    plugin = write(
        tmp_path,
        m0001_tables="SELECT pg_sleep(0.2); CREATE TABLE note (id int)",
        m0002_rows="INSERT INTO note VALUES (1)",
    )
    databases = [Database(settings) for _ in range(6)]
    await asyncio.gather(*(database.open() for database in databases))
    ran = await asyncio.gather(*(migrate(database, plugin) for database in databases))
    assert sorted(name for names in ran for name in names) == ["0001_tables.sql", "0002_rows.sql"]
    assert await rows(databases[0], "SELECT count(*) FROM notes.note") == [(1,)]
    await asyncio.gather(*(database.close() for database in databases))


async def test_a_file_that_fails_leaves_nothing_and_keeps_those_before_it(database: Database, tmp_path: Path) -> None:
    plugin = write(
        tmp_path,
        m0001_good="CREATE TABLE note (id int)",
        m0002_bad="CREATE TABLE half (id int); SELECT 1 / 0",
    )
    with pytest.raises(DatabaseError, match=r"0002_bad.sql of the plugin notes failed: division by zero"):
        await migrate(database, plugin)
    assert await rows(database, "SELECT relname FROM pg_class WHERE relnamespace = 'notes'::regnamespace") == [
        ("note",)
    ]
    write(tmp_path, m0002_bad="CREATE TABLE whole (id int)")
    assert await migrate(database, PluginMigrations.read("notes", tmp_path)) == ["0002_bad.sql"]


async def test_a_failure_of_the_database_names_the_file_too(database: Database, tmp_path: Path) -> None:
    text = "DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$"
    with pytest.raises(DatabaseError, match=r"0001_a.sql of the plugin notes failed: The disk of the database is full"):
        await migrate(database, write(tmp_path, m0001_a=text))
    with pytest.raises(DatabaseUnavailableError, match=r"was lost"):
        await migrate(database, write(tmp_path, m0001_a="SELECT pg_terminate_backend(pg_backend_pid())"))


async def test_a_file_whose_rows_another_process_changed_is_tried_again(database: Database, tmp_path: Path) -> None:
    await migrate(database, write(tmp_path, m0001_a="CREATE TABLE note (id int); INSERT INTO note VALUES (1)"))
    plugin = write(tmp_path, m0002_b="SELECT pg_sleep(0.4); UPDATE note SET id = id + 10")
    migrating = asyncio.create_task(migrate(database, plugin))
    await asyncio.sleep(0.2)
    async with database.connection() as connection:
        await connection.execute("UPDATE notes.note SET id = 2")
    assert await migrating == ["0002_b.sql"]
    assert await rows(database, "SELECT id FROM notes.note") == [(12,)]


async def test_a_file_that_was_run_and_then_changed_is_refused(database: Database, tmp_path: Path) -> None:
    await migrate(database, write(tmp_path, m0001_a="CREATE TABLE note (id int);\n"))
    (tmp_path / "0001_a.sql").write_bytes(b"\xef\xbb\xbfCREATE TABLE note (id int);\r\n")
    assert await migrate(database, PluginMigrations.read("notes", tmp_path)) == []
    with pytest.raises(ConflictError, match=r"0001_a.sql of the plugin notes was run .* changed since.*next number"):
        await migrate(database, write(tmp_path, m0001_a="CREATE TABLE note (id bigint);\n"))


async def test_a_database_newer_than_the_plugin_is_refused(database: Database, tmp_path: Path) -> None:
    await migrate(database, write(tmp_path, m0001_a="SELECT 1", m0002_b="SELECT 2"))
    (tmp_path / "0002_b.sql").unlink()
    with pytest.raises(ConflictError, match=r"newer than the installed plugin notes: .* 0002_b.sql.*Upgrade"):
        await migrate(database, PluginMigrations.read("notes", tmp_path))


async def test_a_ledger_with_a_gap_is_refused_as_a_removed_file(database: Database, tmp_path: Path) -> None:
    plugin = write(tmp_path, m0001_a="SELECT 1", m0002_b="SELECT 2")
    await migrate(database, plugin)
    with pytest.raises(ConflictError, match=r"0001_a.sql of the plugin notes was run .* removed since"):
        await migrate(database, PluginMigrations("notes", plugin.migrations[1:] * 2))


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("CREATE TABLE public.stray (id int)", "public.stray"),
        ("CREATE TABLE other.stray (id int)", "other.stray"),
        ("CREATE SCHEMA another", "schema another"),
        ("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function public.f"),
        ("CREATE TYPE public.mood AS ENUM ('good')", "type public._?mood"),
        ("ALTER TABLE other.kept ADD COLUMN more int", "other.kept"),
        ("ALTER TABLE other.kept ALTER COLUMN id SET DEFAULT 1", "other.kept"),
        ("CREATE INDEX ON other.kept (id)", "other.kept"),
        ("CREATE TABLE child (id int REFERENCES other.kept)", "other.kept"),
        ("DROP TABLE other.kept", "other.kept"),
        ("TRUNCATE other.kept", "other.kept"),
        ("DELETE FROM other.kept", "contents of other.kept"),
        ("INSERT INTO packhorse.migration VALUES ('search', 1, 'a', 'b')", "contents of packhorse.migration"),
        ("DO $$ BEGIN INSERT INTO other.kept VALUES (2); EXCEPTION WHEN others THEN NULL; END $$", "contents of"),
        ("CREATE ROLE intruder SUPERUSER", "role intruder"),
        ("DROP EXTENSION vector CASCADE", "extension vector"),
        ("ALTER ROLE packhorse SET search_path = notes", "settings of roles"),
    ],
)
async def test_a_file_that_reaches_outside_of_its_schema_is_refused(
    database: Database, tmp_path: Path, statement: str, what: str
) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE SCHEMA other; CREATE TABLE other.kept (id int PRIMARY KEY)")
        await connection.execute("INSERT INTO other.kept VALUES (1)")
    with pytest.raises(ConfigurationError, match=rf"0001_a.sql of the plugin notes reaches outside.*{what}"):
        await migrate(database, write(tmp_path, m0001_a=f"CREATE TABLE inside (id int); {statement}"))
    assert await rows(database, "SELECT id FROM other.kept") == [(1,)]
    assert await rows(database, "SELECT to_regclass('notes.inside')::text") == [(None,)]


async def test_a_file_cannot_end_its_transaction(database: Database, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"0001_a.sql of the plugin notes failed: EXECUTE of transaction commands"):
        await migrate(database, write(tmp_path, m0001_a="CREATE TABLE half (id int); COMMIT; SELECT 1 / 0"))
    assert await rows(database, "SELECT to_regclass('notes.half')::text") == [(None,)]


async def test_what_other_processes_do_meanwhile_is_not_taken_for_the_plugins_doing(
    database: Database, tmp_path: Path
) -> None:
    plugin = write(tmp_path, m0001_slow="CREATE TABLE note (id int); SELECT pg_sleep(0.5)")
    migrating = asyncio.create_task(migrate(database, plugin))
    await asyncio.sleep(0.2)
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE public.unrelated AS SELECT 1 AS n")
    assert await migrating == ["0001_slow.sql"]


async def test_waiting_for_another_process_ends(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.3)
    async with database.connection() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (module._LOCK,))
        with pytest.raises(DatabaseTimeoutError, match=r"Another process has been migrating"):
            await migrate(database, write(tmp_path, m0001_a="SELECT 1"))


async def test_an_empty_file_and_a_plugin_without_files_are_fine(database: Database, tmp_path: Path) -> None:
    assert await migrate(database, PluginMigrations.read("notes", tmp_path)) == []
    assert await migrate(database, write(tmp_path, m0001_a="\n")) == ["0001_a.sql"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["0001_a.sql", "0003_c.sql"], "0002 of the plugin notes is missing"),
        (["0002_b.sql"], "0001 of the plugin notes is missing"),
        (["0001_a.sql", "0001_b.sql"], "0001 of the plugin notes exists twice"),
        (["1_a.sql"], "'1_a.sql' of the plugin notes is misnamed.*0001_tables.sql"),
        (["0001_Ä.sql"], "is misnamed"),
    ],
)
def test_numbers_are_without_gaps_and_names_well_formed(tmp_path: Path, names: list[str], sentence: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    (tmp_path / "__init__.py").touch()
    with pytest.raises(ConfigurationError, match=sentence):
        PluginMigrations.read("notes", tmp_path)


def test_a_folder_that_cannot_be_read_and_text_in_another_encoding_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read"):
        PluginMigrations.read("notes", tmp_path / "nowhere")
    (tmp_path / "0001_a.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"0001_a.sql of the plugin notes is not UTF-8"):
        PluginMigrations.read("notes", tmp_path)


@pytest.mark.parametrize("name", ["packhorse", "public", "pg_notes", "a;b", 'a"b', "Notes", ""])
def test_names_that_are_no_schema_of_a_plugins_own_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be the name"):
        PluginMigrations.read(name, tmp_path)


async def test_a_plugin_may_have_the_name_of_a_keyword(database: Database, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE note (id int)")
    assert await migrate(database, PluginMigrations.read("order", tmp_path)) == ["0001_a.sql"]
    assert await rows(database, 'SELECT count(*) FROM "order".note') == [(0,)]
