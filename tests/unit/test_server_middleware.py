"""What a client is told when something fails: expected errors word for word, anything else as an id."""

from __future__ import annotations

import asyncio
import logging
import re
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID  # noqa: TC003 - FastMCP evaluates the annotations

import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server import server as fastmcp_server
from loguru import logger
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, Field, ValidationError, create_model

from packhorse.arguments import sentences
from packhorse.errors import ConflictError, DatabaseUnavailableError, InvalidInputError, NotFoundError
from packhorse.metrics import KEPT, MOST_TOOLS, Metrics
from packhorse.middleware import META, ErrorMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unit


class Answer(BaseModel):
    count: int


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    size: int = Field(ge=1)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What is logged during the test."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message}", level="INFO")
    yield lines
    logger.remove(sink)


@pytest.fixture
def server(metrics: Metrics) -> FastMCP:
    """A server with the middleware and a tool for every way to fail."""
    mcp = FastMCP("test", middleware=[ErrorMiddleware(metrics)], on_duplicate="error", mask_error_details=True)

    @mcp.tool
    async def fail(how: str) -> Answer:
        """Fail in some way."""
        await asyncio.sleep(0)
        raise_as_asked(how)
        return Answer(count=1)

    @mcp.tool
    def fail_in_thread(how: str) -> Answer:
        """Fail in some way, in a thread."""
        raise_as_asked(how)
        return Answer(count=1)

    @mcp.tool
    async def surrogate() -> dict[str, str]:
        """Return what is no text."""
        return {"name": "caf\udce9"}

    @mcp.tool
    async def search(
        query: Annotated[str, Field(min_length=1, max_length=500)],
        limit: Annotated[int, Field(ge=1, le=50)] = 10,
        repository_id: UUID | None = None,
        colour: Colour = Colour.RED,
        mode: Literal["fast", "slow"] = "fast",
        exact: bool = False,
        ratio: Annotated[float, Field(gt=0)] = 1.0,
        paths: Annotated[list[str], Field(max_length=3)] = [],  # noqa: B006 - never changed
        labels: list[str] | None = None,
        status: Literal["open", "done"] | None = None,
        inner: Inner | None = None,
        commit: Annotated[str | None, Field(pattern="^[0-9a-f]{40}$")] = None,
    ) -> str:
        """Search."""
        return f"{query}{limit}{repository_id}{colour}{mode}{exact}{ratio}{paths}{labels}{status}{inner}{commit}"

    @mcp.tool(timeout=0.05)
    async def slow() -> None:
        """Take longer than it may."""
        await asyncio.sleep(60)

    @mcp.resource("test://{how}")
    async def resource(how: str) -> str:
        """Fail in some way."""
        raise_as_asked(how)
        return "caf\udce9" if how == "surrogate" else "fine"

    @mcp.prompt
    async def prompt(how: str) -> str:
        """Fail in some way."""
        raise_as_asked(how)
        return "fine"

    return mcp


def raise_as_asked(how: str) -> None:
    if how == "validate":
        Answer.model_validate({"count": "many"})
    if how == "recurse":
        raise_as_asked(how)
    if how == "chain":
        raise ValueError("the service failed") from ConflictError("Somebody else was first.", remedy="Read it again.")
    errors: dict[str, BaseException] = {
        "conflict": ConflictError("Somebody else was first.", remedy="Read it again.", holder="ada"),
        "missing": NotFoundError("There is no task 7."),
        "database": DatabaseUnavailableError("There is no server at db:5432.", remedy="Start it."),
        "unsendable": InvalidInputError("That is wrong: caf\udce9.", remedy="", what="caf\udce9"),
        "group": ExceptionGroup("one", [ConflictError("Somebody else was first.", remedy="Read it again.")]),
        "tool": ToolError("as FastMCP says it"),
        "secret": RuntimeError("password=hunter2"),
        "timeout": TimeoutError("too slow for password=hunter2"),
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt(),
        "memory": MemoryError(),
    }
    if how in errors:
        raise errors[how]


@pytest.mark.parametrize("tool", ["fail", "fail_in_thread"])
@pytest.mark.parametrize("how", ["conflict", "chain", "group"])
async def test_an_expected_failure_reaches_the_client_word_for_word(server: FastMCP, tool: str, how: str) -> None:
    """Message and remedy are the text; code and details are for programs."""
    async with Client(server) as client:
        answer = await client.call_tool(tool, {"how": how}, raise_on_error=False)
    assert answer.is_error
    assert answer.content[0].text == "Somebody else was first. Read it again."
    assert answer.meta[META]["code"] == "conflict"
    assert answer.meta[META]["remedy"] == "Read it again."
    assert answer.meta[META].get("details", {}) in ({"holder": "ada"}, {})
    assert answer.structured_content is None, "clients would validate it against the output schema"


