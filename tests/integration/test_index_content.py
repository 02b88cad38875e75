"""Content of every kind, hostile included: indexed, or left out with a reason, and never in the way of the rest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from fix_index import Repository, RunningIndex, contents
from packhorse.errors import InvalidInputError, NotFoundError
from packhorse_indexing.ids import chunk_uuid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.integration


@pytest.fixture
def repository(make_repository: Callable[..., Repository]) -> Repository:
    made = make_repository()
    made.write("good.py", "def good():\n    return 1\n")
    return made


def text_of(listed: dict[str, Any], path: str) -> str:
    return "".join(chunk[9] for chunk in listed[path][-1])


async def test_encodings_and_odd_content_survive(indexing: RunningIndex, repository: Repository) -> None:
    repository.write("utf16.txt", "größer\nals\n".encode("utf-16"))
    repository.write("latin.txt", "größer\n".encode("latin-1"))
    repository.write("bom.txt", b"\xef\xbb\xbfmarked\n")
    repository.write("crlf.py", "def a():\r\n    return 1\r\n")
    repository.write("nul.txt", "words " * 200 + "one\x00two\n")
    name = "x" * 5000
    repository.write("names.py", f"def {name}():\n    return 1\n")
    repository.write("/".join(["deep" * 50] * 12) + "/file.py", "x = 1\n")
    repository.write("long.txt", "word " * 1500 + "\n" + "short\n" * 2000)
    repository.write("empty.py", "")
    repository.write("spaces.txt", "\n\n   \n")
    repository.write("no newline.txt", "last line")
    repository.write("ünïcode/ファイル.txt", "日本語のテキスト\n")
    repository.write("image.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    result = await indexing.index.index(str(repository))
    assert (result.status, result.errors) == ("success", [])
    listed = await contents(indexing, result.repository_id)
    assert text_of(listed, "utf16.txt") == text_of(listed, "latin.txt") + "als\n" == "größer\nals\n"
    assert text_of(listed, "bom.txt") == "marked\n"
    assert text_of(listed, "crlf.py") == "def a():\r\n    return 1\r\n"
    assert text_of(listed, "empty.py") == ""
    assert text_of(listed, "no newline.txt") == "last line"
    assert text_of(listed, "ünïcode/ファイル.txt") == "日本語のテキスト\n"
    assert listed["image.png"][2] == "binary"
    assert name in text_of(listed, "names.py")
    assert [row[2] for path, row in listed.items() if path.startswith("deep")] == ["path too long"]
    assert listed["nul.txt"][2] == "binary" or "\x00" not in text_of(listed, "nul.txt")
    assert result.files_skipped == sum(row[2] is not None for row in listed.values())


async def test_what_is_left_out_is_not_read_again_until_it_changes(
    indexing: RunningIndex, repository: Repository
) -> None:
    repository.write("data.dat", b"\x00\x01\x02" * 100)
    first = await indexing.index.index(str(repository))
    again = await indexing.index.index(str(repository))
    assert first.files_skipped == again.files_skipped == 1
    repository.write("data.dat", "now it is text\n")
    assert (await indexing.index.index(str(repository))).files_skipped == 0


async def test_a_file_that_becomes_ignored_leaves_the_index(indexing: RunningIndex, repository: Repository) -> None:
    repository.write("private/secret.py", "def private():\n    pass\n")
    result = await indexing.index.index(str(repository))
    assert result.files_indexed == 2
    repository.write(".mcpignore", "private/\n")
    result = await indexing.index.index(str(repository))
    listed = await contents(indexing, result.repository_id)
    assert [row[-1] for path, row in listed.items() if path.startswith("private")] in ([], [[]])


@pytest.mark.parametrize("case", ["empty", "binary only"])
async def test_a_run_without_a_single_file_is_a_failure_that_says_why(
    indexing: RunningIndex, make_repository: Callable[..., Repository], case: str
) -> None:
    nothing = make_repository("nothing")
    if case == "binary only":
        nothing.write("a.bin", b"\x00\x01" * 50)
    result = await indexing.index.index(str(nothing))
    assert (result.status, result.files_indexed) == ("failed", 0)
    assert "no file to index" in result.errors[-1]
    assert ("1 binary" in result.errors[-1]) == (case == "binary only")
    with pytest.raises(NotFoundError, match="no file to index"):
        await indexing.index.ensure_indexed(str(nothing))


async def test_a_folder_that_is_gone_is_an_error_that_says_what_to_do(
    indexing: RunningIndex, repository: Repository
) -> None:
    first = await indexing.index.index(str(repository))
    repository.root.rename(repository.root.with_name("moved"))
    with pytest.raises(NotFoundError):
        await indexing.index.index(str(repository))
    assert [one.id for one in await indexing.index.repositories()] == [first.repository_id]
    assert (await indexing.index.forget(str(first.repository_id))).id == first.repository_id


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
async def test_an_unreadable_file_makes_the_run_partial(indexing: RunningIndex, repository: Repository) -> None:
    repository.write("locked.py", "x = 1\n").chmod(0)
    result = await indexing.index.index(str(repository))
    assert result.status == "partial"
    assert "locked.py" in result.errors[0]


async def test_roots_are_restricted_by_the_setting(run_index: Any, make_repository: Any, tmp_path: Path) -> None:
    inside, outside = make_repository("inside/project"), make_repository("outside")
    for one in (inside, outside):
        one.write("a.py", "x = 1\n")
    async with run_index(allowed_roots=str(inside.root.parent)) as indexing:
        assert (await indexing.index.index(str(inside))).status == "success"
        with pytest.raises(InvalidInputError, match="outside the folders"):
            await indexing.index.index(str(outside))
        assert len(await indexing.index.repositories()) == 1


async def test_a_repository_is_found_by_id_path_and_unique_name(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    for name in ("a/same", "b/same", "b/other"):
        made = make_repository(name)
        made.write("a.py", f"name = {name!r}\n")
        await indexing.index.index(str(made))
    other = await indexing.index.find("other")
    assert await indexing.index.find(str(other.id)) == other
    assert await indexing.index.find(f"{other.path}/../other") == other
    with pytest.raises(InvalidInputError, match="Several"):
        await indexing.index.find("same")
    for unknown in ("none", "/none", "bad\x00name", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(NotFoundError, match="other"):
            await indexing.index.find(unknown)


async def test_forgetting_one_of_two_leaves_the_other_whole(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    one = make_repository("one").init()
    one.write("a.py", "def a():\n    pass\n")
    one.commit()
    one.git("clone", "-q", str(one), str(one.root.parent / "two"))
    two = make_repository("two")
    two.write("extra.py", "def extra():\n    pass\n")
    first = await indexing.index.index(str(one))
    second = await indexing.index.index(str(two))
    before = await contents(indexing, first.repository_id)
    await indexing.index.forget(str(second.repository_id))
    assert await contents(indexing, first.repository_id) == before
    assert await indexing.query("SELECT count(*) FROM indexing.blob WHERE orphaned_at IS NOT NULL") == [(1,)]


async def test_a_chunks_public_id_leads_to_its_row(indexing: RunningIndex, repository: Repository) -> None:
    await indexing.index.index(str(repository))
    [[pool, chunk]] = await indexing.query("SELECT pool_id, min(id) FROM indexing.chunk GROUP BY pool_id")
    assert chunk_uuid(pool, chunk).version == 8


async def test_ensure_indexed_indexes_once(indexing: RunningIndex, repository: Repository) -> None:
    found = await indexing.index.ensure_indexed(str(repository))
    assert found.indexed_at is not None
    again = await indexing.index.ensure_indexed(str(repository))
    assert again == found
    assert await indexing.query("SELECT count(*) FROM indexing.job") == [(1,)]


async def test_the_vocabulary_of_each_segment_is_the_lexemes_of_its_postings(indexing, make_repository):
    repository = make_repository()
    for i in range(3):
        repository.write(f"file_{i}.py", f"def step_{i}():\n    return total_{i}\n")
        await indexing.index.index(str(repository))
    segments = await indexing.query(
        "SELECT segment, array_agg(lexeme ORDER BY lexeme) FROM indexing.posting GROUP BY segment ORDER BY segment"
    )
    vocabulary = await indexing.query("SELECT segment, lexemes FROM indexing.vocabulary ORDER BY segment")
    assert len(vocabulary) == 3
    assert [(segment, words.split("\n")[1:-1]) for segment, words in vocabulary] == segments


async def test_a_definition_tells_its_last_line_and_what_encloses_it(indexing, make_repository):
    repository = make_repository()
    repository.write("a.py", "class Pool:\n    def open(self):\n        x = 1\n        return x\n")
    await indexing.index.index(str(repository))
    rows = await indexing.query("SELECT name, line, end_line, scope FROM indexing.definition ORDER BY line")
    assert rows == [("Pool", 1, 4, None), ("open", 2, 4, "Pool")]
