"""The task tools: validate, call the tracker, shape the answer. Their schemas are kept short, for every client pays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio.to_thread
from fastmcp.server.dependencies import get_context
from fastmcp.tools import Tool
from fastmcp.tools.base import ToolResult
from mcp.types import TextContent, ToolAnnotations
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import to_json

from packhorse.errors import InvalidInputError
from packhorse_tasks import claims, links, meaning, repositories, validation
from packhorse_tasks.drafts import draft
from packhorse_tasks.models import Priority, Status
from packhorse_tasks.search import Filter
from packhorse_tasks.settings import TasksSettings
from packhorse_tasks.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastmcp import FastMCP

    from packhorse.context import PluginContext
    from packhorse_tasks.models import Task

# A field left out and a field of null mean the same; only the first needs a place in the schema.
Text = str | SkipJsonSchema[None]
Texts = list[str] | SkipJsonSchema[None]
OneStatus = Status | SkipJsonSchema[None]
OnePriority = Priority | SkipJsonSchema[None]
Flag = bool | SkipJsonSchema[None]
Number = int | SkipJsonSchema[None]

_TASK_SCHEMA = {"type": "object", "required": ["id", "title", "status", "version"]}
QUERY_LENGTH = 500
_LIST_SCHEMA = {"type": "object", "required": ["tasks", "total_count"]}


def register(mcp: FastMCP, context: PluginContext) -> None:
    """Register the task tools."""
    tools = TaskTools(context)
    _add(mcp, tools.create_task, _TASK_SCHEMA, {"destructiveHint": False})
    _add(mcp, tools.get_task, _TASK_SCHEMA, {"readOnlyHint": True})
    _add(mcp, tools.list_tasks, _LIST_SCHEMA, {"readOnlyHint": True})
    _add(mcp, tools.update_task, _TASK_SCHEMA, {"destructiveHint": False})
    claim = _add(mcp, tools.claim_task, _TASK_SCHEMA, {"destructiveHint": False})
    claim.parameters["properties"]["lease_seconds"]["default"] = context.settings(TasksSettings).lease_seconds


def _add(
    mcp: FastMCP, function: Callable[..., Any], output_schema: dict[str, Any], annotations: dict[str, Any]
) -> Tool:
    tool = Tool.from_function(function, output_schema=output_schema, annotations=ToolAnnotations(**annotations))
    tool.parameters.pop("additionalProperties", None)
    for parameter in tool.parameters["properties"].values():
        if not parameter.get("default", ...):
            del parameter["default"]
    mcp.add_tool(tool)
    return tool


class TaskTools:
    """The tools, bound to the plugin's context; the database is open by the time that one is called."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    @property
    def _tracker(self) -> Tracker:
        return Tracker(self._context.database)

    async def create_task(
        self,
        *,
        title: Annotated[str, Field(description="1-200 characters")],
        description: Text = None,
        notes: Text = None,
        planning_references: Annotated[Texts, Field(description="Files, relative to repo_path")] = None,
        priority: OnePriority = None,
        labels: Texts = None,
        parent_id: Text = None,
        depends_on: Annotated[Texts, Field(description="Ids of tasks to be done before")] = None,
        assignee: Text = None,
        due_date: Annotated[Text, Field(description="YYYY-MM-DD")] = None,
        acceptance_criteria: Annotated[Texts, Field(description="'[x] …' is met")] = None,
        symbols: Texts = None,
        repo_path: Annotated[Text, Field(description="Absolute")] = None,
        client_key: Annotated[Text, Field(description="Repeating it returns the same task")] = None,
        actor: Annotated[Text, Field(description="Who you are")] = None,
    ) -> ToolResult:
        """Create a development task."""
        wanted = draft(
            title=title, description=description, notes=notes, planning_references=planning_references,
            priority=priority, labels=labels, parent_id=parent_id, depends_on=depends_on, assignee=assignee,
            due_date=due_date, acceptance_criteria=acceptance_criteria, symbols=symbols,
            repository=await self._repository(repo_path),
        )  # fmt: skip
        key = None if client_key is None else validation.line("client_key", client_key)
        return await self._shown(await self._tracker.create(wanted, actor=_actor(actor), client_key=key))

    async def get_task(
        self,
        task_id: str,
        *,
        code: Annotated[bool, Field(description="Add the most relevant places in the code")] = False,
    ) -> ToolResult:
        """Show a task."""
        task = await self._tracker.get(validation.identifier("task_id", task_id))
        if code:
            places, hint = await links.relevant_code(self._context, task)
            task = task.model_copy(update={"code": places, "hint": hint})
        return await self._shown(task)

    async def list_tasks(
        self,
        *,
        status: OneStatus = None,
        branch: Text = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
        label: Text = None,
        assignee: Text = None,
        parent_id: Text = None,
        ready: Annotated[bool, Field(description="Only what can be started: no open blocker, not claimed")] = False,
        deleted: bool = False,
        query: Annotated[Text, Field(description="Find by words and meaning")] = None,
        full_details: bool = False,
        offset: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0,
    ) -> ToolResult:
        """List tasks, newest first; ready ones most urgent first."""
        wanted = Filter(
            status=status,
            branch=None if branch is None else validation.line("branch", branch),
            label=None if label is None else validation.line("label", label),
            assignee=None if assignee is None else validation.line("assignee", assignee),
            parent_id=None if parent_id is None else validation.identifier("parent_id", parent_id),
            ready=ready,
            deleted=deleted,
        )
        if query is None:
            page, note = await self._tracker.list(wanted, limit=limit, offset=offset, full=full_details), None
        else:
            asked = validation.text("query", query, limit=QUERY_LENGTH)
            near, note = await meaning.near(self._context, asked)
            page = await self._tracker.search(asked, wanted, near=near, limit=limit, offset=offset, full=full_details)
        return _answer(page.shown() if note is None else {**page.shown(), "note": note})

    async def update_task(
        self,
        task_id: str,
        *,
        title: Text = None,
        description: Text = None,
        notes: Text = None,
        status: OneStatus = None,
        branch: Annotated[Text, Field(description="Added")] = None,
        commit: Annotated[Text, Field(description="Added; 40 hex digits")] = None,
        priority: OnePriority = None,
        labels: Texts = None,
        parent_id: Text = None,
        depends_on: Texts = None,
        assignee: Text = None,
        due_date: Text = None,
        acceptance_criteria: Texts = None,
        planning_references: Texts = None,
        symbols: Texts = None,
        repo_path: Text = None,
        read_head: Annotated[bool, Field(description="Add the branch and commit checked out in repo_path")] = False,
        comment: Text = None,
        deleted: Annotated[Flag, Field(description="true deletes, false restores")] = None,
        expected_version: Annotated[Number, Field(description="Refuse if changed since")] = None,
        actor: Text = None,
    ) -> ToolResult:
        """Change the given fields; lists are replaced, "" or [] empties."""
        tracker = self._tracker
        identifier = validation.identifier("task_id", task_id)
        repository = await self._repository(repo_path)
        branches, commits = [branch] if branch is not None else [], [commit] if commit is not None else []
        if read_head:
            head = await self._head(tracker, identifier, repository)
            branches, commits = [*branches, *_given(head.branch)], [*commits, *_given(head.commit)]
        wanted = draft(
            title=title, description=description, notes=notes, status=status, branches=branches, commits=commits,
            priority=priority, labels=labels, parent_id=parent_id, depends_on=depends_on, assignee=assignee,
            due_date=due_date, acceptance_criteria=acceptance_criteria, planning_references=planning_references,
            symbols=symbols, repository=repository, comment=comment, deleted=deleted,
        )  # fmt: skip
        actor = _actor(actor)
        return await self._shown(
            await tracker.update(identifier, wanted, actor=actor, expected_version=expected_version)
        )

    async def claim_task(
        self,
        assignee: Annotated[str, Field(description="Who you are, unlike any other agent")],
        task_id: Annotated[Text, Field(description="Left out: the most urgent ready one")] = None,
        lease_seconds: Annotated[Number, Field(description="Claim again to extend; 0 releases")] = None,
    ) -> ToolResult:
        """Take a task to work on; fails if another holds it."""
        holder = validation.line("assignee", assignee)
        lease = claims.checked_lease(lease_seconds, self._context.settings(TasksSettings))
        identifier = None if task_id is None else validation.identifier("task_id", task_id)
        if identifier is None and not lease:
            raise InvalidInputError("Releasing a claim needs the task_id.", field="task_id")
        return await self._shown(await self._tracker.claim(identifier, holder, lease=lease))

    async def _head(self, tracker: Tracker, task_id: Any, repository: str | None) -> repositories.Head:
        path = repository or (await tracker.get(task_id)).repository
        if not path:
            raise InvalidInputError(
                "read_head needs to know the repository.", remedy="Give repo_path, its absolute path."
            )
        folder = await anyio.to_thread.run_sync(repositories.confined, self._context, path)
        return await anyio.to_thread.run_sync(repositories.read_head, Path(folder))

    async def _repository(self, path: str | None) -> str | None:
        if not path:
            return path
        return await anyio.to_thread.run_sync(repositories.confined, self._context, path)

    async def _shown(self, task: Task) -> ToolResult:
        shown = task.shown()
        if task.repository and task.planning_references:
            shown["missing_references"] = await anyio.to_thread.run_sync(
                repositories.missing_in_confines, self._context, task.repository, task.planning_references
            )
        return _answer(shown)


def _answer(facts: dict[str, Any]) -> ToolResult:
    """Return what FastMCP would make of the facts, which it would go through five times for that."""
    return ToolResult([TextContent(type="text", text=to_json(facts).decode())], facts)


def _given(value: str | None) -> list[str]:
    return [] if value is None else [value]


def _actor(actor: str | None) -> str:
    """Return who is calling: as they say, or else the name of the client's program."""
    if actor is not None:
        return validation.line("actor", actor)
    try:
        parameters = get_context().session.client_params
    except RuntimeError:  # called outside a client's request
        parameters = None
    name = parameters.client_info.name.strip() if parameters else ""
    return name[: validation.NAME_LENGTH] or "unknown"
