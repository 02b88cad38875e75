"""Filters: what they mean, and that no character of theirs is taken for syntax."""

from __future__ import annotations

import re

import pytest

from packhorse.errors import InvalidInputError
from packhorse_search.filters import Filter, glob_pattern, parse

pytestmark = pytest.mark.unit


def test_no_filter_passes_everything():
    assert parse(None, None).is_empty
    assert parse("", " / ").is_empty
    assert parse(None, "./").is_empty


@pytest.mark.parametrize("given", ["py", ".py", "*.py", " PY ", "d.py"])
def test_an_extension_may_be_written_in_several_ways(given):
    assert parse(given, None) == Filter(extension="py")


@pytest.mark.parametrize("given", ["src/net", "/src/net/", "./src/net", "src\\net", "/home/me/app/src/net"])
def test_a_folder_may_be_written_in_several_ways(given):
    assert parse(None, given, ("/home/me/app",)) == Filter(folder="src/net")


def test_the_repository_itself_is_no_filter():
    assert parse(None, "/home/me/app", ("/home/me/app",)).is_empty
    assert parse(None, "/home/me/app-two", ("/home/me/app",)) == Filter(folder="home/me/app-two")


@pytest.mark.parametrize(
    ("glob", "passes", "fails"),
    [
        ("src/*", ["src/a.py", "src/net/a.py"], ["lib/src/a.py", "src"]),
        ("src/*.py", ["src/a.py"], ["src/net/a.py", "src/axpy"]),
        ("src/**/*.py", ["src/a.py", "src/x/y/a.py"], ["a.py"]),
        ("**/tests", ["tests/a.py", "x/tests/a.py"], ["x/mytests/a.py"]),
        ("*.py", ["a.py", "x/y/a.py"], ["a.pyc"]),
        ("packages/*/src", ["packages/a/src/b.ts"], ["packages/a/b/src/c.ts"]),
        ("a?c/**", ["abc/d", "abc/d/e"], ["ac/d"]),
        ("[ab]x", ["ax", "bx/y"], ["cx"]),
        ("[!ab]x", ["cx"], ["ax", "b/x"]),
        ("[^]]x", ["ax"], ["]x"]),
        ("[a-c-]x", ["bx", "-x"], ["dx"]),
        ("[c-a&&.]x", ["cx", "ax", "-x", "&x"], ["bx"]),
        ("a[", ["a[", "d/a["], ["ab"]),
        ("a+(b|c).*", ["a+(b|c).py"], ["aab.py"]),
        ("x\\d*", ["x\\d1"], ["x11"]),
        ("größe*", ["größe.py"], ["grosse.py"]),
    ],
)
def test_a_glob_means_what_it_does_in_gitignore(glob, passes, fails):
    pattern = re.compile(glob_pattern(glob))
    assert [path for path in passes if not pattern.search(path)] == []
    assert [path for path in fails if pattern.search(path)] == []


def test_a_folder_with_wildcards_becomes_a_pattern():
    assert parse(None, "src/*/net").pattern == glob_pattern("src/*/net")


@pytest.mark.parametrize("directory", ["../other", "src/../..", "a\0b", "a\nb", "x" * 501, "*/" * 21])
def test_a_directory_that_cannot_be_meant_is_refused(directory):
    with pytest.raises(InvalidInputError):
        parse(None, directory)


@pytest.mark.parametrize("file_type", ["src/py", "p*", "p\0y"])
def test_an_extension_that_cannot_be_meant_is_refused(file_type):
    with pytest.raises(InvalidInputError, match="no extension"):
        parse(file_type, None)
