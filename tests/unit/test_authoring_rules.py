"""Specification of the rules that need no running plugin: blocking calls, SQL, the installed distribution."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from packhorse.authoring.check import blocking, leftovers, metadata, migrations, settings
from packhorse.authoring.check.facts import Facts
from packhorse.authoring.check.target import Target, resolve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.unit


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A plugin's folder with an empty module."""
    package = tmp_path / "packhorse_notes"
    package.mkdir()
    (package / "__init__.py").write_text("", "utf-8")
    project = {"name": "packhorse-notes", "dependencies": ["packhorse-core>=0.1,<0.2", "no requirement!"]}
    (tmp_path / "pyproject.toml").write_text("", "utf-8")
    return Target("notes", "packhorse_notes", project, tmp_path / "pyproject.toml", tmp_path, tmp_path)


BLOCKING = [
    ("import time\nasync def f():\n    time.sleep(1)\n", 3),
    ("from time import sleep as nap\nasync def f():\n    nap(1)\n", 3),
    ("async def f():\n    import requests\n    requests.get('x')\n", 3),
    ("import urllib.request\nasync def f():\n    urllib.request.urlopen('x')\n", 3),
    ("import urllib.request as r\nasync def f():\n    r.urlopen('x')\n", 3),
    ("import httpx\nasync def f():\n    with httpx.Client() as c:\n        pass\n", 3),
    ("import httpx\nasync def f():\n    return httpx.get('x').text\n", 3),
    ("import psycopg\nasync def f():\n    psycopg.connect('x')\n", 3),
    ("import subprocess\nasync def f():\n    if True:\n        subprocess.run(['x'])\n", 4),
    ("async def f(path):\n    return path.read_text()\n", 2),
    ("async def f():\n    with open('x') as file:\n        return file\n", 2),
    ("import os\ndef a():\n    os.system('x')\ndef b():\n    a()\nasync def f():\n    b()\n", 7),
    ("class A:\n    async def f(self):\n        async with x:\n            input()\n", 4),
]
HARMLESS = [
    "import time\ndef f():\n    time.sleep(1)\n",
    "import asyncio\nasync def f():\n    await asyncio.sleep(1)\n",
    "import asyncio, time\nasync def f():\n    await asyncio.to_thread(time.sleep, 1)\n",
    "import anyio\nasync def f(path):\n    return await anyio.Path(path).read_text()\n",
    "import asyncio\nasync def f():\n    def g():\n        return open('x')\n    await asyncio.to_thread(g)\n",
    "import httpx\nasync def f():\n    async with httpx.AsyncClient() as c:\n        return await c.get('x')\n",
    "def a():\n    yield open('x')\nasync def f():\n    return a()\n",
    "async def f(context):\n    async with context.database.connection() as c:\n        await c.execute('x')\n",
    "async def f(d):\n    return (lambda: open('x')), d['a'].b().c\n",
    "def this is no python",
]


@pytest.mark.parametrize(("source", "line"), BLOCKING)
def test_a_blocking_call_in_an_async_function_is_found_at_its_line(target: Target, source: str, line: int) -> None:
    (target.base / "packhorse_notes/__init__.py").write_text(source, "utf-8")
    (found,) = blocking.check(target, Facts())
    assert (found.line, found.rule) == (line, "blocking")
    assert found.remedy


@pytest.mark.parametrize("source", HARMLESS)
def test_what_does_not_block_is_not_found(target: Target, source: str) -> None:
    (target.base / "packhorse_notes/__init__.py").write_text(source, "utf-8")
    assert not list(blocking.check(target, Facts()))


def test_our_own_sources_hold_no_call_that_the_rule_would_miss() -> None:
    """The names in the table are such as an import can give."""
    for name in blocking._BLOCKING:
        ast.parse(f"{name}()")


@pytest.fixture
def review_sql(target: Target, tmp_path: Path) -> Callable[[str], list[tuple[int, str]]]:
    """Write a migration and return (line, message) of what is found."""
    folder = tmp_path / "migrations"
    folder.mkdir()

    def run(text: str) -> list[tuple[int, str]]:
        (folder / "0001_notes.sql").write_text(text, "utf-8")
        return [(one.line, one.message) for one in migrations.check(target, Facts(migrations=[str(folder)]))]

    return run


