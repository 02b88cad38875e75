"""Specification of argument completion: many plugins, one handler, each for its own prompts and templates."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mcp_types import PromptReference, ResourceTemplateReference

from packhorse import completions, hookimpl
from packhorse.server import build_server

if TYPE_CHECKING:
    from pathlib import Path

    from packhorse.testing import MakeClient

pytestmark = pytest.mark.integration

TOPICS = ["docs", "database", "tests"]


class Prompts:
    """Completes its prompt and its template, one directly and one with await, and what is not its own."""

    @hookimpl
    def register_tools(self, mcp):
        @mcp.prompt
        def explain(topic: str, failing: str = "", slow: str = "") -> str:
            """Explain a topic."""
            return topic

        @mcp.resource("topics://{topic}")
        def topic(topic: str) -> str:
            """A topic."""
            return topic

    @hookimpl
    def register_completions(self, context):
        async def awaited(typed):
            return [one for one in TOPICS if one.startswith(typed)]

        async def slow(typed):
            await asyncio.sleep(60)
            return ["late"]

        def failing(typed):
            raise SystemExit(1)

        return {
            ("explain", "topic"): awaited,
            ("explain", "failing"): failing,
            ("explain", "slow"): slow,
            ("topics://{topic}", "topic"): lambda typed: [f"{typed}{n}" for n in range(200)],
            ("others", "topic"): lambda typed: ["stolen"],
        }


class Others:
    """A prompt that another plugin wants to complete, and a hook that fails."""

    @hookimpl
    def register_tools(self, mcp):
        @mcp.prompt
        def others(topic: str) -> str:
            """Say it."""
            return topic

    @hookimpl
    def register_completions(self, context):
        raise RuntimeError("no completions today")


async def test_each_argument_is_completed_by_its_owner(packhorse_client: MakeClient, monkeypatch) -> None:
    """What fails, hangs, is unknown or another plugin's is completed by nothing; values are at most a hundred."""
    monkeypatch.setattr(completions, "DEADLINE", 0.2)
    async with packhorse_client(("prompts", Prompts()), ("others", Others())) as client:

        async def values(place: str, argument: str, typed: str) -> list[str]:
            template = "://" in place
            reference = (
                ResourceTemplateReference(type="ref/resource", uri=place)
                if template
                else PromptReference(type="ref/prompt", name=place)
            )
            return (await client.complete(reference, {"name": argument, "value": typed})).values

        assert await values("explain", "topic", "d") == ["docs", "database"]
        assert (await values("topics://{topic}", "topic", "x"))[:2] == ["x0", "x1"]
        assert len(await values("topics://{topic}", "topic", "x")) == 100
        assert await values("explain", "failing", "") == []
        assert await values("explain", "slow", "") == []
        assert await values("explain", "unknown", "") == []
        assert await values("others", "topic", "") == []


def test_a_server_without_completers_does_not_claim_to_complete(packhorse_host) -> None:
    server = build_server(packhorse_host("search", "indexing", ("others", Others())), strict=False)
    assert "completion/complete" in server._mcp_server._request_handlers
    server = build_server(packhorse_host(("others", Others())))
    assert "completion/complete" not in server._mcp_server._request_handlers


async def test_a_repository_is_completed_by_its_folders_name(packhorse_client: MakeClient, tmp_path: Path) -> None:
    folder = tmp_path / "kettle"
    folder.mkdir()
    (folder / "boil.py").write_text("def boil():\n    return 100\n", "utf-8")
    async with packhorse_client("indexing") as client:
        await client.call_tool("index_repository", {"repo_path": str(folder)})
        reference = ResourceTemplateReference(type="ref/resource", uri="packhorse://repositories/{repository_id}")
        found = await client.complete(reference, {"name": "repository_id", "value": "KET"})
    assert found.values == ["kettle"]
