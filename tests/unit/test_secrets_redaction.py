"""Specification of a redaction: what stands in the place of a secret, and what is no secret."""

from __future__ import annotations

import base64
import random
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packhorse_indexing.secrets import redact
from packhorse_indexing.secrets.anchors import Anchors
from packhorse_indexing.secrets.assignments import Kind, classify
from packhorse_indexing.secrets.providers import RULES, RULES_OF_RUNS

pytestmark = pytest.mark.unit

GITHUB = "ghp_" + "x7Kq2mZp9LwR4tYv8BnC3dFg6HjS1aQe5UiO"
BODY = "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"[n:] + "A" * n for n in range(5))


def test_a_marker_with_the_kind_stands_in_the_place_of_a_secret() -> None:
    redacted = redact(f"before {GITHUB} behind\n")
    assert redacted.text == "before [redacted:github-token] behind\n"
    assert (redacted.count, redacted.kinds) == (1, {"github-token": 1})


def test_a_text_without_secrets_is_returned_as_it_is() -> None:
    text = "def f():\n    return 1\n"
    assert redact(text).text is text
    assert redact("").count == 0


def test_a_private_key_is_one_secret_and_keeps_its_lines() -> None:
    head, foot = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    text = f"a\n{head}\nProc-Type: 4,ENCRYPTED\n\n{BODY}\nAb==\n{foot}\nb\n"
    redacted = redact(text)
    assert redacted.kinds == {"private-key": 1}
    assert redacted.text.count("\n") == text.count("\n")
    assert "MII" not in redacted.text
    assert "Ab==" not in redacted.text
    assert redacted.text.startswith("a\n-----BEGIN RSA PRIVATE KEY-----\n[redacted:private-key]")
    assert redacted.text.endswith("\n-----END RSA PRIVATE KEY-----\nb\n")


def test_a_putty_key_loses_its_private_lines_only() -> None:
    text = f"Public-Lines: 1\nAAAAB3NzaC1yc2E\nPrivate-Lines: 6\n{BODY}\nAAAA\nPrivate-MAC: abc\n"
    redacted = redact(text).text
    assert "AAAAB3NzaC1yc2E" in redacted
    assert "MII" not in redacted
    assert redacted.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        'HEAD = "-----BEGIN RSA PRIVATE KEY-----"\nFOOT = "-----END RSA PRIVATE KEY-----"\n',
        'if text.startswith("-----BEGIN PRIVATE KEY-----"):\n    return load(text, password=None)\n',
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----",
        "a PRIVATE KEY is private key material",
        "-----BEGIN PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----\nnothing\n",
        "Private-Lines: many",
        f"-----BEGIN CERTIFICATE-----\n{BODY}\n-----END CERTIFICATE-----\n",
    ],
)
def test_the_marks_of_a_key_without_one_are_no_secret(text: str) -> None:
    assert redact(text).text == text


def test_a_json_web_key_loses_its_private_numbers_and_keeps_the_public_ones() -> None:
    number = "GawgguFyGrWKav7AX4VKUg1n2bX9wQz0"
    text = f'{{"kty": "EC", "x": "{number}x", "d": "{number}"}}'
    assert redact(text).text == f'{{"kty": "EC", "x": "{number}x", "d": "[redacted:json-web-key]"}}'
    assert redact(f'{{"d": "{number}"}}').count == 0
    assert redact('{"kty": "EC", "d": 5}').count == 0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('token = "ghp_" + "x7Kq2mZp9LwR4tYv8BnC3dFg" + "6HjS1aQe5UiO"', 'token = "'),
        ('x("sk-proj-" "a1b2c3d4e5f6g7h8i9j0k1l2m3")', 'x("'),
        ("password = ('Tr4nsp0rt-'\n  'x9!kQ')", "password = ('"),
    ],
)
def test_every_part_of_a_secret_that_code_puts_together_is_redacted(text: str, kept: str) -> None:
    redacted = redact(text, "python")
    assert redacted.count == 1
    assert redacted.text.startswith(kept)
    assert not any(part in redacted.text for part in ("x7Kq2", "6HjS1", "a1b2c3", "Tr4nsp0rt", "x9!kQ"))


def test_what_follows_the_parts_of_a_secret_stays() -> None:
    text = f'x("{GITHUB[:20]}" + "{GITHUB[20:]}" + ".json")'
    assert redact(text).text == 'x("[redacted:github-token]" + "[redacted:github-token]" + ".json")'


def test_base64_is_looked_into() -> None:
    hidden = base64.b64encode(f"user: demo\ntoken: {GITHUB}\n".encode()).decode()
    assert redact(f"data: {hidden}\n").text == "data: [redacted:encoded-secret]\n"
    lines = "\n".join(hidden[at : at + 40] for at in range(0, len(hidden), 40))
    redacted = redact(f"data:\n{lines}\nend\n")
    assert redacted.count == 1
    assert redacted.text.count("\n") == lines.count("\n") + 3
    assert not any(line in redacted.text for line in lines.split("\n"))


