"""Passwords that are recognised by where they stand: in URLs, headers, command lines and connection strings."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING

from packhorse_indexing.secrets.model import Span
from packhorse_indexing.secrets.plausible import is_password, is_template, is_token

if TYPE_CHECKING:
    from collections.abc import Iterator

_URL = re.compile(
    r"://([^\s/:@\"'`<>?#]{0,200}):(?!\d{1,5}/)([^\s/@\"'`<>]{3,300}(?:/[^\s/@\"'`<>.]{1,100}){0,2})@[\w\[.%${-]"
)
_BEARER = re.compile(r"[Bb](?:earer|EARER)[\s\"',:+]{1,10}([A-Za-z0-9._~+/=:-]{16,4096})")
_BASIC = re.compile(r"[Bb](?:asic|ASIC)[\s\"',:+]{1,10}([A-Za-z0-9+/]{8,2048}={0,2})")
_DOCKER = re.compile(r"auth\\{0,3}[\"']\s{0,8}:\s{0,8}\\{0,3}[\"']([A-Za-z0-9+/]{8,2048}={0,2})")
_THIN = re.compile(r"(?:thin|oci8?):([\w$#.-]{1,80})/([^\s@\"'/]{3,100})@", re.IGNORECASE)
_IDENTIFIED = re.compile(
    r"ntified\s{1,4}by\s{1,4}(?:password\s{1,4})?\\{0,3}[\"'`]([^\s\"'`]{4,200})[\"'`]", re.IGNORECASE
)
_USER_OPTION = re.compile(r"(?:-u|--us\w{0,2})[ =]{1,2}[\"']?[\w.@+-]{1,80}:([^\s\"'@]{4,200})")
_USER_COMMAND = re.compile(r"\b(?:curl|http|https|wget|ab|smbclient|rclone)\b")
_PASSWORD_OPTION = re.compile(r" -p[ =]?[\"']?([^\s\"'-][^\s\"']{4,200})")
_PASSWORD_COMMAND = re.compile(r"\b(?:login|sshpass|mysql\w*|mariadb\w*|mongo\w*|redis-cli|smbclient)\b")
_NETRC = re.compile(r"\b(?:machine\s{1,8}\S{1,200}|default)\s{1,8}login\s{1,8}\S{1,200}\s{1,8}$")
_NETRC_PASSWORD = re.compile(r"password\s{1,8}([^\s\"'`]{4,200})")
_LINE = 300
_STRING = r"\\{0,3}[\"'`][^\"'`\n]{0,200}[\"'`]"
_AUTH_PAIR = re.compile(
    rf"auth\w{{0,20}}\s{{0,4}}=?\s{{0,4}}\(\s{{0,20}}{_STRING}\s{{0,4}},\s{{0,20}}[\"'`]([^\s\"'`]{{4,200}})[\"'`]",
    re.IGNORECASE,
)
_CONNECTION = re.compile(
    rf"getConnection\([^,()]{{1,300}},\s{{0,40}}{_STRING}\s{{0,4}},\s{{0,40}}\"([^\s\"]{{4,200}})\""
)
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])")


def find_url(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the password of a URL's user part."""
    match = _URL.match(text, at)
    if match is None:
        return
    password = match[2]
    if not is_template(password) and (is_password(password) or is_token(password, 12)):
        yield Span(*match.span(2), "url-password")


def find_bearer(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the token after `Bearer`."""
    match = _BEARER.match(text, at)
    if match is not None and is_token(match[1], 16):
        yield Span(*match.span(1), "bearer-token")


def find_basic(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the encoded `user:password` after `Basic`."""
    yield from _find_pair(_BASIC, text, at, "basic-credentials")


def find_docker(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the encoded `user:password` of a registry in a Docker configuration."""
    yield from _find_pair(_DOCKER, text, at, "docker-credentials")


def _find_pair(pattern: re.Pattern[str], text: str, at: int, kind: str) -> Iterator[Span]:
    match = pattern.match(text, at)
    if match is None:
        return
    encoded = match[1].rstrip("=")
    whole = encoded[:-1] if len(encoded) % 4 == 1 else encoded
    pair = b64decode(whole + "=" * (-len(whole) % 4)).decode("utf-8", "replace")
    user, colon, password = pair.partition(":")
    if (
        colon
        and "\ufffd" not in pair
        and user.isprintable()
        and password.isprintable()
        and (is_password(password) or is_token(password, 12))
    ):
        yield Span(*match.span(1), kind)


def find_auth_pair(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the password of `auth=("user", "password")` and `BasicAuth("user", "password")`."""
    yield from _find_password(_AUTH_PAIR.match(text, at), 1, "password")


def find_connection(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the password of JDBC's `getConnection(url, "user", "password")`."""
    yield from _find_password(_CONNECTION.match(text, at), 1, "password")


def find_aws_secret(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the secret key that stands within a few lines of its access key, whatever it is called."""
    if len(text[at : at + 20].encode()) == len(text[at : at + 20]) and text[at : at + 4].isupper():
        for match in _AWS_SECRET.finditer(text, at + 20, at + 20 + _LINE):
            if is_token(match[0], 40) and not match[0].isupper() and not match[0].islower():
                yield Span(*match.span(), "aws-secret-key")


def find_thin(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the password of an Oracle address, `thin:user/password@`."""
    yield from _find_password(_THIN.match(text, at), 2, "url-password")


def find_identified(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the password of SQL's `IDENTIFIED BY`."""
    yield from _find_password(_IDENTIFIED.match(text, at), 1, "password")


def find_user_option(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the password of `curl -u user:password`."""
    if _command_before(_USER_COMMAND, text, at):
        yield from _find_password(_USER_OPTION.match(text, at), 1, "command-password")


def find_password_option(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the password of `mysql -p…` and its like."""
    if _command_before(_PASSWORD_COMMAND, text, at):
        yield from _find_password(_PASSWORD_OPTION.match(text, at), 1, "command-password")


def find_netrc(text: str, at: int, _language: str) -> Iterator[Span]:
    """Yield the password of an entry like those of `.netrc`."""
    match = _NETRC_PASSWORD.match(text, at)
    if match is not None and _NETRC.search(text[max(at - _LINE, 0) : at]) and not is_template(match[1]):
        yield Span(*match.span(1), "password")


def _command_before(command: re.Pattern[str], text: str, at: int) -> bool:
    window = text[max(at - _LINE, 0) : at]
    return command.search(window, window.rfind("\n") + 1) is not None


def _find_password(match: re.Match[str] | None, group: int, kind: str) -> Iterator[Span]:
    if match is not None and (is_password(match[group]) or is_token(match[group], 12)):
        yield Span(*match.span(group), kind)
