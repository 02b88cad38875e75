"""The public ids of chunks."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse_indexing.ids import chunk_uuid, parse_chunk_uuid

pytestmark = pytest.mark.unit

numbers = st.integers(min_value=0, max_value=2**31 - 1)


@given(pool=numbers, chunk=numbers)
def test_an_id_is_a_uuid_of_version_8_that_leads_back_to_its_chunk(pool: int, chunk: int) -> None:
    made = chunk_uuid(pool, chunk)
    assert (made.version, made.variant) == (8, uuid.RFC_4122)
    assert parse_chunk_uuid(made) == (pool, chunk)


@given(st.uuids())
def test_other_uuids_are_recognised_as_none_of_ours(other: uuid.UUID) -> None:
    assert parse_chunk_uuid(other) is None


def test_an_id_with_one_digit_changed_is_none_of_ours() -> None:
    changed = uuid.UUID(int=chunk_uuid(3, 1000).int + 1)
    assert parse_chunk_uuid(changed) is None
