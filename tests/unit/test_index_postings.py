"""The packed arrays of the lexical index, and the binary rows that carry them."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from packhorse_indexing.postings import Postings
from packhorse_indexing.store.copying import HEADER, TRAILER, embedding_rows, posting_rows

pytestmark = pytest.mark.unit


def rows(postings: Postings, first: int = 1) -> dict[str, tuple[list[int], list[int], list[int]]]:
    return {name: (ids.tolist(), tf.tolist(), sizes.tolist()) for name, ids, tf, sizes in postings.rows(first)}


def test_each_lexeme_lists_its_chunks_in_order_with_frequency_and_length() -> None:
    postings = Postings()
    assert postings.add({"b": 2, "a": 1}) == 3
    assert postings.add({}) == 0
    assert postings.add({"a": 5}) == 5
    assert (postings.chunks, postings.length) == (3, 8)
    assert rows(postings, 10) == {"a": ([10, 12], [1, 5], [3, 5]), "b": ([10], [2], [3])}


def test_lexemes_come_in_order_so_that_the_index_is_written_in_order() -> None:
    postings = Postings()
    postings.add({"z": 1, "m": 1, "a": 1})
    assert list(rows(postings)) == ["a", "m", "z"]


def test_frequencies_and_lengths_saturate() -> None:
    postings = Postings()
    postings.add({"a": 70_000})
    assert rows(postings) == {"a": ([1], [255], [65535])}


def test_chunks_without_lexemes_make_no_rows() -> None:
    postings = Postings()
    postings.add({})
    assert rows(postings) == {}
    assert rows(Postings()) == {}


def test_a_posting_row_has_the_fields_of_the_table() -> None:
    posting = ("ä", np.array([7], np.int32), np.array([3], np.uint8), np.array([9], np.uint16))
    data = b"".join(posting_rows(5, 2, [posting]))
    expected = struct.pack(
        ">h i i i2s i i i4s i1s i2s", 6, 4, 5, 2, "ä".encode(), 4, 2, 4, b"\7\0\0\0", 1, b"\3", 2, b"\x09\0"
    )
    assert data == HEADER + expected + TRAILER


def test_many_postings_come_in_blocks() -> None:
    ids = np.arange(400_000, dtype=np.int32)
    posting = ("a", ids, ids.astype(np.uint8), ids.astype(np.uint16))
    blocks = list(posting_rows(1, 1, [posting, posting]))
    assert len(blocks) == 3
    assert blocks[-1] == TRAILER


def test_an_embedding_row_is_pgvectors_half_precision_format() -> None:
    data = b"".join(
        embedding_rows(5, np.array([7], np.int32), np.array([8], np.int32), np.array([[0.5, -1.0]], np.float32))
    )
    expected = struct.pack(">h ii ii ii i hh ee", 4, 4, 5, 4, 7, 4, 8, 8, 2, 0, 0.5, -1.0)
    assert data == HEADER + expected + TRAILER
