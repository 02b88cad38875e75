"""What is said when filters pass no file."""

from __future__ import annotations

import pytest

from packhorse_search.advice import for_no_file

pytestmark = pytest.mark.unit

FILES = [
    ("src/network/pool.py", "python"),
    ("src/network/retry.py", "python"),
    ("docs/index.md", "markdown"),
    ("Makefile", "makefile"),
]


@pytest.mark.parametrize(
    ("directory", "meant"),
    [("network", "src/network"), ("src/netwrok/", "src/network"), ("!tests,dcos", "docs")],
)
def test_a_folder_that_is_nearly_right_is_answered_with_the_right_one(directory, meant):
    assert f"Did you mean {meant}?" in for_no_file(directory, FILES)


@pytest.mark.parametrize("directory", [None, "src/network", "**/*.c", "!src", "qqq"])
def test_nothing_is_suggested_for_what_is_right_or_means_nothing_here(directory):
    told = for_no_file(directory, FILES)
    assert "Did you mean" not in told
    assert "Languages: python (2), markdown (1), makefile (1). Extensions: py (2), md (1)." in told


def test_an_empty_index_has_nothing_to_name():
    assert for_no_file("src", []).endswith("the repository's root.")


def test_names_that_come_from_files_are_shown_with_their_hidden_characters_escaped():
    told = for_no_file("src/netwrok", [("src/network\u202e/a.\x1b[31mpy", "python")])
    assert "Did you mean src/network\\u202e?" in told
    assert "Extensions: \\x1b[31mpy (1)." in told
