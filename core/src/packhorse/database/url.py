"""DATABASE_URL: reading it in every dress it is commonly written in, and keeping its password out of messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote

from packhorse import redaction
from packhorse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE = "postgresql://user:password@host:5432/database"

_DRIVERS = {"", "asyncpg", "pg8000", "psycopg", "psycopg2", "psycopg2cffi", "psycopg_async"}
_SECRETS = ("password", "sslpassword", "oauth_client_secret")
# Settings of other drivers and of poolers, which mean nothing to libpq.
_FOREIGN = {
    "async_fallback",
    "command_timeout",
    "connection_limit",
    "pgbouncer",
    "pool_timeout",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "statement_cache_size",
}
_SSL_MODES = {"true": "require", "1": "require", "on": "require", "false": "disable", "0": "disable", "off": "disable"}


def parse(url: str) -> dict[str, str]:
    """Return the libpq parameters that a DATABASE_URL means.

    Understood are URLs (`postgresql://`, `postgres://`, SQLAlchemy's `postgresql+driver://`, asyncpg's `ssl=`) and
    libpq's own `key=value` strings. Special characters in the password need no percent-encoding unless they end
    the host part (`/`, `?`, `#`).

    Raises:
        ConfigurationError: the text is no address of a PostgreSQL database; the message holds no password.
    """
    text = url.strip()
    scheme, separator, rest = text.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][\w+.-]*", scheme):
        return _parse_keywords(text)
    base, _, driver = scheme.lower().partition("+")
    if base not in {"postgres", "postgresql"}:
        raise _invalid(f"it is an address of {base}, and Packhorse needs PostgreSQL")
    if driver not in _DRIVERS:
        raise _invalid(f"the driver {driver} is not known")
    return _validated(_parse_rest(rest))


def describe(parameters: Mapping[str, Any]) -> str:
    """Return the address without its secrets, for messages: `postgresql://user@host:5432/database`."""
    user = f"{quote(str(parameters['user']))}@" if parameters.get("user") else ""
    host = str(parameters.get("host") or parameters.get("hostaddr") or "localhost")
    port = f":{parameters['port']}" if parameters.get("port") else ""
    database = f"/{quote(str(parameters['dbname']))}" if parameters.get("dbname") else ""
    return f"postgresql://{user}{host}{port}{database}"


def redact(text: str, parameters: Mapping[str, Any] | None = None) -> str:
    """Return `text` without secrets: those of `parameters` wherever they occur, and whatever looks like one."""
    for key in _SECRETS:
        secret = str((parameters or {}).get(key) or "")
        for form in {secret, quote(secret, safe=""), quote(secret)} - {""}:
            text = text.replace(form, redaction.MASK)
    return redaction.redact(text)


def _parse_keywords(text: str) -> dict[str, str]:
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    if not text:
        raise _invalid("it is empty")
    if "=" not in text:
        raise _invalid("it has no scheme such as postgresql://")
    try:
        parameters = conninfo_to_dict(text)
    except Error:
        # libpq's message quotes the piece it stumbled over, which may be the password.
        raise _invalid("it is neither a URL nor a list of key=value settings of libpq") from None
    return {key: str(value) for key, value in parameters.items() if value is not None}


def _parse_rest(rest: str) -> dict[str, str]:
    match = re.fullmatch(r"([^/?#]*)(?:/([^?#]*))?(?:\?([^#]*))?(#.*)?", rest, re.DOTALL)
    if match is None or match[4]:
        raise _invalid("a `#` in it must be written %23")
    authority, path, query = match[1], match[2] or "", match[3] or ""
    if "@" not in authority and "@" in rest and ":" in authority:
        raise _invalid("the characters / ? # in a password must be written %2F %3F %23")
    credentials, _, hosts = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    parameters = {"user": unquote(user), "password": unquote(password), "dbname": unquote(path)}
    parameters |= _parse_hosts(hosts)
    for key, value in parse_qsl(query, keep_blank_values=True):
        parameters |= _parse_option(key, value, parameters)
    return {key: value for key, value in parameters.items() if value}


def _parse_hosts(hosts: str) -> dict[str, str]:
    names, ports = [], []
    for item in hosts.split(",") if hosts else []:
        match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([^:]*))?", item)
        if match is None:
            raise _invalid(f"`{redact(item)}` is not a host; an IPv6 address is written in brackets")
        if match[2] and not (match[2].isascii() and match[2].isdigit() and 0 < int(match[2]) < 65536):  # noqa: PLR2004 the range of TCP ports
            raise _invalid("its port is not a number between 1 and 65535")
        names.append(unquote(match[1].strip("[]")))
        ports.append(match[2] or "")
    return {"host": ",".join(names), "port": ",".join(ports) if any(ports) else ""}


def _parse_option(key: str, value: str, parameters: Mapping[str, str]) -> dict[str, str]:
    if key in _FOREIGN:
        return {}
    if key == "ssl":
        return {"sslmode": _SSL_MODES.get(value.lower(), value)}
    if key == "timeout":
        return {"connect_timeout": value}
    if key == "database":
        return {"dbname": value}
    if key == "host" and value and not value.startswith(("/", "@")):
        # SQLAlchemy repeats `host=name:port` for several servers.
        parsed = _parse_hosts(value)
        before = parameters.get("host")
        return {k: f"{parameters.get(k, '')},{v}" if before else v for k, v in parsed.items() if v}
    return {key: value}


def _validated(parameters: dict[str, str]) -> dict[str, str]:
    from psycopg import Error
    from psycopg.conninfo import make_conninfo

    try:
        make_conninfo(**parameters)
    except Error as error:
        raise _invalid(redact(str(error).strip(), parameters)) from None
    for key, value in parameters.items():
        if "\0" in value:
            raise _invalid(f"its {key} contains a NUL character")
    return parameters


def _invalid(reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"DATABASE_URL is not usable: {reason}.",
        remedy=f"Write it as {EXAMPLE}, or unset it to use the embedded PostgreSQL.",
    )
