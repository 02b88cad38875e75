"""Which URLs are cloned, where to, and which machines they may lead to."""

from __future__ import annotations

import socket
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from packhorse.errors import InvalidInputError, UnavailableError
from packhorse_indexing.clone.address import Address, is_url, parse
from packhorse_indexing.clone.network import is_public, public_addresses
from packhorse_indexing.settings import IndexingSettings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

HOSTS = ("github.com", "gitlab.com", "example.org:8443")


@pytest.mark.parametrize(
    "text",
    [
        "https://github.com/owner/project",
        "https://github.com/owner/project.git",
        "https://github.com/owner/project/",
        "HTTPS://GitHub.com:443/owner/project",
        "  https://github.com/owner/project ",
    ],
)
def test_the_forms_of_one_url_are_one_address(text: str) -> None:
    assert parse(text, HOSTS) == Address("github.com", 443, "owner/project")
    assert parse(text, HOSTS).url == "https://github.com/owner/project.git"


def test_a_port_is_part_of_what_is_allowed() -> None:
    assert parse("https://example.org:8443/a", HOSTS).url == "https://example.org:8443/a.git"
    with pytest.raises(InvalidInputError, match="not among the hosts"):
        parse("https://example.org/a", HOSTS)
    with pytest.raises(InvalidInputError, match="not among the hosts"):
        parse("https://github.com:8443/a/b", HOSTS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://github.com/owner/project", "Only https"),
        ("git://github.com/owner/project", "Only https"),
        ("ssh://git@github.com/owner/project", "Only https"),
        ("file:///etc", "Only https"),
        ("ext::id", "Only https"),
        ("https::https://github.com/owner/project", "Only https"),
        ("git@github.com:owner/project.git", "Did you mean https://github.com/owner/project.git"),
        ("https://user@github.com/owner/project", "user name or a password"),
        ("https://user:secret@github.com/owner/project", "user name or a password"),
        ("https://github.com@evil.example/owner/project", "user name or a password"),
        ("https://evil.example/owner/project", "not among the hosts"),
        ("https://github.com.evil.example/owner/project", "not among the hosts"),
        ("https://127.0.0.1/owner/project", "not among the hosts"),
        ("https://2130706433/owner/project", "not among the hosts"),
        ("https://[::1]/owner/project", "no host's name"),
        ("https://githüb.com/owner/project", "characters that none has"),
        ("https://github.com/owner/project\n--upload-pack=id", "characters that none has"),
        ("https://github.com/owner/pro ject", "characters that none has"),
        ("https://github.com/" + "a" * 600, "too long"),
        ("https://github.com/owner/project?x=1", "not the path"),
        ("https://github.com/owner/project#x", "not the path"),
        ("https://github.com/owner/%2e%2e/project", "not the path"),
        ("https://github.com/../project", "not the path"),
        ("https://github.com/-owner/project", "not the path"),
        ("https://github.com//project", "not the path"),
        ("https://github.com/own+er/project", "not the path"),
        ("https://github.com/", "not the path"),
        ("https://github.com", "not the path"),
        ("https://github.com/owner\\project", "not the path"),
        ("https://-x/owner/project", "no host's name"),
        ("https:///owner/project", "no host's name"),
        ("https://github.com:99999/owner/project", "no port"),
        ("https://github.com:/owner/project", "no port"),
        ("https://github.com/owner/project/tree/main", "Did you mean https://github.com/owner/project?"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(text: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse(text, HOSTS)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


def test_what_is_a_url_is_told_from_a_path() -> None:
    assert is_url("https://github.com/a/b")
    assert is_url("git@github.com:a/b.git")
    assert not is_url("/home/me/project")
    assert not is_url("project")


def test_no_clone_lies_in_another(tmp_path: Path) -> None:
    """Groups nest on some hosts: `a/b` and `a/b/c` are both repositories."""
    texts = ("a", "a/b", "a/b/c", "b/c", "b")
    folders = [Address("gitlab.com", 443, text).folder(tmp_path) for text in texts]
    folders.append(Address("gitlab.com", 8443, "a/b").folder(tmp_path))
    for one in folders:
        assert [other for other in folders if other.is_relative_to(one)] == [one]
        assert one.is_relative_to(tmp_path / "clones" / one.relative_to(tmp_path).parts[1])


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("140.82.121.4", True),
        ("2606:50c0:8000::153", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:140.82.121.4", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::8c52:7904", True),
        ("2002:7f00:1::", False),
    ],
)
def test_addresses_of_the_internet_are_told_from_all_others(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_name_that_leads_behind_our_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its name server says later: the addresses that were looked at are those that are connected to."""
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("140.82.121.4", 443)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    address = parse("https://github.com/owner/project", HOSTS)
    with pytest.raises(InvalidInputError, match=r"leads to 10\.0\.0\.1.*CLONE_PRIVATE"):
        public_addresses(address, allow_private=False)
    assert public_addresses(address, allow_private=True) == ["140.82.121.4", "10.0.0.1"]
    assert public_addresses(address, allow_private=True) == ["140.82.121.4", "10.0.0.1"]
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert public_addresses(address, allow_private=False) == [], "a proxy resolves the name itself"


def test_a_name_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(UnavailableError, match="cannot be found"):
        public_addresses(parse("https://github.com/owner/project", HOSTS), allow_private=False)


def test_the_hosts_are_a_setting() -> None:
    assert IndexingSettings(clone_hosts=" example.org , other.example:8443,").clone_hosts == (  # type: ignore[arg-type]
        "example.org",
        "other.example:8443",
    )
    defaults = IndexingSettings().clone_hosts
    assert "github.com" in defaults
    assert all(one != other for one, other in pairwise(sorted(defaults)))
