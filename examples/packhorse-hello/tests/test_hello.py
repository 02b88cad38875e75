"""The tool as a client sees it."""

from __future__ import annotations

import packhorse_hello

from packhorse.testing_answers import structured


async def test_it_greets_by_name(packhorse_client):
    async with packhorse_client(("hello", packhorse_hello)) as client:
        assert await structured(client, "greet", name="Ada") == {"text": "Hello, Ada!"}
