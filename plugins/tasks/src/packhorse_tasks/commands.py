"""The command `packhorse tasks` and those of its subcommands that read, for a person at a terminal and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from packhorse import terminal
from packhorse_tasks import repositories, validation
from packhorse_tasks.drafts import draft
from packhorse_tasks.models import Status
from packhorse_tasks.search import Filter
from packhorse_tasks.tracker import PAGE, Tracker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from packhorse.context import PluginContext
    from packhorse_tasks.models import Task, TaskList

Json = Annotated[bool, Parameter(help="Print JSON on standard output.")]
Reference = Annotated[str, Parameter(help="The task's number, its id, or the beginning of its id.")]

_COLUMNS: tuple[Status, ...] = ("need to be done", "in-progress", "complete")
_ALIASES = {"todo": "need to be done", "open": "need to be done", "doing": "in-progress", "done": "complete"}


def register(app: App, context: PluginContext) -> None:
    """Add the command to the command line."""
    from packhorse_tasks import editing, transfer

    tasks = App(name="tasks", help="Keep development tasks: list, show, add, start, finish, claim, import and export.")
    app.command(tasks)
    _register_reading(tasks, context)
    editing.register(tasks, context)
    transfer.register(tasks, context)


def _register_reading(tasks: App, context: PluginContext) -> None:
    @tasks.command(name="list")
    def list_(
        question: Annotated[str | None, Parameter(help="Only tasks that fit these words or their meaning.")] = None,
        *,
        status: Annotated[str | None, Parameter(help="todo, doing, done, or as the tools write it.")] = None,
        branch: str | None = None,
        label: str | None = None,
        assignee: str | None = None,
        ready: Annotated[bool, Parameter(help="Only what can be started now.", negative="")] = False,
        deleted: Annotated[bool, Parameter(help="Deleted tasks instead.", negative="")] = False,
        limit: int = 20,
        offset: int = 0,
        json: Json = False,
    ) -> None:
        """List tasks, the newest first.

        Examples:
          packhorse tasks list --ready
          packhorse tasks list "stale updates" --status todo --json
        """
        status = _ALIASES.get(status or "", status)
        draft(status=status)
        wanted = Filter(status=status, branch=branch, label=label, assignee=assignee, ready=ready, deleted=deleted)
        page, note = context.run(lambda: _listed(context, question, wanted, limit=limit, offset=offset))
        if json:
            terminal.print_json(page.shown(numbered=True))
        else:
            _show_list(page, note)

    @tasks.command
    def show(task: Reference, *, json: Json = False) -> None:
        """Show one task with all that is known of it."""
        show_one(change(context, task, lambda tracker, found: tracker.get(found.uuid)), json=json, full=True)

    @tasks.command
    def log(task: Reference, *, json: Json = False) -> None:
        """Show who changed what in a task, and when."""
        context.run(lambda: _log(context, task, json=json))

    @tasks.command
    def board(*, limit: Annotated[int, Parameter(help="Cards in a column.")] = 15, json: Json = False) -> None:
        """Show the board: a column for each status, the most urgent first."""
        columns = context.run(lambda: _board(context, limit))
        if json:
            terminal.print_json({status: page.shown(numbered=True) for status, page in columns.items()})
            return
        from packhorse_tasks.board import show_board

        show_board(columns)


async def _listed(
    context: PluginContext, question: str | None, wanted: Filter, *, limit: int, offset: int
) -> tuple[TaskList, str | None]:
    tracker, size, start = Tracker(context.database), min(max(limit, 1), PAGE), max(offset, 0)
    if question is None:
        return await tracker.list(wanted, limit=size, offset=start), None
    from packhorse_tasks import meaning

    asked = validation.text("question", question, limit=500)
    near, note = await meaning.near(context, asked)
    return await tracker.search(asked, wanted, near=near, limit=size, offset=start), note


def _show_list(page: TaskList, note: str | None) -> None:
    from packhorse_tasks import board

    board.show_list(page)
    if note:
        terminal.messages().print(terminal.safe(note, style="dim"))


async def _log(context: PluginContext, reference: str, *, json: bool) -> None:
    tracker = Tracker(context.database)
    entries = await tracker.history(await tracker.resolve(reference))
    if json:
        terminal.print_json(entries)
        return
    for entry in entries:
        line = terminal.safe(f"{entry.version:>4} {entry.changed_at[:19]} ", style="dim")
        line.append_text(terminal.safe(f"{entry.actor} ", style="magenta"))
        line.append_text(terminal.safe(entry.told()))
        terminal.output().print(line)


async def _board(context: PluginContext, limit: int) -> dict[str, TaskList]:
    tracker, size = Tracker(context.database), min(max(limit, 1), PAGE)
    return {
        status: await tracker.list(Filter(status=status), limit=size, urgent=status != "complete")
        for status in _COLUMNS
    }


def change(context: PluginContext, reference: str, apply: Callable[[Tracker, Task], Awaitable[Task]]) -> Task:
    """Apply a change to the task that a person names."""

    async def main() -> Task:
        tracker = Tracker(context.database)
        return await apply(tracker, await tracker.get(await tracker.resolve(reference)))

    return context.run(main)


def show_one(task: Task, *, json: bool, full: bool = False) -> None:
    """Print a task: as JSON, with all that is known of it, or on one line."""
    if json:
        terminal.print_json(task.shown())
        return
    from packhorse_tasks import board

    if full:
        missing = repositories.missing_references(task.repository or "", task.planning_references)
        board.show_task(task, missing)
    else:
        board.show_change(task)