FORBIDDEN = [
    ("\nCREATE TABLE public.note (id int);", 2, "TABLE public.note"),
    ('CREATE TABLE "Other".note (id int);', 1, "Other.note"),
    ("CREATE TABLE note (task uuid REFERENCES tasks.task (id));", 1, "REFERENCES tasks.task"),
    ("CREATE INDEX i\nON indexing.chunk (id);", 2, "ON indexing.chunk"),
    ("INSERT INTO tasks.task (id) VALUES (1);", 1, "INTO tasks.task"),
    ("SELECT * FROM tasks.task;", 1, "FROM tasks.task"),
    ("SELECT * FROM note JOIN tasks . task USING (id);", 1, "JOIN tasks.task"),
    ("UPDATE ONLY tasks.task SET id = 1;", 1, "UPDATE tasks.task"),
    ("DO $$ BEGIN DROP TABLE IF EXISTS tasks.task; END $$;", 1, "TABLE tasks.task"),
    ("CREATE EXTENSION vector;", 1, "whole database"),
    ("create  role  someone;", 1, "whole server"),
    ("CREATE SCHEMA other;", 1, "the host creates"),
    ("SET search_path = public;", 1, "the host sets it"),
    ("SET LOCAL ROLE postgres;", 1, "the host sets it"),
    ("ALTER SYSTEM SET x = 1;", 1, "more than the schema"),
    ("COPY note FROM PROGRAM 'id';", 1, "runs a program"),
    ("GRANT ALL ON note TO PUBLIC;", 1, "GRANT"),
    ("CREATE INDEX CONCURRENTLY i ON note (id);", 1, "cannot run inside"),
    ("BEGIN; CREATE TABLE note (id int); COMMIT;", 1, "cannot run inside"),
]
ALLOWED = [
    "CREATE TABLE note (id int, v public.halfvec(4));",
    "CREATE TABLE notes.note (id int); CREATE INDEX i ON notes.note (id);",
    "SELECT * FROM pg_catalog.pg_class;",
    "-- CREATE EXTENSION vector\n/* FROM tasks.task */ SELECT 'INSERT INTO tasks.task';",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN RETURN new; END $body$;",
    "SELECT 1 WHERE old.a IS DISTINCT FROM new.a;",
    "SELECT extract(epoch FROM n.at) FROM note n;",
    "SELECT * FROM note a JOIN note b ON a.id = b.id;",
]


@pytest.mark.parametrize(("text", "line", "message"), FORBIDDEN)
def test_what_reaches_out_of_the_schema_is_found(review_sql, text: str, line: int, message: str) -> None:
    found = review_sql(text)
    assert [one for one in found if one[0] == line and message in one[1]], found


@pytest.mark.parametrize("text", ALLOWED)
def test_what_stays_inside_is_not_found(review_sql, text: str) -> None:
    assert review_sql(text) == []


def test_a_folder_of_migrations_is_well_formed(target: Target, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (found,) = migrations.check(target, Facts(migrations=[str(empty)]))
    assert "has no migrations" in found.message
    (empty / "1-first.sql").write_text("", "utf-8")
    (empty / "README.md").write_text("", "utf-8")
    (found,) = migrations.check(target, Facts(migrations=[str(empty)]))
    assert "1-first.sql is not named as a migration" in found.message


def test_a_requirement_that_cannot_be_read_is_found(target: Target) -> None:
    messages = [one.message for one in metadata.check(target, Facts())]
    assert "'no requirement!' is no valid requirement." in messages
    assert any("no py.typed" in message for message in messages)


@pytest.mark.parametrize(
    "source", ["os.environ['PACKHORSE_X']", "os.getenv('PACKHORSE_X')", "environ.get('PACKHORSE_X', '')"]
)
def test_a_variable_that_is_read_past_the_settings_is_found(target: Target, source: str) -> None:
    (target.base / "packhorse_notes/__init__.py").write_text(f"import os\nX = {source}\n", "utf-8")
    (found,) = settings.check(target, Facts())
    assert (found.line, found.severity) == (2, "warning")


@pytest.mark.parametrize("source", ["os.environ['HOME']", "os.environ.copy()", "d.get('PACKHORSE_X')", "os.environ[x]"])
def test_other_variables_are_not_found(target: Target, source: str) -> None:
    (target.base / "packhorse_notes/__init__.py").write_text(f"X = {source}\n", "utf-8")
    assert not list(settings.check(target, Facts()))


def test_writing_into_the_home_folder_is_advised_against(target: Target) -> None:
    source = "from pathlib import Path\nX = Path.home()\nY = user_data_path('x')\n"
    (target.base / "packhorse_notes/__init__.py").write_text(source, "utf-8")
    assert [(one.line, one.severity) for one in leftovers.check(target, Facts())] == [(2, "advice"), (3, "advice")]


def test_what_a_distribution_strews_over_site_packages_is_found(tmp_path: Path) -> None:
    """Tests beside the package are a warning, a start-up hook an error, its own files and scripts nothing."""
    files = (
        *("packhorse_notes/__init__.py", "packhorse_notes-1.0.dist-info/RECORD", "../../../bin/notes"),
        *("tests/test_notes.py", "notes.pth", "tests/__pycache__/test_notes.pyc"),
    )
    target = Target("notes", "packhorse_notes", {}, tmp_path / "packhorse-notes", tmp_path, files=files)
    found = {one.path.removeprefix(f"{tmp_path}/"): one.severity for one in leftovers.check(target, Facts())}
    assert found == {"tests/test_notes.py": "warning", "notes.pth": "error"}


def test_an_installed_pack_is_found_by_its_name_and_its_distribution(install, site: Path) -> None:
    """What the installed metadata says takes the place of pyproject.toml."""
    install("packhorse-good")
    for name in ("good", "packhorse-good", "Packhorse_Good"):
        (found,) = resolve(name)
        assert (found.name, found.module, found.distribution) == ("good", "packhorse_good", "packhorse-good")
        assert found.sources == [site / "packhorse_good.py"]
        assert found.line_of("x") == 0
        assert found.candidate().requires == ("packhorse-core>=0.1,<0.2",)
