"""DATABASE_URL in the dresses that people and tools write it in."""

from __future__ import annotations

import pytest

from packhorse.database import url
from packhorse.errors import ConfigurationError

pytestmark = pytest.mark.unit
PLAIN = {"user": "me", "password": "pw", "host": "db", "port": "5433", "dbname": "code"}


@pytest.mark.parametrize(
    "scheme",
    ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2", "POSTGRESQL"],
)
def test_every_common_scheme_means_the_same(scheme: str) -> None:
    assert url.parse(f"  {scheme}://me:pw@db:5433/code\n") == PLAIN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("?ssl=require", {"sslmode": "require"}),
        ("?ssl=true", {"sslmode": "require"}),
        ("?ssl=false", {"sslmode": "disable"}),
        ("?ssl=verify-full", {"sslmode": "verify-full"}),
        ("?sslmode=verify-ca&sslrootcert=%2Fca.pem", {"sslmode": "verify-ca", "sslrootcert": "/ca.pem"}),
        ("?timeout=3", {"connect_timeout": "3"}),
        ("?database=other", {"dbname": "other"}),
        ("?statement_cache_size=0&prepared_statement_cache_size=0&pgbouncer=true", {}),
        ("?application_name=mine", {"application_name": "mine"}),
    ],
)
def test_options_of_other_drivers_are_translated_or_left_out(text: str, expected: dict[str, str]) -> None:
    assert url.parse(f"postgresql://me:pw@db:5433/code{text}") == PLAIN | expected


@pytest.mark.parametrize(
    ("written", "password"),
    [("p%40ss", "p@ss"), ("p@ss", "p@ss"), ("p:w", "p:w"), ("100%", "100%"), ("p%2Fw%3F%23", "p/w?#"), ("pä", "pä")],
)
def test_a_password_may_hold_any_character(written: str, password: str) -> None:
    assert url.parse(f"postgresql://me:{written}@db/code")["password"] == password


def test_everything_but_the_scheme_may_be_missing() -> None:
    assert url.parse("postgresql://") == {}
    assert url.parse("postgresql:///code") == {"dbname": "code"}
    assert url.parse("postgresql://me@/code") == {"user": "me", "dbname": "code"}


def test_sockets_ipv6_and_several_hosts_are_understood() -> None:
    assert url.parse("postgresql://%2Frun%2Fpg/code")["host"] == "/run/pg"
    assert url.parse("postgresql:///code?host=/run/pg")["host"] == "/run/pg"
    assert url.parse("postgresql://[::1]:5433/code") == {"host": "::1", "port": "5433", "dbname": "code"}
    several = {"host": "a,b", "port": "1,2", "dbname": "code"}
    assert url.parse("postgresql://a:1,b:2/code") == several
    assert url.parse("postgresql:///code?host=a:1&host=b:2") == several


def test_libpqs_own_form_is_understood() -> None:
    assert url.parse("host=db user=me password='p w'") == {"host": "db", "user": "me", "password": "p w"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("db.example.com", "no scheme"),
        ("mysql://me:secret-word@db/code", "an address of mysql"),
        ("sqlite:///code.db", "an address of sqlite"),
        ("postgresql+nodriver://me:secret-word@db/code", "driver nodriver"),
        ("postgresql://me:secret-word@db:port/code", "port is not a number"),
        ("postgresql://me:secret-word@db:70000/code", "port is not a number"),
        ("postgresql://me:secret-word@::1/code", "is not a host"),
        ("postgresql://me:secret-word@db/code#x", "%23"),
        ("postgresql://me:secret/word@db/code", "%2F"),
        ("postgresql://me:secret-word@db/code?nonsense=1", "nonsense"),
        ("postgresql://me:secret-word@db/code%00", "NUL"),
        ("host=db password=secret-word nonsense=1", "key=value"),
        ("host='db password=secret-word", "key=value"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason_and_without_the_password(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        url.parse(text)
    assert "secret" not in str(caught.value)
    assert "DATABASE_URL" in str(caught.value)


def test_the_address_is_described_without_its_password() -> None:
    assert url.describe(PLAIN) == "postgresql://me@db:5433/code"
    assert url.describe({}) == "postgresql://localhost"


def test_passwords_are_taken_out_of_text_however_they_are_written() -> None:
    parameters = {"password": "p@ss word", "sslpassword": "key-word"}
    for text in (
        "p@ss word",
        "p%40ss%20word",
        "key-word",
        "postgresql://u:other@h/d",
        "password=other",
        "PASSWORD = 'o t'",
    ):
        cleaned = url.redact(f"before {text} after", parameters)
        assert "***" in cleaned
        assert not {"p@ss", "p%40ss", "key-word", "other", "o t"} & set(cleaned.split())
    assert url.redact("nothing secret") == "nothing secret"
