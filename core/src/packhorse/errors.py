"""The errors that a person or an agent is meant to read.

Everything raised on purpose derives from `PackhorseError`: its message reaches the client of a tool and the user of
a command word for word, so it says what was wrong, names the value and says what to do next. Any other exception is
a defect; it is logged under an id and only the id is shown.
"""

from __future__ import annotations

from typing import Any, ClassVar


class PackhorseError(Exception):
    """An expected failure with a message for its reader.

    `code` is a stable word that programs may compare, `details` are JSON-serialisable facts about the failure
    (never secrets), and `remedy` is one sentence that says what to do next, or empty.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, remedy: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class ConfigurationError(PackhorseError):
    """A setting is missing, unknown or invalid; the process cannot start."""

    code = "configuration"


class InvalidInputError(PackhorseError):
    """An argument is well-formed but not acceptable: an unknown id, a path outside the allowed roots."""

    code = "invalid_input"


class NotFoundError(PackhorseError):
    """The thing that an argument names does not exist."""

    code = "not_found"


class ConflictError(PackhorseError):
    """The request contradicts the present state, which `details` describes."""

    code = "conflict"


class DatabaseError(PackhorseError):
    """The database refused or failed the request."""

    code = "database"


class DatabaseUnavailableError(DatabaseError):
    """No connection to the database could be had: no server, wrong password, no extension."""

    code = "database_unavailable"


class DatabaseTimeoutError(DatabaseError):
    """The database did not answer within the deadline."""

    code = "database_timeout"


class UnavailableError(PackhorseError):
    """A service beside the database, such as an embedding server, cannot be reached or refuses to work."""

    code = "unavailable"


class DeadlineError(UnavailableError):
    """A plugin's code did not answer within the host's deadline."""

    code = "deadline"


class PluginGoneError(UnavailableError):
    """The process of an isolated plugin ended, or could not be had, while it was to answer."""

    code = "plugin_gone"
