"""What a worker is told: orders and hints travel whole, and the end of its input is the end of its work."""

from __future__ import annotations

import json
import os
from uuid import uuid4

import pytest

from packhorse_indexing.orders import Hint, Orders
from packhorse_indexing.plan import UNKNOWN, Plan, Todo
from packhorse_indexing.scan import Head
from packhorse_indexing.store.listing import FileRow, Signature

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("head", [None, Head("main", "a" * 40), Head(None, None)])
def test_a_hint_travels_whole(head: Head | None) -> None:
    plan = Plan(
        gone=["gone.py"],
        skipped=[FileRow("ä/id_rsa", None, "secret", UNKNOWN)],
        todo=[Todo("a.py", Signature(1, 2, 3, 4)), Todo("racy.py", UNKNOWN)],
        unchanged=7,
        total_skipped=3,
    )
    for last in (None, uuid4()):
        hint = Hint(uuid4(), last, head, plan)
        assert Hint.from_json(json.loads(json.dumps(hint.to_json()))) == hint


def orders() -> tuple[Orders, int, int]:
    """Return a worker's end of its pipes, and the other ends: for orders and for answers."""
    order_read, order_write = os.pipe()
    answer_read, answer_write = os.pipe()
    return Orders(os.fdopen(order_read, "rb"), answer_write), order_write, answer_read


def test_orders_are_read_one_at_a_time_and_answered() -> None:
    mine, write, read = orders()
    os.write(write, b'{"pool": 1}\n')
    assert mine.next(5) == {"pool": 1}
    assert mine.next(0.01) is None
    mine.answer("idle")
    assert os.read(read, 100) == b"idle\n"
    os.close(read)
    mine.answer("nobody hears this")
    os.write(write, b'{"pool"')
    os.close(write)
    assert mine.next(5) is None, "its starter died in the middle of an order"
    assert mine.next(5) is None
    mine._source.close()
    os.close(mine._answers)
