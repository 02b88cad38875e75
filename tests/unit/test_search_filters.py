"""Filters: what they mean, and that no character of theirs is taken for syntax."""

from __future__ import annotations

import re

import pytest

from packhorse.errors import InvalidInputError
from packhorse_search.filters import Filter, parse
from packhorse_search.globs import glob_pattern
from packhorse_search.kinds import category

pytestmark = pytest.mark.unit


def test_no_filter_passes_everything():
    assert parse().is_empty
    assert parse("", " / ").is_empty
    assert parse(None, "./").is_empty


@pytest.mark.parametrize("given", ["py", ".py", "*.py", " PY ", "d.py"])
def test_an_extension_may_be_written_in_several_ways(given):
    assert parse(given) == Filter(extensions=("py",))


def test_a_filter_may_have_several_entries():
    assert parse("py, pyi,py") == Filter(extensions=("py", "pyi"))
    assert parse(language="Python,c++") == Filter(languages=("python", "cpp"))
    assert parse(kind="tests,Docs") == Filter(categories=("tests", "docs"))
    assert len(parse(directory="src,lib/*.{a,b}").within) == 2, "a comma within braces separates nothing"


@pytest.mark.parametrize("given", ["src/net", "/src/net/", "./src/net", "src\\net", "/home/me/app/src/net"])
def test_a_folder_may_be_written_in_several_ways(given):
    assert parse(directory=given, roots=("/home/me/app",)) == Filter(within=("^src/net(?:/|$)",))


def test_a_folder_after_an_exclamation_mark_is_taken_away():
    found = parse(directory="src,!src/vendor,!*.min.js")
    assert found.within == parse(directory="src").within
    assert found.without == (*parse(directory="src/vendor").within, *parse(directory="*.min.js").within)
    with pytest.raises(InvalidInputError, match="leaves nothing"):
        parse(directory="!.")


def test_the_repository_itself_is_no_filter():
    assert parse(directory="/home/me/app", roots=("/home/me/app",)).is_empty
    assert parse(directory="src,/home/me/app", roots=("/home/me/app",)).is_empty
    assert parse(directory="/home/me/app-two", roots=("/home/me/app",)) == parse(directory="home/me/app-two")


def test_a_kind_of_symbol_means_what_the_languages_call_it():
    assert {"class", "struct", "record"} <= set(parse(kind="classes").kinds)
    assert {"function", "method"} <= set(parse(kind="functions").kinds)
    assert parse(kind="struct").kinds == ("struct",)
    assert not parse(kind="struct").selects_files


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("src/pool.py", "code"),
        ("vendor/lib/pool.py", "code"),
        ("vendor/lib/README.md", "docs"),
        ("tests/README.md", "tests"),
        ("package-lock.json", "config"),
        ("docs/conf.py", "docs"),
        ("docs/_config.yml", "config"),
        ("requirements.txt", "config"),
        ("src/changes.go", "code"),
        ("t/t0001-init.sh", "tests"),
        ("src/PoolTest.java", "tests"),
        ("src/latest.py", "code"),
    ],
)
def test_every_file_is_of_one_category(path, expected):
    assert category(path) == expected
    assert parse(kind=expected).passes_category(path)
    assert Filter().passes_category(path)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ({"language": "pyton"}, "Did you mean python?"),
        ({"language": "qqq"}, "filter by file_type"),
        ({"kind": "funtion"}, "Did you mean function?"),
        ({"kind": "qqq"}, "code, docs, config, tests"),
        ({"file_type": "python"}, 'language="python"'),
        ({"file_type": ",".join(f"e{i}" for i in range(21))}, "at most 20"),
    ],
)
def test_what_is_nearly_right_is_answered_with_what_is(arguments, advice):
    with pytest.raises(InvalidInputError) as error:
        parse(**arguments)
    assert advice in str(error.value)


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
        ("*.{ts,tsx}", ["a.ts", "x/a.tsx"], ["a.t", "a.js"]),
        ("{src,lib}/{a*,b}.c", ["src/axe.c", "lib/b.c"], ["src/c.c"]),
        ("{{name}}/x", ["{{name}}/x"], ["name/x"]),
    ],
)
def test_a_glob_means_what_it_does_in_gitignore(glob, passes, fails):
    pattern = re.compile(glob_pattern(glob))
    assert [path for path in passes if not pattern.search(path)] == []
    assert [path for path in fails if pattern.search(path)] == []


def test_what_is_written_like_a_glob_means_the_folder_of_that_name_too():
    [pattern] = parse(directory="app/[id]").within
    assert re.search(pattern, "app/[id]/page.tsx")
    assert re.search(pattern, "app/i/page.tsx")
    assert not re.search(pattern, "app/id/page.tsx")


@pytest.mark.parametrize("directory", ["../other", "src/../..", "a\0b", "a\nb", "x" * 501, "*/" * 21])
def test_a_directory_that_cannot_be_meant_is_refused(directory):
    with pytest.raises(InvalidInputError):
        parse(None, directory)


@pytest.mark.parametrize("file_type", ["src/py", "p*", "p\0y"])
def test_an_extension_that_cannot_be_meant_is_refused(file_type):
    with pytest.raises(InvalidInputError, match="no extension"):
        parse(file_type, None)
