"""Writing the folder of a new plugin from the templates that come with the package."""

from __future__ import annotations

import keyword
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING
from uuid import uuid4

import packhorse
from packhorse.discovery import NAME, RESERVED
from packhorse.errors import ConflictError, InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable
    from pathlib import Path

OURS = frozenset({"indexing", "search", "tasks"})
SUFFIX = ".template"
_MARK = re.compile(r"«(\w+)»")
_LONGEST = 32


@dataclass(frozen=True, slots=True)
class Names:
    """All the names that follow from a plugin's."""

    name: str

    @property
    def distribution(self) -> str:
        """What `pip install` takes, and the folder's name."""
        return f"packhorse-{self.name.replace('_', '-')}"

    def marks(self) -> dict[str, str]:
        """Return what stands for each mark in a template."""
        major, minor, *_ = packhorse.__version__.split(".")
        return {
            "name": self.name,
            "distribution": self.distribution,
            "package": f"packhorse_{self.name}",
            "prefix": f"PACKHORSE_{self.name.upper()}_",
            "range": f">={major}.{minor},<{major}.{int(minor) + 1}",
            "year": str(datetime.now(UTC).year),
        }


def names(given: str) -> Names:
    """Return the names of a plugin that a user calls `notes`, `git-history` or `packhorse-notes`.

    Raises:
        InvalidInputError: it cannot be a plugin's name; the message says why.
    """
    name = given.strip().removeprefix("packhorse-").replace("-", "_")
    if not NAME.fullmatch(name) or "__" in name or name.endswith("_") or keyword.iskeyword(name):
        raise InvalidInputError(
            f"{given!a} is no plugin name: 1 to {_LONGEST} lower-case letters a-z, digits and single - in between, "
            "beginning with a letter.",
            remedy="Choose one such as git-history; the distribution is then called packhorse-git-history.",
        )
    if name in RESERVED | OURS or name.startswith("pg_"):
        raise InvalidInputError(
            f"The name {name} is taken: its schema, its settings or its distribution would collide with Packhorse's.",
            remedy="Choose another name.",
        )
    return Names(name)


def new_plugin(given: str, parent: Path) -> Path:
    """Write the folder `packhorse-NAME` into `parent` and return it; it is there complete or not at all.

    Raises:
        InvalidInputError: `given` is no name for a plugin, or `parent` no folder.
        ConflictError: the folder exists already.
        UnavailableError: it cannot be written; nothing of it remains.
    """
    chosen = names(given)
    folder = parent.expanduser().absolute() / chosen.distribution
    if not folder.parent.is_dir():
        raise InvalidInputError(f"{folder.parent} is not a folder.", remedy="Create it first.")
    if folder.exists() or folder.is_symlink():
        raise ConflictError(f"{folder} exists already.", remedy="Choose another name, or move it away.")
    unfinished = folder.parent / f".{folder.name}-{uuid4().hex[:8]}"
    try:
        _write(chosen, unfinished)
        unfinished.rename(folder)
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _write(chosen: Names, folder: Path) -> None:
    marks = chosen.marks()
    for parts, template in _templates(files("packhorse.authoring") / "template"):
        path = folder.joinpath(*(_renamed(part, marks) for part in parts))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_MARK.sub(lambda mark: marks[mark[1]], template.read_text("utf-8")), "utf-8")


def _renamed(part: str, marks: dict[str, str]) -> str:
    """Return a file's name: dots at the beginning and the package's name are not in the templates' own names."""
    part = part.removesuffix(SUFFIX).replace("PACKAGE", marks["package"])
    return f".{part.removeprefix('dot-')}" if part.startswith("dot-") else part


def _templates(folder: Traversable, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for item in sorted(folder.iterdir(), key=lambda one: one.name):
        if item.is_dir():
            yield from _templates(item, (*above, item.name))
        elif item.name.endswith(SUFFIX):
            yield (*above, item.name), item