def test_encoded_secrets_on_lines_of_their_own_are_each_found() -> None:
    encoded = [base64.b64encode(f"a note, then {GITHUB}{end}".encode()).decode() for end in ("", ".", "..")]
    text = "\n".join(["first", *encoded, "VGhlIGxhc3QgbGluZSBpcyBhIHZlcnkgb3JkaW5hcnkgc2VudGVuY2Ugb2Ygd29yZHM", ""])
    redacted = redact(text).text
    assert not any(one in redacted for one in encoded)
    assert redacted.count("\n") == text.count("\n")
    mixed = "\n".join([encoded[0].rstrip("="), base64.b64encode(bytes(range(128, 240))).decode(), ""])
    assert redact(mixed).text.startswith("[redacted:encoded-secret]\n")


def test_a_secret_key_beside_its_access_key_needs_no_name() -> None:
    access, secret = "AKIAQ7ERT4UIOPASDFGH", "div/yd1D1B6KocXUcul+uq+iX+hfR65OtIeCSswT"
    redacted = redact(f'login("{access}", "{secret}")')
    assert redacted.kinds == {"aws-access-key": 1, "aws-secret-key": 1}
    assert redact(f'login("{access}", "{"a1" * 20}")').count == 1
    assert redact(f'login("{secret}")').count == 0
    assert redact("akia in words").count == 0


@pytest.mark.parametrize(
    "text",
    [
        'send("Bearer Tr4nsp0rt-x9kQ77mB")',
        'config.setPassword("Tr4nsp0rt-x9");',
        'DriverManager.getConnection(url, "root", "Tr4nsp0rt-x9");',
        'requests.get(url, auth=("admin", "Tr4nsp0rt-x9"))',
        'HTTPBasicAuth("admin", "Tr4nsp0rt-x9")',
        'variable "db_password" {\n  default = "Tr4nsp0rt-x9"\n}',
        "The password is Tr4nsp0rt-x9",
        "API key: Tr4nsp0rt-x9kQ77",
        "curl -H 'Authorization: token Tr4nsp0rt-x9kQ77' https://x",
        '"Authorization": "token Tr4nsp0rt-x9kQ77"',
        "data:\n  password: VHI0bnNwMHJ0LXg5\n",
    ],
)
def test_the_usual_ways_to_hand_over_a_password_are_known(text: str) -> None:
    redacted = redact(text, "yaml").text
    assert "[redacted:" in redacted
    assert "x9" not in redacted
    assert "VHI0" not in redacted


@pytest.mark.parametrize(
    "plain",
    [
        "just a sentence that someone has encoded for no reason at all",
        "\x00\x01binary" * 8,
        "größer" * 12,
        "first words and then some more of them " + "größer" * 9,
    ],
)
def test_base64_without_a_secret_is_left_alone(plain: str) -> None:
    text = f"data: {base64.b64encode(plain.encode()).decode()}\n"
    assert redact(text).text == text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ('password = "changeme"', "python"),
        ('password = "your-password-1"', "python"),
        ('PASSWORD = "${DB_PASSWORD}"', "python"),
        ('password: "{{ vault.password_1 }}"', "yaml"),
        ('api_key = "<your api key 1>"', "python"),
        ('api_key = "xxxxxxxxxxxxxxxxxxxx1"', "python"),
        ('api_key = "aaaaaaaaaaaaaaaaaaaaaaaa"', "python"),
        ('api_key = "abcdef1234567890"', "python"),
        ('secret = "1234567890123456"', "python"),
        ('token = os.environ["TOKEN_2"]', "python"),
        ("password = get_password2(user1)", "python"),
        ("password = self.password2", "python"),
        ("token = hdrs.SEC_WEBSOCKET_KEY1", "python"),
        ("token: Optional[str] = None", "python"),
        ('token_type = "x9k2m4n6p8q0r2s4"', "python"),
        ('type="password" name="field1234x"', "html"),
        ('public_key = "x9k2m4n6p8q0r2s4t6"', "python"),
        ('key = "x9k2m4n6p8q0r2s4t6"', "python"),
        ('"password", "scram-sha-256"', "python"),
        ('credentials = "include"', "javascript"),
        ("password: 3.0-3.12", "yaml"),
        ("the password is a word of your choice", "markdown"),
        ("if password == other.password3:", "python"),
        ("url = 'https://example.org:8080/path@2x'", "python"),
        ("http://user:pass@host/", "python"),
        ("http://user:{password1}@host/", "python"),
        ("Authorization: Basic dXNlcjpwYXNz", "http"),
        ("Authorization: Basic !!!!", "http"),
        ("Authorization: Basic /////////////w==", "http"),
        ("Authorization: Bearer <token>", "http"),
        ("ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "text"),
        ("notified by 'x9k2m4n6'", "text"),
        ("machine a login b password ${PASSWORD}", "text"),
        ("search for login and password within a file", "text"),
        ("docker run -p 8080:8080 image1", "bash"),
        ("sort -u file:x9k2m4", "bash"),
        ("sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "text"),
        ("commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "text"),
        ("id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'", "python"),
        ("<password>Enter1 it</password>", "xml"),
        ("--password", "bash"),
        ("tokens = r'H{1,2}|h{1,2}|Q|dddd|m1'", "python"),
        ('password = ""', "python"),
        ('password = "a1b2c3d4e5', "python"),
        ('check_password("abc1def2!")', "python"),
        ("the key: x9k2m4n6p8q0r2s4", "text"),
        ("Authorization: Basic " + base64.b64encode(b"\xff\xfe\xfd:abcdef123").decode(), "http"),
    ],
)
def test_ordinary_code_and_placeholders_are_left_alone(text: str, language: str) -> None:
    assert redact(text, language).text == text


def test_a_bare_word_is_a_value_in_a_configuration_and_a_name_in_code() -> None:
    assert redact("password: summer42x\n", "yaml").count == 1
    assert redact("f(password=summer42x)\n", "python").count == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("password", Kind.PASSWORD),
        ("DB_PASS_PROD", Kind.PASSWORD),
        ("userPassword2", Kind.PASSWORD),
        ("client_secret", Kind.SECRET),
        ("githubToken", Kind.SECRET),
        ("SECRETACCESSKEY", Kind.KEY),
        ("aws.secret-access-key", Kind.KEY),
        ("SECRET_KEY_BASE", Kind.KEY),
        ("MAPS_KEY", Kind.WEAK),
        ("key", Kind.NOTHING),
        ("public_key", Kind.NOTHING),
        ("password_field", Kind.NOTHING),
        ("bypass", Kind.NOTHING),
        ("___", Kind.NOTHING),
    ],
)
def test_a_name_promises_a_secret_by_its_last_words(name: str, kind: Kind) -> None:
    assert classify(name) is kind


