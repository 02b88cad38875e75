"""How a file's language is recognised, and the registry that plugins add languages to."""

from __future__ import annotations

import pytest

from packhorse_indexing.chunking import Language, chunk, detect, registry
from packhorse_indexing.chunking.languages import Registry

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("path", "head", "language"),
    [
        ("src/a.py", b"", "python"),
        ("a.PY", b"", "python"),
        ("Makefile", b"", "makefile"),
        ("Dockerfile.dev", b"", "dockerfile"),
        ("CMakeLists.txt", b"", "cmake"),
        ("bin/run", b"#!/usr/bin/env python3.11\n", "python"),
        ("bin/run", b"#!/usr/bin/env -S LANG=C node --flag\n", "javascript"),
        ("bin/run", b"#! /bin/sh\n", "bash"),
        ("bin/run", b"#!/usr/bin/unknown\n", "text"),
        ("bin/run", b"plain", "text"),
        ("a.h", b"int x;\n", "c"),
        ("a.h", b"#pragma once\nnamespace app {\n", "cpp"),
        ("a.h", b"@interface A\n@end\n", "objc"),
        ("a.unknown", b"", "text"),
        ("README.md", b"", "markdown"),
        ("a.d.ts", b"", "typescript"),
        ("a.tsx", b"", "tsx"),
        ("a.ipynb", b"", "jupyter"),
        (".bashrc", b"", "bash"),
        ("LICENSE", b"", "text"),
        ("", b"", "text"),
    ],
)
def test_the_language_is_recognised(path: str, head: bytes, language: str) -> None:
    assert detect(path, head) == language


def test_a_plugin_can_add_a_language_and_replace_one() -> None:
    mine = Registry([Language("old", ("x",))])
    mine.add(Language("new", ("x",), ("xfile",), ("xrun",)))
    assert mine.detect("a.x", b"") == "new"
    assert mine.detect("XFile", b"") == "new"
    assert mine.detect("a", b"#!/usr/bin/xrun\n") == "new"
    assert {item.name for item in mine} == {"old", "new"}


def test_at_least_25_languages_have_a_grammar_that_loads() -> None:
    loaded = [item.name for item in registry if item.grammar and chunk("x\n", item.name).fallback is None]
    assert len(loaded) >= 25
    assert loaded == [item.name for item in registry if item.grammar]


def test_a_missing_grammar_is_said_and_the_lines_are_used() -> None:
    for grammar in (("no_such_grammar", "language"), ("tree_sitter_python", "no_such_function")):
        registry.add(Language("missing", grammar=grammar))
        try:
            found = chunk("def load():\n    pass\n", "missing")
        finally:
            registry._languages.pop("missing")
        assert found.fallback == f"the grammar {grammar[0]} is not installed"
        assert [item.name for item in found.definitions] == ["load"]
