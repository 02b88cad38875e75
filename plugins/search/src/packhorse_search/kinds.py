"""What kind of file a path names: source, or one of the kinds that rank lower unless the query asks for them."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Literal


class FileKind(StrEnum):
    """A kind of file; the value is the word that explanations use."""

    SOURCE = "source"
    TEST = "test"
    EXAMPLE = "example"
    VENDORED = "vendored"
    GENERATED = "generated"
    LEGACY = "legacy"
    REEXPORT = "re-export"
    DOCUMENTATION = "documentation"
    CONFIGURATION = "configuration"


# The first kind that fits counts: a test among vendored files is vendored.
_PATTERNS: dict[FileKind, tuple[str, ...]] = {
    FileKind.VENDORED: (
        r"(?:^|/)(?:vendor|vendored|_vendor|third[_-]?party|3rd[_-]?party|node_modules|bower_components|pods|carthage)/",
        r"^(?:deps|externs?|externals)/",
    ),
    FileKind.GENERATED: (
        r"(?:^|/)(?:generated|__generated__|autogen)/",
        r"[._-](?:pb|generated|gen|min|bundle)\.\w+$|_pb2(?:_grpc)?\.pyi?$|\.g\.\w+$",
        r"(?:^|/)(?:package-lock\.json|[\w-]+\.lock|go\.sum|pnpm-lock\.yaml)$",
    ),
    FileKind.TEST: (
        r"(?:^|/)(?:tests?|t|__tests__|specs?|testing|testdata|fixtures?|__fixtures__|__mocks__|mocks?|e2e|testutils?)/",
        r"(?:^|/)(?:tests?[_-][\w.-]+|[\w.-]+[_-]tests?|[\w-]*[Tt]ests|[\w-]*fuzz(?:ing)?)/",
        # In a shell's language a name that begins so is that of a script which runs tests, or helps to.
        r"(?:^|/)(?:test_[^/]*(?<!sh)|conftest\.py)$|[._-](?:tests?|specs?)\.\w+$",
        r"(?-i:(?:^|/|[a-z0-9])(?:Tests?|Spec)\.\w+$)",
    ),
    FileKind.EXAMPLE: (
        r"(?:^|/)(?:[^/]*[ _-])?(?:examples?|samples?|demos?|tutorials?|benchmarks?|bench|benches)/",
        r"(?:^|/)(?:docs_src|playgrounds?)/",
    ),
    FileKind.LEGACY: (r"(?:^|/)(?:_?compat|legacy|deprecat\w+)(?:/|\.\w+$)",),
    # Before documentation: some of these are text files, or stand among it.
    FileKind.CONFIGURATION: (
        r"\.(?:ya?ml|toml|json|jsonc|ini|cfg|conf|properties|xml|csproj|mod|sum|lock|in|am|rc|env)$|(?:^|/)\.[^/]+$",
        r"(?:^|/)(?:CMakeLists|[\w.-]*requirements[\w.-]*)\.txt$|\.config\.[cm]?[jt]s$",
    ),
    FileKind.DOCUMENTATION: (
        r"\.(?:md|mdc|mdx|markdown|rst|txt|adoc|org|pod|texi|[1-8]|stderr|stdout|snap|svg|html)$",
        # With another extension it is code: readme.ts, license.go.
        r"(?:^|/)(?:LICEN[CS]E|README|CHANGES?|CHANGELOG|AUTHORS|NOTICE|COPYING)(?:[_-]\w+|(?-i:\.[A-Z\d]+))*$",
        r"(?:^|/)docs?/",
    ),
    FileKind.REEXPORT: (r"(?:^|/)(?:__init__\.pyi?|index\.[cm]?[jt]sx?)$",),
}
_COMPILED = {kind: re.compile("|".join(patterns), re.IGNORECASE) for kind, patterns in _PATTERNS.items()}

Category = Literal["code", "docs", "config", "tests"]
"""What a reader of filters calls a file: every file is one of these."""

_CATEGORIES: dict[FileKind, Category] = {
    FileKind.TEST: "tests",
    FileKind.CONFIGURATION: "config",
    FileKind.DOCUMENTATION: "docs",
}


@lru_cache(maxsize=65_536)
def file_kind(path: str) -> FileKind:
    """Return the first kind whose pattern the path matches; `SOURCE` when none does."""
    return next((kind for kind, pattern in _COMPILED.items() if pattern.search(path)), FileKind.SOURCE)


@lru_cache(maxsize=65_536)
def category(path: str) -> Category:
    """Return the category of a file, vendored and generated ones included."""
    return next((found for kind, found in _CATEGORIES.items() if _COMPILED[kind].search(path)), "code")
