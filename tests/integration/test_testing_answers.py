"""Specification of `packhorse.testing_answers`: each helper passes what it is for and fails with the answer's text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastmcp import Context  # noqa: TC002 - FastMCP reads the annotation of the tool below

from packhorse import hookimpl
from packhorse.errors import NotFoundError
from packhorse.testing_answers import ProgressLog, read_text, structured, text, tool_error

if TYPE_CHECKING:
    from packhorse.testing import MakeClient

pytestmark = pytest.mark.integration


class Answers:
    """A tool for each kind of answer."""

    @hookimpl
    def register_tools(self, mcp):
        @mcp.tool
        async def fields(name: str) -> dict[str, str]:
            """Answer with structured content."""
            return {"name": name}

        @mcp.tool(output_schema=None)
        async def plain(client: str) -> str:
            """Answer with text, given an argument that is called as the helpers' own."""
            return client

        @mcp.tool
        async def missing() -> str:
            """Fail as expected."""
            raise NotFoundError("There is no kettle.", remedy="Buy one.", kettle=7)

        @mcp.tool
        async def defective() -> str:
            """Fail as not expected."""
            raise RuntimeError("a secret")

        @mcp.tool
        async def counting(ctx: Context, steps: list[float]) -> None:
            """Report progress."""
            for step in steps:
                await ctx.report_progress(step, 3)

        @mcp.resource("answers://text")
        async def some_text() -> str:
            """Some text."""
            return "some text"

        @mcp.resource("answers://binary")
        async def binary() -> bytes:
            """Some bytes."""
            return b"\x00"


@pytest.fixture
async def client(packhorse_client: MakeClient):
    async with packhorse_client(("answers", Answers())) as found:
        yield found


async def test_structured_content_is_returned_and_asked_for(client) -> None:
    assert await structured(client, "fields", name="Ada") == {"name": "Ada"}
    with pytest.raises(AssertionError, match="plain has no structured content: tea"):
        await structured(client, "plain", client="tea")
    with pytest.raises(AssertionError, match=r"missing failed: There is no kettle\. Buy one\."):
        await structured(client, "missing")


async def test_text_is_what_the_agent_reads(client) -> None:
    assert await text(client, "plain", client="tea") == "tea"
    with pytest.raises(AssertionError, match="missing failed"):
        await text(client, "missing")


async def test_an_error_has_its_parts(client) -> None:
    error = await tool_error(client, "missing")
    assert (error.code, error.message, error.remedy) == ("not_found", "There is no kettle.", "Buy one.")
    assert error.details == {"kettle": 7}
    assert error.text == "There is no kettle. Buy one."
    assert (await tool_error(client, "defective")).code == "unexpected"
    with pytest.raises(AssertionError, match="plain was expected to fail and answered: tea"):
        await tool_error(client, "plain", client="tea")


async def test_a_resource_is_read_as_text(client) -> None:
    assert await read_text(client, "answers://text") == "some text"
    with pytest.raises(AssertionError, match="is binary"):
        await read_text(client, "answers://binary")


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ([1, 2, 3], ""),
        ([], "0 progress reports"),
        ([2, 1], "does not rise"),
        ([1, 1], "does not rise"),
        ([4], "passes its total"),
    ],
)
async def test_progress_is_judged_as_the_protocol_demands(client, steps: list[float], complaint: str) -> None:
    progress = ProgressLog()
    await client.call_tool("counting", {"steps": steps}, progress_handler=progress)
    if complaint:
        with pytest.raises(AssertionError, match=complaint):
            progress.check()
    else:
        progress.check(least=3)
        assert progress.updates == [(1, 3, None), (2, 3, None), (3, 3, None)]
