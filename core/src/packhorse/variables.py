"""The environment variables and the `.env` file that settings are read from, and the check for unknown ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from platformdirs import user_config_path

from packhorse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "PACKHORSE_"
ENV_FILE = "PACKHORSE_ENV_FILE"
LARGEST_ENV_FILE = 1_000_000  # bytes; what is larger is no settings file
RESERVED_PREFIXES = ("PACKHORSE_TEST_",)
RESERVED_NAMES = frozenset({ENV_FILE, "PACKHORSE_RELEASE"})


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable as it was found; `source` is `environment` or the path of the `.env` file."""

    name: str
    value: str
    source: str


def env_file() -> Path | None:
    """Return the `.env` file to read: the one that PACKHORSE_ENV_FILE names, else the user's, else None.

    The working directory's `.env` is never read by itself: it belongs to whatever repository the client was started
    in.

    Raises:
        ConfigurationError: PACKHORSE_ENV_FILE names no file.
    """
    named = os.environ.get(ENV_FILE)
    if named:
        path = Path(named).expanduser().absolute()
        if not path.is_file():
            raise ConfigurationError(
                f"{ENV_FILE} names {path}, which is not a file.",
                remedy=f"Write the absolute path of an existing file, or unset {ENV_FILE}.",
            )
        return path
    path = user_config_path("packhorse") / ".env"
    return path if path.is_file() else None


def read_variables() -> dict[str, Variable]:
    """Return the variables by upper-case name; the environment wins over the file, and an empty one stays empty.

    Raises:
        ConfigurationError: the `.env` file is missing or cannot be read.
    """
    found: dict[str, Variable] = {}
    path = env_file()
    if path is not None:
        try:
            # Not interpolated: a password may contain `${`.
            values = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"The settings file {path} cannot be read: {error}.", remedy="It must be UTF-8 text that you may read."
            ) from error
        for name, value in values.items():
            found[name.upper()] = Variable(name, value or "", str(path))
    for name, value in os.environ.items():
        found[name.upper()] = Variable(name, value, "environment")
    return found


def check_names(known: Iterable[str], open_prefixes: Iterable[str], variables: Mapping[str, Variable]) -> None:
    """Refuse variables that begin with `PACKHORSE_` and that nothing reads.

    Args:
        known: the names that somebody reads.
        open_prefixes: prefixes whose variables cannot be judged, because their plugin is not loaded.
        variables: what was found.

    Raises:
        ConfigurationError: naming each unknown variable, where it stands and the nearest known name.
    """
    names = set(known) | RESERVED_NAMES
    passing = (*RESERVED_PREFIXES, *open_prefixes)
    unknown = [
        variable
        for name, variable in sorted(variables.items())
        if name.startswith(PREFIX) and name not in names and not name.startswith(passing)
    ]
    if not unknown:
        return
    sentences = []
    for variable in unknown:
        place = "in the environment" if variable.source == "environment" else f"in {variable.source}"
        # Compared without the prefix, which would make everything alike.
        rests = sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
        near = get_close_matches(variable.name.upper().removeprefix(PREFIX), rests, n=1, cutoff=0.6)
        hint = f", did you mean {PREFIX + near[0]}?" if near else "."
        sentences.append(f"{variable.name} ({place}) is not a setting{hint}")
    raise ConfigurationError(
        " ".join(sentences),
        remedy="Correct or unset it; `packhorse config` lists every setting.",
        unknown=[variable.name for variable in unknown],
    )


def unread_env_file() -> Path | None:
    """Return the working directory's `.env` when it holds `PACKHORSE_` names but is not the one that is read."""
    try:
        path = Path.cwd() / ".env"
        if not path.is_file() or path.stat().st_size > LARGEST_ENV_FILE or path == env_file():
            return None
        names = [line.removeprefix("export ").lstrip() for line in path.read_text("utf-8", "replace").splitlines()]
    except (OSError, ConfigurationError):
        return None
    return path if any(name.startswith(PREFIX) for name in names) else None