@pytest.mark.parametrize("tool", ["fail", "fail_in_thread"])
@pytest.mark.parametrize("how", ["secret", "timeout", "exit", "interrupt", "memory", "recurse", "validate"])
async def test_an_unexpected_failure_is_masked_and_logged_under_an_id(
    server: FastMCP, log: list[str], tool: str, how: str
) -> None:
    """The client gets the id only, the log the traceback under the same id, and the server goes on."""
    async with Client(server) as client:
        answer = await client.call_tool(tool, {"how": how}, raise_on_error=False)
        text = answer.content[0].text
        found = re.fullmatch(
            rf"The tool {tool} failed unexpectedly \(error id ([0-9a-f]{{8}})\)\. The server's log has the details\.",
            text,
        )
        assert found, text
        assert answer.is_error
        assert "hunter2" not in str(answer)
        assert any(found[1] in line and "Traceback" in line for line in log)
        assert (await client.call_tool(tool, {"how": ""})).data.count == 1


async def test_a_result_that_cannot_be_sent_is_masked(server: FastMCP) -> None:
    """A lone surrogate would break the pipe; so would one in an error's own text."""
    async with Client(server) as client:
        answer = await client.call_tool("surrogate", raise_on_error=False)
        assert "error id" in answer.content[0].text
        answer = await client.call_tool("fail", {"how": "unsendable"}, raise_on_error=False)
        assert answer.content[0].text == r"That is wrong: caf\udce9."
        assert "details" not in answer.meta[META]
        with pytest.raises(MCPError, match="error id"):
            await client.read_resource("test://surrogate")


async def test_fastmcps_own_errors_pass(server: FastMCP) -> None:
    """A tool error that a tool raises itself, and a tool that does not exist."""
    async with Client(server) as client:
        answer = await client.call_tool("fail", {"how": "tool"}, raise_on_error=False)
        assert (answer.is_error, answer.content[0].text) == (True, "as FastMCP says it")
        answer = await client.call_tool("slow", raise_on_error=False)
        assert answer.content[0].text == "Tool 'slow' execution timed out after 0.05s"
        answer = await client.call_tool("nothing", raise_on_error=False)
        assert (answer.is_error, answer.content[0].text) == (True, "Unknown tool: 'nothing'")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "query is required: text of 1 to 500 characters."),
        ({"query": ""}, 'query must be text of 1 to 500 characters, got "".'),
        ({"query": "x" * 501}, f'query must be text of 1 to 500 characters, got "{"x" * 59}…" (501 characters).'),
        ({"query": 7}, "query must be text of 1 to 500 characters, got 7."),
        ({"query": "x", "limit": 99}, "limit must be an integer from 1 to 50, got 99."),
        ({"query": "x", "limit": "many"}, 'limit must be an integer from 1 to 50, got "many".'),
        ({"query": "x", "limit": "\x1b[31m\u202e"}, r'limit must be an integer from 1 to 50, got "\x1b[31m\u202e".'),
        ({"query": "x", "repository_id": "7"}, 'repository_id must be a UUID, got "7".'),
        ({"query": "x", "mode": "odd"}, 'mode must be one of "fast", "slow", got "odd".'),
        ({"query": "x", "colour": "odd"}, 'colour must be one of "red", "blue", got "odd".'),
        ({"query": "x", "exact": "perhaps"}, 'exact must be true or false, got "perhaps".'),
        ({"query": "x", "ratio": "much"}, 'ratio must be a number, got "much".'),
        ({"query": "x", "paths": ["a"] * 4}, "paths must be a list of at most 3 items, got a list of 4 items."),
        ({"query": "x", "paths": {"a": 1}}, 'paths must be a list of at most 3 items, got {"a": 1}.'),
        ({"query": "x", "labels": "a"}, 'labels must be a list, got "a".'),
        ({"query": "x", "labels": ["a", 7]}, "labels: must be a valid string at 1, got 7."),
        ({"query": "x", "status": "odd"}, 'status must be one of "open", "done", got "odd".'),
        ({"query": "x", "paths": ["a", 7]}, "paths: must be a valid string at 1, got 7."),
        ({"query": "x", "inner": {"size": 0}}, "inner: must be greater than or equal to 1 at size, got 0."),
        ({"query": "x", "commit": "7"}, 'commit must be text matching ^[0-9a-f]{40}$, got "7".'),
        ({"qeury": "x", "query": "x"}, "qeury is no argument of this tool; did you mean query?"),
        ({"zzzzzzz": "x", "query": "x"}, "zzzzzzz is no argument of this tool; it takes query, limit, "),
    ],
)
async def test_a_bad_argument_is_answered_in_one_sentence(
    server: FastMCP, arguments: dict[str, object], sentence: str
) -> None:
    """It says what is allowed and what was given, without links and without naming libraries."""
    async with Client(server) as client:
        answer = await client.call_tool("search", arguments, raise_on_error=False)
    text = answer.content[0].text
    assert text.startswith(sentence)
    assert answer.is_error
    assert answer.meta[META]["code"] == "invalid_input"
    assert not re.search("http|pydantic|input_type|Input should", text)


async def test_every_bad_argument_has_its_sentence_up_to_five(server: FastMCP) -> None:
    """More would not help an agent."""
    wrong = {"query": 1, "limit": "x", "mode": 1, "colour": 1, "exact": "x", "ratio": "x", "paths": 1}
    async with Client(server) as client:
        answer = await client.call_tool("search", wrong, raise_on_error=False)
    assert answer.content[0].text.count(", got ") == 5
    assert answer.content[0].text.endswith(" 2 more arguments are wrong.")


