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
    FileKind.VENDORED: (r"(?:^|/)(?:vendor|vendored|_vendor|third[_-]?party|node_modules|bower_components)/",),
    FileKind.GENERATED: (
        r"(?:^|/)(?:generated|__generated__|autogen)/",
        r"[._-](?:pb|generated|gen|min|bundle)\.\w+$|_pb2(?:_grpc)?\.pyi?$|\.g\.\w+$",
        r"(?:^|/)(?:package-lock\.json|[\w-]+\.lock|go\.sum|pnpm-lock\.yaml)$",
    ),
    FileKind.TEST: (
        r"(?:^|/)(?:tests?|__tests__|specs?|testing|testdata|test[_-]suite|fixtures?|__mocks__|mocks?|[\w-]*[Tt]ests)/",
        r"(?:^|/)(?:test_[^/]*|conftest\.py)$|[._-](?:tests?|specs?)\.\w+$",
        r"(?-i:(?:^|/|[a-z0-9])(?:Tests?|Spec)\.\w+$)",
    ),
    FileKind.EXAMPLE: (r"(?:^|/)(?:examples?|_examples|samples?|demos?|tutorials?|benchmarks?|benches|docs_src)/",),
    FileKind.LEGACY: (r"(?:^|/)(?:_?compat|legacy|deprecat\w+)(?:/|\.\w+$)",),
    FileKind.DOCUMENTATION: (
        r"\.(?:md|mdx|rst|txt|adoc|org|stderr|stdout|snap|svg|html)$",
        r"(?:^|/)(?:LICEN[CS]E|README|CHANGE\w*|AUTHORS|NOTICE|COPYING)[^/]*$|(?:^|/)docs?/",
    ),
    FileKind.CONFIGURATION: (
        r"\.(?:ya?ml|toml|json|jsonc|ini|cfg|conf|properties|xml|csproj|mod|sum|lock|in|am|rc|env)$|(?:^|/)\.[^/]+$",
    ),
    FileKind.REEXPORT: (r"(?:^|/)(?:__init__\.pyi?|index\.[cm]?[jt]sx?)$",),
}
_COMPILED = {kind: re.compile("|".join(patterns), re.IGNORECASE) for kind, patterns in _PATTERNS.items()}

Category = Literal["code", "docs", "config", "tests"]
"""What a reader of filters calls a file: every file is one of these."""

_CATEGORIES: dict[FileKind, Category] = {
    FileKind.TEST: "tests",
    FileKind.DOCUMENTATION: "docs",
    FileKind.CONFIGURATION: "config",
}


@lru_cache(maxsize=65_536)
def file_kind(path: str) -> FileKind:
    """Return the first kind whose pattern the path matches; `SOURCE` when none does."""
    return next((kind for kind, pattern in _COMPILED.items() if pattern.search(path)), FileKind.SOURCE)


@lru_cache(maxsize=65_536)
def category(path: str) -> Category:
    """Return the category of a file, vendored and generated ones included."""
    return next((found for kind, found in _CATEGORIES.items() if _COMPILED[kind].search(path)), "code")
