"""Migrations: well named, in the plugin's own schema only, and without what outlives or escapes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.authoring.check.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.authoring.check.facts import Facts
    from packhorse.authoring.check.target import Target

_FILE = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
_NAME = r'("(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
_QUALIFIED = re.compile(
    r"\b(?P<verb>TABLE|INDEX|VIEW|FUNCTION|PROCEDURE|AGGREGATE|TYPE|DOMAIN|SEQUENCE|TRIGGER|INTO|UPDATE|FROM|JOIN|ON|"
    rf"REFERENCES|TRUNCATE|POLICY|COPY)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:ONLY\s+)?{_NAME}\s*\.\s*{_NAME}",
    re.IGNORECASE,
)
_READS = frozenset({"FROM", "JOIN"})
_ROWS = frozenset({"new", "old", "excluded"})
_NO_TABLE = re.compile(r"\b(?:DISTINCT|(?:EXTRACT|SUBSTRING|TRIM|OVERLAY)\s*\([^()]*?)\s*\Z", re.IGNORECASE)
_SYSTEM = frozenset({"pg_catalog", "information_schema"})
_FORBIDDEN = (
    (r"\b(?:CREATE|DROP|ALTER)\s+(?:ROLE|USER|GROUP)\b", "roles belong to the whole server"),
    (r"\b(?:CREATE|DROP|ALTER)\s+(?:DATABASE|TABLESPACE|SERVER|SUBSCRIPTION|PUBLICATION)\b", "it is not the schema's"),
    (r"\b(?:CREATE|DROP|ALTER)\s+EXTENSION\b", "extensions belong to the whole database"),
    (r"\b(?:CREATE|DROP|ALTER)\s+SCHEMA\b", "the host creates the plugin's schema"),
    (r"\b(?:CREATE|DROP|ALTER)\s+EVENT\s+TRIGGER\b", "event triggers act on every schema"),
    (r"\bALTER\s+(?:SYSTEM|DEFAULT\s+PRIVILEGES)\b", "it changes more than the schema"),
    (r"\bSET\s+(?:LOCAL\s+|SESSION\s+)?(?:search_path|ROLE|SESSION\s+AUTHORIZATION)\b", "the host sets it"),
    (r"\bPROGRAM\s+'", "COPY … PROGRAM runs a program on the server"),
    (r"\bSECURITY\s+DEFINER\b", "it acts with its owner's rights for everyone"),
    (r"\b(?:GRANT|REVOKE)\b", "rights are the database owner's to give"),
)
_REMEDY = "Keep to objects in the plugin's own schema; what it needs beyond goes into the README."
_PUBLIC_DDL = frozenset({"TABLE", "VIEW", "FUNCTION", "PROCEDURE", "TYPE", "DOMAIN", "SEQUENCE", "INTO", "UPDATE"})
_TRANSACTION = re.compile(r"(?:^|;)\s*(BEGIN|COMMIT|ROLLBACK|VACUUM)\b|\bCONCURRENTLY\b", re.IGNORECASE)
# What a statement only quotes is not what it does: comments, strings, and dollar-quoted bodies.
_QUOTED = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)


def check(target: Target, facts: Facts) -> Iterator[Finding]:
    """Yield what a migration must not do."""
    for folder in facts.migrations:
        paths = sorted(Path(folder).glob("*")) if Path(folder).is_dir() else []
        if not paths:
            yield Finding("migration", "error", f"{folder} has no migrations.", "Add 0001_….sql.", folder)
        for path in paths:
            if path.suffix == ".sql" and not _FILE.fullmatch(path.name):
                message = f"{path.name} is not named as a migration."
                yield Finding("migration", "error", message, "Call it such as 0002_add_labels.sql.", str(path))
            elif path.suffix == ".sql":
                yield from _of_file(path, target.name)


def _of_file(path: Path, schema: str) -> Iterator[Finding]:
    text = path.read_text("utf-8", "replace")
    # Blanked, not cut out, so that positions stay; the bodies of functions run too and are kept.
    code = _QUOTED.sub(_blank, text)

    def finding(position: int, message: str, remedy: str = _REMEDY) -> Finding:
        return Finding("migration", "error", message, remedy, str(path), text.count("\n", 0, position) + 1)

    for match in _QUALIFIED.finditer(code):
        verb, owner = match["verb"].upper(), match[2].strip('"')
        owner = owner if match[2].startswith('"') else owner.lower()
        if verb == "FROM" and _NO_TABLE.search(code, 0, match.start()):
            continue
        if (
            owner in _ROWS
            or owner == schema
            or (verb in _READS and owner in _SYSTEM)
            or (owner == "public" and verb not in _PUBLIC_DDL)
        ):
            continue
        if verb == "ON" and owner != "public" and not _is_index(code, match.start()):
            continue  # the alias of a table in a join's condition
        what = f"{owner}.{match[3]}"
        yield finding(match.start(), f"{verb} {what} reaches out of the schema {schema}.")
    for pattern, why in _FORBIDDEN:
        for match in re.finditer(pattern, code, re.IGNORECASE):
            yield finding(match.start(), f"{' '.join(match[0].split())}: {why}.")
    for match in _TRANSACTION.finditer(_QUOTED.sub(lambda one: re.sub(r"[^\n]", " ", one[0]), text)):
        word = (match[1] or "CONCURRENTLY").upper()
        yield finding(match.start(), f"{word} cannot run inside the migration's transaction.", "Take it out.")


def _is_index(code: str, position: int) -> bool:
    statement = code[:position].rpartition(";")[2]
    return re.match(r"\s*CREATE\s+(?:UNIQUE\s+)?(?:INDEX|TRIGGER|POLICY|RULE)\b", statement, re.IGNORECASE) is not None


def _blank(match: re.Match[str]) -> str:
    body = match[0]
    if body.startswith("$"):
        return body
    kept = "'" if body.startswith("'") else " "  # that a string begins tells COPY … PROGRAM
    return kept + "".join(c if c == "\n" else " " for c in body[1:])
