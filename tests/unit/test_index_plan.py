"""What a run decides to read, from a scan and the stored list."""

from __future__ import annotations

import pytest

from packhorse_indexing.plan import UNKNOWN, make_plan, path_row, storable
from packhorse_indexing.scan import FileEntry, Scan, Skip
from packhorse_indexing.store.listing import Signature, StoredFile

pytestmark = pytest.mark.unit

NOW = 1_700_000_000_000_000_000
OLD = NOW - 60_000_000_000


def entry(path: str, *, size: int = 10, mtime: int = OLD, ctime: int = OLD, inode: int = 7) -> FileEntry:
    return FileEntry(path, size, mtime, ctime, inode)


def stored(*, blob: int | None = 1, skipped: str | None = None, rebuild: bool = False) -> StoredFile:
    return StoredFile(blob, skipped, Signature(10, OLD, OLD, 7), rebuild)


def plan(files: list[FileEntry], skipped: list[Skip], before: dict[str, StoredFile], *, everything: bool = False):
    return make_plan(Scan(files=files, skipped=skipped), before, now_ns=NOW, everything=everything)


def test_a_file_with_its_old_signature_is_not_read() -> None:
    made = plan([entry("a.py")], [], {"a.py": stored()})
    assert (made.todo, made.unchanged, made.gone) == ([], 1, [])


@pytest.mark.parametrize(
    "changed",
    [entry("a.py", size=11), entry("a.py", mtime=OLD + 1), entry("a.py", ctime=OLD + 1), entry("a.py", inode=8)],
    ids=["size", "mtime", "ctime", "inode"],
)
def test_any_difference_in_the_signature_has_a_file_read(changed: FileEntry) -> None:
    assert [todo.path for todo in plan([changed], [], {"a.py": stored()}).todo] == ["a.py"]


def test_a_file_modified_within_two_seconds_of_the_scan_keeps_no_signature() -> None:
    """Written again within the clock's resolution it would look the same."""
    made = plan([entry("a.py", mtime=NOW - 1_000_000_000)], [], {})
    assert made.todo[0].signature == UNKNOWN
    again = plan([entry("a.py")], [], {"a.py": StoredFile(1, None, UNKNOWN, rebuild=False)})
    assert [todo.path for todo in again.todo] == ["a.py"]


def test_a_forced_run_trusts_no_signature() -> None:
    assert len(plan([entry("a.py")], [], {"a.py": stored()}, everything=True).todo) == 1


def test_a_file_whose_blob_is_to_be_rebuilt_is_read_again() -> None:
    assert len(plan([entry("a.py")], [], {"a.py": stored(rebuild=True)}).todo) == 1


def test_what_the_scan_no_longer_finds_is_gone() -> None:
    assert plan([], [], {"a.py": stored()}).gone == ["a.py"]


def test_a_file_that_is_now_left_out_is_replaced_and_not_gone() -> None:
    made = plan([], [Skip("a.py", "ignored")], {"a.py": stored()})
    assert made.gone == []
    assert [(row.path, row.blob_id, row.skipped) for row in made.skipped] == [("a.py", None, "ignored")]


def test_what_was_left_out_for_the_same_reason_is_not_written_again() -> None:
    made = plan([], [Skip("a.bin", "too large")], {"a.bin": stored(blob=None, skipped="too large")})
    assert made.skipped == []
    assert made.total_skipped == 1


def test_a_name_that_is_not_utf8_is_left_out_with_a_reason() -> None:
    name = b"caf\xe9.py".decode("utf-8", "surrogateescape")
    made = plan([entry(name)], [], {})
    assert made.todo == []
    assert [(row.path, row.skipped) for row in made.skipped] == [("caf\ufffd.py", "encoding")]
    assert storable("café") == "café"


def test_an_inode_beyond_63_bits_fits_its_column() -> None:
    assert plan([entry("a", inode=(1 << 64) - 1)], [], {}).todo[0].signature.inode == (1 << 63) - 1


@pytest.mark.parametrize(
    ("path", "extension"),
    [("a/B.PY", "py"), (".gitignore", ""), ("Makefile", ""), ("x.tar.gz", "gz"), ("a.b/c", "")],
)
def test_an_extension_is_lower_case_and_without_its_dot(path: str, extension: str) -> None:
    assert path_row(1, path).extension == extension
