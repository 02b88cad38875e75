"""A corpus of invented secrets, of many kinds and in many surroundings, made anew from a number."""

from __future__ import annotations

import base64
import random
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOWER = string.ascii_lowercase
UPPER = string.ascii_uppercase
DIGITS = string.digits
ALNUM = string.ascii_letters + DIGITS
HEX = "0123456789abcdef"
WEB = ALNUM + "-_"
B64 = ALNUM + "+/"
B32 = UPPER + "234567"


@dataclass(frozen=True)
class Seed:
    """A text with a secret in it: `needles` may not be in anything that is made of the text."""

    kind: str
    surrounding: str
    extension: str
    text: str
    needles: tuple[str, ...]


class Inventor:
    """Invents secrets and the names that they are given."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)

    def take(self, alphabet: str, length: int) -> str:
        return "".join(self.random.choice(alphabet) for _ in range(length))

    def mixed(self, alphabet: str, length: int) -> str:
        """Text with a letter and a digit in it, like everything that a generator of keys makes."""
        while True:
            made = self.take(alphabet, length)
            if any(map(str.isdigit, made)) and any(map(str.isalpha, made)):
                return made

    def uuid(self) -> str:
        return "-".join(self.take(HEX, n) for n in (8, 4, 4, 4, 12))


def _jwt(i: Inventor) -> str:
    def part(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    return f"{part(chr(123) + chr(34) + 'alg' + chr(34) + ':' + chr(34) + 'HS256' + chr(34) + chr(125))}." + (
        part('{"sub":"' + i.take(DIGITS, 10) + '","iat":' + i.take(DIGITS, 10) + "}") + "." + i.take(WEB, 43)
    )


def _discord(i: Inventor) -> str:
    account = base64.b64encode(("7" + i.take(DIGITS, 17)).encode()).decode()
    return f"{account}.{i.take(WEB, 6)}.{i.take(WEB, 38)}"


def _phrase_password(i: Inventor) -> str:
    words = ["Winter", "Copper", "Falcon", "Marble", "Thunder", "Violet", "Harbor", "Meadow"]
    return i.random.choice(words) + i.random.choice("!@#%&*") + i.take(DIGITS[2:], 3) + i.random.choice(words)


PROVIDERS: dict[str, Callable[[Inventor], str]] = {
    "aws access key": lambda i: "AKIA" + i.take(B32, 16),
    "aws session key": lambda i: "ASIA" + i.take(B32, 16),
    "gcp api key": lambda i: "AIza" + i.take(WEB, 35),
    "gcp oauth secret": lambda i: "GOCSPX-" + i.take(WEB, 28),
    "gcp oauth token": lambda i: "ya29." + i.take(WEB, 80),
    "azure client secret": lambda i: i.take(ALNUM, 3) + "8Q~" + i.take(ALNUM + "_-.~", 33) + i.take(ALNUM, 1),
    "digitalocean": lambda i: "dop_v1_" + i.take(HEX, 64),
    "heroku": lambda i: "HRKU-" + i.uuid(),
    "github": lambda i: i.random.choice(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]) + i.take(ALNUM, 36),
    "github fine-grained": lambda i: "github_pat_" + i.take(ALNUM, 22) + "_" + i.take(ALNUM, 59),
    "gitlab": lambda i: i.random.choice(["glpat-", "gldt-", "glrt-"]) + i.take(WEB, 20),
    "npm": lambda i: "npm_" + i.take(ALNUM, 36),
    "pypi": lambda i: "pypi-AgEIcHlwaS5vcmc" + i.take(WEB, 70),
    "rubygems": lambda i: "rubygems_" + i.take(HEX, 48),
    "crates.io": lambda i: "cio" + i.take(ALNUM, 32),
    "nuget": lambda i: "oy2" + i.take(LOWER + DIGITS, 43),
    "docker": lambda i: "dckr_pat_" + i.take(WEB, 27),
    "slack bot": lambda i: f"xoxb-{i.take(DIGITS, 12)}-{i.take(DIGITS, 12)}-{i.take(ALNUM, 24)}",
    "slack user": lambda i: f"xoxp-{i.take(DIGITS, 11)}-{i.take(DIGITS, 11)}-{i.take(DIGITS, 12)}-{i.take(HEX, 32)}",
    "slack app": lambda i: f"xapp-1-A{i.take(UPPER + DIGITS, 10)}-{i.take(DIGITS, 13)}-{i.take(HEX, 64)}",
    "discord": _discord,
    "telegram": lambda i: "5" + i.take(DIGITS, 9) + ":AA" + i.take(WEB, 33),
    "sendgrid": lambda i: "SG." + i.take(WEB, 22) + "." + i.take(WEB, 43),
    "mailgun": lambda i: "key-" + i.take(HEX, 32),
    "mailchimp": lambda i: i.take(HEX, 32) + "-us" + i.random.choice(["6", "14", "21"]),
    "twilio": lambda i: "SK" + i.take(HEX, 32),
    "stripe": lambda i: i.random.choice(["sk_live_", "rk_live_", "sk_test_"]) + i.take(ALNUM, 24),
    "stripe webhook": lambda i: "whsec_" + i.take(ALNUM, 32),
    "square": lambda i: "sq0csp-" + i.take(WEB, 43),
    "shopify": lambda i: i.random.choice(["shpat_", "shpca_", "shppa_", "shpss_"]) + i.take(HEX, 32),
    "openai": lambda i: "sk-" + i.take(ALNUM, 20) + "T3BlbkFJ" + i.take(ALNUM, 20),
    "openai project": lambda i: "sk-proj-" + i.take(WEB, 64),
    "anthropic": lambda i: "sk-ant-api03-" + i.take(WEB, 93) + "AA",
    "hugging face": lambda i: "hf_" + i.take(string.ascii_letters, 34),
    "databricks": lambda i: "dapi" + i.take(HEX, 32),
    "vault": lambda i: "hvs." + i.take(WEB, 90),
    "terraform": lambda i: i.take(ALNUM, 14) + ".atlasv1." + i.take(WEB, 67),
    "grafana": lambda i: "glsa_" + i.take(ALNUM, 32) + "_" + i.take(HEX, 8),
    "new relic": lambda i: "NRAK-" + i.take(UPPER + DIGITS, 27),
    "linear": lambda i: "lin_api_" + i.take(ALNUM, 40),
    "notion": lambda i: "ntn_" + i.take(ALNUM, 46),
    "postman": lambda i: "PMAK-" + i.take(HEX, 24) + "-" + i.take(HEX, 34),
    "json web token": _jwt,
    "age": lambda i: "AGE-SECRET-KEY-1" + i.take(UPPER + DIGITS, 58),
}
"""Recognised by their own form, whatever they are called."""

NAMED: dict[str, tuple[tuple[str, ...], Callable[[Inventor], str]]] = {
    "password": (("password", "db_password", "adminPassword", "DB_PASS", "mysql_pwd"), lambda i: i.mixed(ALNUM, 12)),
    "password with signs": (("password", "SMTP_PASSWORD", "passwd"), lambda i: i.mixed(ALNUM + "!@#%^*-_+", 14)),
    "password of words": (("password", "userPassword", "ROOT_PASSWORD"), _phrase_password),
    "passphrase": (("passphrase", "keyPassphrase"), lambda i: i.mixed(ALNUM + "-.", 20)),
    "client secret": (("client_secret", "clientSecret", "OAUTH_CLIENT_SECRET"), lambda i: i.mixed(WEB, 32)),
    "secret key": (("secret_key", "SECRET_KEY", "jwtSecret"), lambda i: i.mixed(ALNUM, 40)),
    "api key": (("api_key", "apiKey", "DATADOG_API_KEY", "x-api-key"), lambda i: i.mixed(HEX, 32)),
    "aws secret": (("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "secretAccessKey"), lambda i: i.mixed(B64, 40)),
    "token": (("auth_token", "accessToken", "BOT_TOKEN", "refresh_token"), lambda i: i.mixed(ALNUM, 24)),
    "uuid key": (("HEROKU_API_KEY", "api_token"), lambda i: i.uuid()),
    "storage key": (("account_key", "AccountKey", "storageAccountKey"), lambda i: i.mixed(B64, 86) + "=="),
    "encryption key": (("encryption_key", "MASTER_KEY", "signingKey"), lambda i: i.mixed(HEX, 64)),
}
"""Recognised by what they are called."""

NEUTRAL: dict[str, tuple[str, str]] = {
    "python": ("py", "def connect():\n    return Client({name!r}, '{secret}', retries=3)\n"),
    "python dict": ("py", 'OPTIONS = {{\n    "region": "eu-1",\n    "{name}": "{secret}",\n}}\n'),
    "javascript": ("js", "export const {ident} = '{secret}';\nexport default 1;\n"),
    "typescript": ("ts", "const client = new Client({{ {ident}: `{secret}`, debug: true }});\n"),
    "yaml": ("yaml", "service:\n  {name}: {secret}\n  replicas: 2\n"),
    "json": ("json", '{{\n  "name": "demo",\n  "{name}": "{secret}",\n  "size": 3\n}}\n'),
    "json line": ("json", '{{"a":1,"{name}":"{secret}"}}'),
    "json in a string": ("py", 'BODY = "{{\\"{name}\\": \\"{secret}\\", \\"n\\": 1}}"\n'),
    "env": ("txt", "MODE=on\n{upper}={secret}\nDEBUG=0\n"),
    "shell": ("sh", '#!/bin/sh\nexport {upper}="{secret}"\nrun --fast\n'),
    "ini": ("ini", "[service]\n{name} = {secret}\nport = 80\n"),
    "properties": ("properties", "app.port=80\r\napp.{name}={secret}\r\n"),
    "toml": ("toml", '[service]\n{name} = "{secret}"\n'),
    "xml element": ("xml", "<settings>\n  <{ident}>{secret}</{ident}>\n</settings>\n"),
    "xml attribute": ("config", '<add key="{ident}" value="{secret}" />\n'),
    "comment": ("py", "# {name}: {secret}\nx = 1\n"),
    "block comment": ("java", "/*\n * {name} = {secret}\n */\nclass A {{}}\n"),
    "url": ("md", "See https://api.example.org/v1/items?{ident}={secret}&page=2 for more.\n"),
    "header": ("sh", "curl -H 'X-{ident}: {secret}' https://api.example.org/\n"),
    "java": ("java", 'props.setProperty("{name}", "{secret}");\n'),
    "go": ("go", 'var cfg = Config{{\n\t{ident}: "{secret}",\n}}\n'),
    "dockerfile": ("dockerfile", "FROM scratch\nENV {upper}={secret}\n"),
    "kubernetes": ("yaml", "env:\n  - name: {upper}\n    value: {secret}\n"),
    "concatenated": ("py", '{ident} = "{half}" + "{rest}"\n'),
    "concatenated lines": ("py", '{ident} = (\n    "{half}"\n    "{rest}"\n)\n'),
    "concatenated javascript": ("js", "const {ident} = '{half}' +\n    '{rest}';\n"),
    "multi-line": ("yaml", "{name}: |\n  {secret}\nnext: 1\n"),
}


def _names(name: str) -> dict[str, str]:
    words = name.replace("-", "_").split("_")
    ident = name if name.isidentifier() else words[0] + "".join(map(str.title, words[1:]))
    return {"name": name, "ident": ident, "upper": name.replace("-", "_").upper()}


def surround(kind: str, surrounding: str, name: str, secret: str) -> Seed:
    """Put a secret into a surrounding."""
    extension, template = NEUTRAL[surrounding]
    cut = max(len(secret) // 2, 12) if len(secret) > 20 else len(secret) // 2
    half, rest = secret[:cut], secret[cut:]
    text = template.format(secret=secret, half=half, rest=rest, **_names(name))
    needles = (half, rest) if "{half}" in template else (secret,)
    return Seed(kind, surrounding, extension, text, needles)


def encoded(kind: str, secret: str) -> Seed:
    """Put a secret into base64, as in a Kubernetes manifest of a whole file."""
    hidden = base64.b64encode(f"host=demo\ntoken={secret}\n".encode()).decode()
    return Seed(kind, "base64", "yaml", f"data:\n  settings: {hidden}\n", (secret, hidden))


def key_block(i: Inventor, label: str, surrounding: str) -> Seed:
    """Invent a private key: on lines, in one string of JSON, or line by line in code."""
    lines = [i.take(B64, 64) for _ in range(6)] + [i.take(B64, 22) + "=="]
    head, foot = f"-----BEGIN {label}-----", f"-----END {label}-----"
    if surrounding == "lines":
        text = "\n".join(["# deploy", head, *lines, foot, "done", ""])
    elif surrounding == "indented":
        text = "key: |\n" + "".join(f"  {line}\n" for line in [head, *lines, foot]) + "next: 1\n"
    elif surrounding == "json":
        text = '{"type": "service_account", "private_key": "' + "\\n".join([head, *lines, foot]) + '\\n", "n": 1}\n'
    elif surrounding == "code":
        text = "KEY = (\n" + "".join(f'    "{line}\\n"\n' for line in [head, *lines, foot]) + ")\n"
    else:
        text = "\n".join(["# cut off", head, *lines])
    return Seed(f"private key: {label}", surrounding, "txt", text, tuple(lines))


KEY_LABELS = (
    "RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY",
    "DSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK",
)  # fmt: skip
KEY_SURROUNDINGS = ("lines", "indented", "json", "code", "cut off")

PLACED: dict[str, tuple[str, str]] = {
    "postgres url": ("py", 'URL = "postgres://app:{secret}@db.internal:5432/app"\n'),
    "postgresql+asyncpg url": ("env", "DATABASE_URL=postgresql+asyncpg://app:{secret}@db/app\n"),
    "mongodb url": ("js", "connect('mongodb+srv://root:{secret}@cluster0.abcde.mongodb.net/?retryWrites=true')\n"),
    "redis url": ("yaml", "cache: redis://:{secret}@cache:6379/0\n"),
    "amqp url": ("ini", "broker = amqp://worker:{secret}@mq:5672//\n"),
    "https url": ("sh", "git clone https://deploy:{secret}@git.internal/project.git\n"),
    "jdbc": ("properties", "url=jdbc:postgresql://db/app?user=app&password={secret}&ssl=true\n"),
    "jdbc oracle": ("properties", "url=jdbc:oracle:thin:scott/{secret}@//db:1521/app\n"),
    "odbc": ("cs", 'var s = "Driver={{ODBC 18}};Server=db;Uid=sa;Pwd={secret};Encrypt=yes";\n'),
    "ado.net": ("json", '{{"Default": "Server=db;Database=app;User Id=sa;Password={secret};"}}\n'),
    "libpq": ("py", 'connect("host=db user=app password={secret} dbname=app")\n'),
    "bearer": ("http", "GET /me HTTP/1.1\nAuthorization: Bearer {secret}{secret}\n"),
    "bearer in code": ("js", "fetch(url, {{headers: {{'Authorization': 'Bearer {secret}{secret}'}}}})\n"),
    "basic": ("http", "GET /me HTTP/1.1\nAuthorization: Basic {pair}\n"),
    "docker auth": ("txt", '{{"auths": {{"registry.internal": {{"auth": "{pair}"}}}}}}\n'),
    "netrc": ("txt", "machine git.internal login deploy password {secret}\n"),
    "curl user": ("sh", "curl -u admin:{secret} https://git.internal/\n"),
    "mysql option": ("sh", "mysql -h db -u root -p{secret} app < dump.sql\n"),
    "long option": ("sh", "deploy --password {secret} --to prod\n"),
    "long option with =": ("sh", "deploy --api-token={secret}{secret} --to prod\n"),
    "sql": ("sql", "CREATE USER app IDENTIFIED BY '{secret}';\n"),
    "sql role": ("sql", "ALTER ROLE app WITH PASSWORD '{secret}';\n"),
    "environment default": ("py", 'p = os.environ.get("DB_PASSWORD", "{secret}")\n'),
    "environment set": ("py", 'os.environ["DB_PASSWORD"] = "{secret}"\n'),
    "comparison": ("js", "if (password === '{secret}') login();\n"),
    "slack webhook": ("py", 'HOOK = "https://hooks.slack.com/services/T0{up}/B0{up}/{secret}{secret}"\n'),
    "discord webhook": ("py", 'HOOK = "https://discord.com/api/webhooks/1234567890123456789/{long}"\n'),
    "azure connection": (
        "txt",
        "DefaultEndpointsProtocol=https;AccountName=demo;AccountKey={long}==;EndpointSuffix=x\n",
    ),
    "azure sas": ("md", "https://demo.blob.core.windows.net/c?sv=2022-11-02&sig={long}%3D&se=2027\n"),
    "json web key": ("json", '{{"kty":"EC","crv":"P-256","x":"abc","d":"{long}"}}\n'),
    "typed constant": ("ts", 'const apiToken: string = "{secret}{secret}";\n'),
    "plist": ("xml", "<key>apiPassword</key>\n<string>{secret}</string>\n"),
}
"""Recognised by where they stand."""


def corpus(number: int = 1) -> list[Seed]:
    """Invent the whole corpus: each kind several times, in surroundings that take turns."""
    i = Inventor(number)
    seeds: list[Seed] = []
    turns = list(NEUTRAL)
    for place, (kind, make) in enumerate(PROVIDERS.items()):
        for step in range(8):
            surrounding = turns[(place * 5 + step * 4) % len(turns)]
            seeds.append(surround(kind, surrounding, i.random.choice(["setting", "x_value", "remote-id"]), make(i)))
        seeds.append(encoded(kind, make(i)))
    for kind, (names, make) in NAMED.items():
        seeds += [
            surround(kind, surrounding, names[step % len(names)], make(i)) for step, surrounding in enumerate(turns)
        ]
    seeds += [key_block(i, label, surrounding) for label in KEY_LABELS for surrounding in KEY_SURROUNDINGS]
    for kind, (extension, template) in PLACED.items():
        for _ in range(4):
            secret, long = i.mixed(ALNUM, 14), i.mixed(ALNUM, 68)
            pair = base64.b64encode(f"admin:{secret}".encode()).decode()
            text = template.format(secret=secret, pair=pair, long=long, up=i.take(UPPER + DIGITS, 8))
            needle = next(one for one in (secret, pair, long) if one in text)
            seeds.append(Seed(kind, "its place", extension, text, (needle,)))
    return seeds
