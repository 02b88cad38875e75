"""What the name of a file says: that it holds secrets, or that a program wrote it."""

from __future__ import annotations

import re
from functools import lru_cache

_ENV = re.compile(r"\.env(?:\..+|rc)?|.+\.env")
_ENV_EXAMPLE = re.compile(r".*(?:example|sample|template|dist|defaults?|schema)s?", re.IGNORECASE)
_KEY_SUFFIXES = (
    ".pem", ".key", ".p12", ".pfx", ".pkcs12", ".jks", ".keystore", ".kdbx", ".kdb", ".ppk", ".gpg", ".pgp", ".age",
    ".ovpn", ".tfstate", ".tfstate.backup", ".p8", ".der", ".agekey", ".snk",
)  # fmt: skip
_SECRET_NAMES = frozenset({
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk", ".netrc", "_netrc", ".pypirc",
    ".pgpass", ".my.cnf", ".htpasswd", ".git-credentials", ".dockercfg", ".dockerconfigjson", ".s3cfg", ".boto",
    ".vault-token", ".vault_pass", "credentials.json", "client_secret.json", "client_secrets.json", "credentials",
    ".credentials", "secrets.json", "secrets.yml", "secrets.yaml", "secrets.toml", ".secrets", "secring.gpg",
    "shadow", "master.key", "credentials.yml.enc", "kubeconfig", ".terraformrc", "terraform.rc", ".bash_history",
    ".zsh_history", ".psql_history", ".mysql_history", ".python_history",
})  # fmt: skip
_SECRET_PATHS = re.compile(
    r"(?:^|/)(?:\.aws/(?:credentials|config)|\.docker/config\.json|\.kube/config|\.ssh/(?!.*\.pub$)[^/]+|\.gnupg/.+"
    r"|\.config/gh/hosts\.yml)$",
    re.IGNORECASE,
)
# Google's keys are named after the project and twelve digits of the key's number, but so ends a UUID.
_SERVICE_ACCOUNT = re.compile(
    r".*service[-_]?account.*\.json|(?!.*[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json).*-[0-9a-f]{12}\.json"
)
MAY_HOLD_TOKENS = frozenset({".npmrc", ".yarnrc", ".yarnrc.yml", "pip.conf", ".condarc", "nuget.config", "auth.json"})
"""Names of files that are secret when they hold a token, which `holds_token` tells."""
_TOKEN = re.compile(
    rb"_authToken|_password|_auth\s*=|npmAuth(?:Token|Ident)|://[^/\s:@]+:[^/\s@]+@|ClearTextPassword|\"password\"\s*:"
    rb"|\"(?:github-oauth|http-basic|bearer)\"",
    re.IGNORECASE,
)
_GENERATED = frozenset({
    "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "deno.lock", "cargo.lock",
    "poetry.lock", "uv.lock", "pdm.lock", "pipfile.lock", "composer.lock", "gemfile.lock", "podfile.lock", "mix.lock",
    "pubspec.lock", "packages.lock.json", "flake.lock", "go.sum", "gradle.lockfile", "package.resolved",
    "cartfile.resolved", "conan.lock", "paket.lock", "stack.yaml.lock",
})  # fmt: skip
_REMEMBERED = 1 << 16  # a repository is scanned again and again
_GENERATED_SUFFIXES = (".js.map", ".css.map", ".mjs.map", ".cjs.map", ".d.ts.map", ".min.js", ".min.css", ".min.mjs")


@lru_cache(maxsize=_REMEMBERED)
def is_secret(path: str) -> bool:
    """Tell whether a file is one that holds keys or passwords, by its `/`-separated path."""
    name = path.rpartition("/")[2].lower()
    if _ENV.fullmatch(name):
        return not _ENV_EXAMPLE.fullmatch(name)
    return (
        name in _SECRET_NAMES
        or name.endswith(_KEY_SUFFIXES)
        or _SERVICE_ACCOUNT.fullmatch(name) is not None
        or _SECRET_PATHS.search(path) is not None
    )


def holds_token(data: bytes) -> bool:
    """Tell whether a file of a package manager's settings holds a token or password."""
    return _TOKEN.search(data) is not None


@lru_cache(maxsize=_REMEMBERED)
def is_generated(path: str) -> bool:
    """Tell whether a file is written by a program and says nothing that its sources do not, by its path."""
    name = path.rpartition("/")[2].lower()
    return name in _GENERATED or name.endswith(_GENERATED_SUFFIXES)