def test_anchors_are_found_at_every_place_and_in_every_case() -> None:
    anchors = Anchors(["ghp_", "sk-", "://", "9q~"])
    data = b"GHP_ xx sK-1 ://a ghp 9Q~ sk"
    found = {at for at in anchors.find(data) if data[at : at + 3].lower() in {b"ghp", b"sk-", b"://", b"9q~"}}
    assert {0, 8, 13, 22} <= found
    assert anchors.find(b"") == []
    assert anchors.find(b"nothing of it here") == []
    assert Anchors(["abc"]).find(b"xabc") == [1]


LITERALS = sorted({anchor for rule in RULES for anchor in rule.anchors})
ANCHORS = Anchors(LITERALS)


@given(st.integers(0, 2**32), st.integers(0, 40))
def test_no_anchor_is_missed_whatever_is_around_it(number: int, length: int) -> None:
    invented = random.Random(number)
    noise = "".join(invented.choices(string.printable, k=length))
    literal = invented.choice(LITERALS)
    assert length in ANCHORS.find((noise + literal + noise).encode())


def test_every_rule_can_be_found() -> None:
    """It has an anchor of three or four characters in lower case, or belongs to those of long runs."""
    assert all(rule.anchors for rule in RULES)
    assert all(len(anchor) in {3, 4} and anchor == anchor.lower() for rule in RULES for anchor in rule.anchors)
    assert not any(rule.anchors for rule in RULES_OF_RUNS)


@settings(max_examples=300)
@given(st.text(alphabet=st.one_of(st.sampled_from("ghp_=:\"'`\\/+-@ \r\n\u2028<>{}$"), st.characters()), max_size=300))
def test_any_text_is_taken(text: str) -> None:
    for language in ("yaml", "python"):
        redacted = redact(f"password={text}\n{text}://a:{text}@b\ntoken: '{text}'", language)
        original = f"password={text}\n{text}://a:{text}@b\ntoken: '{text}'"
        assert len(redacted.text.splitlines()) == len(original.splitlines())
        assert (redacted.count == 0) == (redacted.text == original)


HOSTILE = {
    "dashes": "-----BEGIN PRIVATE KEY-----\n",
    "key bodies": "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n",
    "tokens in tokens": "-eyJ",
    "assignments in assignments": "pass=",
    "open quotes": "pass='pass=\"pass=`",
    "empty pieces": 'pass=""+""+',
    "addresses": "://a:",
    "json keys": '"d":"aaaaaaaaaaaaaaaaaaaa",',
    "spaces": "password   ",
    "one letter": "a",
    "base64": "TWFu",
    "base64 lines": "TWFuTWFuTWFuTWFuTWFuTWFuTWFuTWFuTWFuTWFuTWFuTWFu\n",
    "options": "curl -u a:b -p login ",
    "entries": "machine a login b password ",
    "telegram": "12345678:AA",
    "new lines": "token\n\n\n\n value",
    "dots": ".eyJaaaaaaaaaaaa",
    "not ascii": "пароль password: ",
}


@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE.keys())
def test_the_time_is_proportional_to_the_length(pattern: str) -> None:
    def seconds(length: int) -> float:
        text = (pattern * (length // len(pattern) + 1))[:length]
        start = time.process_time()
        redact(text, "text")
        return time.process_time() - start

    seconds(1000)
    short, long = seconds(25_000), seconds(200_000)
    assert long < 5.0, "200 kB, on a slow machine and under coverage; backtracking would take minutes"
    assert long < 3 * 8 * short + 0.1