async def test_resources_and_prompts_fail_with_protocol_errors(server: FastMCP, log: list[str]) -> None:
    """The same rules in the only form that they have."""
    async with Client(server) as client:
        for ask in (
            lambda how: client.read_resource(f"test://{how}"),
            lambda how: client.get_prompt("prompt", {"how": how}),
        ):
            with pytest.raises(MCPError, match=r"There is no task 7\.") as caught:
                await ask("missing")
            assert caught.value.error.code == -32602
            assert caught.value.error.data["code"] == "not_found"
            with pytest.raises(MCPError, match=r"no server at db:5432\. Start it\.") as caught:
                await ask("database")
            assert caught.value.error.code == -32603
            for how in ("secret", "exit"):
                with pytest.raises(MCPError, match=r"failed unexpectedly \(error id [0-9a-f]{8}\)") as caught:
                    await ask(how)
                assert "hunter2" not in str(caught.value.error)
            assert await ask("fine")
        with pytest.raises(MCPError, match="not found"):
            await client.read_resource("other://x")
    assert any("Traceback" in line for line in log)


async def test_fastmcp_does_not_log_the_same_failures_again(server: FastMCP) -> None:
    """Each would be a traceback more, for expected failures too, and without the id."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    fastmcp_server.logger.addHandler(handler)
    async with Client(server) as client:
        await client.call_tool("fail", {"how": "conflict"}, raise_on_error=False)
        await client.call_tool("fail", {"how": "secret"}, raise_on_error=False)
        await client.call_tool("fail", {}, raise_on_error=False)
    fastmcp_server.logger.removeHandler(handler)
    assert lines == []


async def test_tools_work_and_fail_without_a_client(server: FastMCP) -> None:
    """A direct call in the process answers alike."""
    assert (await server.call_tool("fail", {"how": ""})).structured_content == {"count": 1}
    answer = await server.call_tool("fail", {"how": "conflict"})
    assert answer.is_error
    answer = await server.call_tool("search", {"limit": 0})
    assert "query is required" in answer.content[0].text


async def test_cancellation_passes_through(metrics: Metrics) -> None:
    """It is neither masked nor answered."""
    mcp = FastMCP("test", middleware=[ErrorMiddleware(metrics)])
    started = asyncio.Event()

    @mcp.tool
    async def wait() -> None:
        """Wait."""
        started.set()
        await asyncio.sleep(3600)

    task = asyncio.create_task(mcp.call_tool("wait"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_calls_errors_and_latency_are_counted(server: FastMCP, metrics: Metrics) -> None:
    """Names that a client invents are counted as one."""
    async with Client(server) as client:
        for how in ("", "", "conflict", "secret"):
            await client.call_tool("fail", {"how": how}, raise_on_error=False)
        for name in ("x1", "x2"):
            await client.call_tool(name, raise_on_error=False)
    report = metrics.report()
    assert (report["fail"]["calls"], report["fail"]["errors"]) == (4, 2)
    assert report["(unknown tool)"]["calls"] == 2
    assert set(report) == {"fail", "(unknown tool)"}
    assert 0 < report["fail"]["p50_ms"] <= report["fail"]["p95_ms"]


def test_metrics_keep_a_fixed_amount() -> None:
    """Quantiles are those of the latest calls, however many there were."""
    metrics = Metrics()
    for number in range(1, 101):
        metrics.record("tool", number / 1000, failed=False)
    assert metrics.report()["tool"] == {"calls": 100, "errors": 0, "p50_ms": 50.0, "p95_ms": 95.0}
    for _ in range(KEPT):
        metrics.record("tool", 0.001, failed=True)
    assert metrics.report()["tool"] == {"calls": 100 + KEPT, "errors": KEPT, "p50_ms": 1.0, "p95_ms": 1.0}
    for number in range(MOST_TOOLS + 5):
        metrics.record(f"tool{number}", 0.001, failed=False)
    assert len(metrics.report()) == MOST_TOOLS


@pytest.mark.parametrize(
    ("schema", "value", "sentence"),
    [
        ({"type": "integer", "minimum": 3}, 1, "n must be an integer at least 3, got 1."),
        ({"type": "string", "minLength": 3}, 1, "n must be text of at least 3 characters, got 1."),
        ({"type": "string", "maxLength": 3}, 1, "n must be text of at most 3 characters, got 1."),
        ({"const": "x"}, 1, 'n must be "x", got 1.'),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {1, 2}, "n: must be a valid integer, got a set."),
    ],
)
def test_what_is_allowed_is_said_from_the_schema(schema: dict[str, object], value: object, sentence: str) -> None:
    """What is too intricate for a few words is said as pydantic does."""
    with pytest.raises(ValidationError) as caught:
        create_model("Arguments", n=(int, Field(gt=5))).model_validate({"n": value})
    assert sentences(caught.value, {"properties": {"n": schema}}) == sentence
