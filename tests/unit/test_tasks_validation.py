"""What a task may hold, and the sentences that refuse the rest."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.errors import InvalidInputError
from packhorse_tasks import validation
from packhorse_tasks.drafts import COLLECTED, draft

pytestmark = pytest.mark.unit

ID = "6f3a1c9e-2b4d-4e8f-9a01-b2c3d4e5f607"


@pytest.mark.parametrize("title", ["x", "x" * 200, " surrounded ", "日本語 🐎"])
def test_a_title_of_1_to_200_characters_is_kept_without_surrounding_blanks(title: str) -> None:
    assert validation.title(title) == title.strip()


@pytest.mark.parametrize("title", ["", "  ", "x" * 201, "a\nb", "a\0", "a\x1b[31m", "\udc80"])
def test_other_titles_are_refused(title: str) -> None:
    with pytest.raises(InvalidInputError, match="title"):
        validation.title(title)


@pytest.mark.parametrize("name", ["main", "001-feature", "user/fix.v2", "日本語", "a@b", "HEADs", "x.locked"])
def test_a_branch_is_what_git_takes(name: str) -> None:
    assert validation.branch(name) == name


@pytest.mark.parametrize(
    "name",
    ["a b", "-x", "/a", "a/", "a//b", "a..b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "a~1", "a^", "a:b", "a?", "a*",
     "a[b", "a\\b", "a@{b", "@", "HEAD", "a\tb", ""],
)  # fmt: skip
def test_a_branch_that_git_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="branch"):
        draft(branches=[name])


@given(st.text())
def test_whatever_text_passes_can_be_stored(text: str) -> None:
    assert "\0" not in validation.text("notes", text.replace("\0", ""))


@pytest.mark.parametrize(
    ("given_path", "kept"),
    [
        ("a.md", "a.md"),
        ("./a//b/./c.md", "a/b/c.md"),
        ("docs\\plan.md", "docs/plan.md"),
        ("docs/", "docs"),
        ("..hidden/a", "..hidden/a"),
    ],
)
def test_a_reference_is_normalised(given_path: str, kept: str) -> None:
    assert validation.reference("reference", given_path) == kept


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "~/a", "C:\\a", "C:a", "../a", "a/../b", "a/..", ".", "./", "\\\\host\\share", "a\0b", ""]
)
def test_a_reference_out_of_the_repository_is_refused(path: str) -> None:
    with pytest.raises(InvalidInputError, match="reference"):
        validation.reference("reference", path)


def test_lists_lose_their_duplicates_and_keep_their_order() -> None:
    assert validation.lines("labels", ["b", "a", " b "]) == ["b", "a"]
    assert validation.references("files", ["b", "./b", "a"]) == ["b", "a"]
    assert validation.identifiers("depends_on", [ID, ID.upper()]) == [UUID(ID)] * 2


@pytest.mark.parametrize("check", [validation.lines, validation.references, validation.identifiers])
def test_a_hundred_thousand_items_are_refused_at_once(check: object) -> None:
    with pytest.raises(InvalidInputError, match="100,000 items; 100 are allowed"):
        check("labels", ["x"] * 100_000)  # type: ignore[operator] # the three take the same


@pytest.mark.parametrize("value", ["a" * 39, "a" * 41, "A" * 40, "g" * 40, "", "HEAD", "a" * 39 + "\n", "ａ" * 40])
def test_a_commit_is_40_lower_case_hexadecimal_digits(value: str) -> None:
    with pytest.raises(InvalidInputError, match="40 lower-case hexadecimal digits"):
        validation.commit(value)
    assert validation.commit("0123456789abcdef" * 2 + "01234567")


def test_a_due_date_is_a_day_that_exists() -> None:
    assert validation.due_date("2026-02-28") == date(2026, 2, 28)
    for value in ("2026-02-30", "soon", ""):
        with pytest.raises(InvalidInputError, match="YYYY-MM-DD"):
            validation.due_date(value)


def test_what_is_quoted_back_is_short_and_printable() -> None:
    assert validation.quoted("a\x1b[31m\n") == '"a\\x1b[31m\\n"'
    assert len(validation.quoted("x" * 10_000)) < 70


def test_a_draft_holds_only_what_was_given() -> None:
    assert draft(title="T", notes=None).values == {"title": "T"}
    assert draft().values == {}


def test_an_empty_text_empties_what_can_be_empty() -> None:
    cleared = draft(parent_id="", assignee="", due_date="", repository="", labels=[])
    assert cleared.values == {"parent_id": None, "assignee": None, "due_date": None, "repository": None, "labels": []}


@pytest.mark.parametrize(("name", "value"), [("status", "done"), ("priority", "urgent"), ("comment", "  ")])
def test_unknown_words_and_blank_comments_are_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=name):
        draft(**{name: value})  # type: ignore[misc] # the name is one of its keys


def test_a_task_collects_only_so_many_branches() -> None:
    row = {"branches": [f"b{i}" for i in range(COLLECTED)]}
    with pytest.raises(InvalidInputError, match="keeps 1,000 branches at most"):
        draft(branches=["one-more"]).applied_to(row)
    assert draft(branches=["b0"]).applied_to(row) == {}
