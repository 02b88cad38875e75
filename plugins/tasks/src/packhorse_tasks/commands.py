"""The command `packhorse tasks` and its subcommands, for a person at a terminal and for scripts."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from packhorse import terminal
from packhorse_tasks import claims, repositories, validation
from packhorse_tasks.drafts import draft
from packhorse_tasks.models import Priority, Status
from packhorse_tasks.search import Filter
from packhorse_tasks.tracker import PAGE, Tracker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from packhorse.context import PluginContext
    from packhorse_tasks.models import Task, TaskList

Json = Annotated[bool, Parameter(help="Print JSON on standard output.")]
Reference = Annotated[str, Parameter(help="The task's number, its id, or the beginning of its id.")]
Labels = Annotated[list[str] | None, Parameter(name=["--label", "-l"], help="A label; give it again for more.")]

_COLUMNS: tuple[Status, ...] = ("need to be done", "in-progress", "complete")
_ALIASES = {"todo": "need to be done", "open": "need to be done", "doing": "in-progress", "done": "complete"}


def register(app: App, context: PluginContext) -> None:
    """Add the command to the command line."""
    from packhorse_tasks import transfer

    tasks = App(name="tasks", help="Keep development tasks: list, show, add, start, finish, claim, import and export.")
    app.command(tasks)
    _register_reading(tasks, context)
    _register_writing(tasks, context)
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
        size = min(max(limit, 1), PAGE)

        async def main() -> tuple[TaskList, str | None]:
            if question is None:
                return await Tracker(context.database).list(wanted, limit=size, offset=max(offset, 0)), None
            from packhorse_tasks import meaning

            asked = validation.text("question", question, limit=500)
            near, note = await meaning.near(context, asked)
            found = await Tracker(context.database).search(asked, wanted, near=near, limit=size, offset=max(offset, 0))
            return found, note

        page, note = context.run(main)
        if json:
            terminal.print_json(page.model_dump(exclude_none=True))
            return
        from packhorse_tasks import board

        board.show_list(page)
        if note:
            terminal.messages().print(terminal.safe(note, style="dim"))

    @tasks.command
    def show(task: Reference, *, json: Json = False) -> None:
        """Show one task with all that is known of it."""
        _print(_changed(context, task, lambda tracker, found: tracker.get(found.uuid)), json=json, full=True)

    @tasks.command
    def log(task: Reference, *, json: Json = False) -> None:
        """Show who changed what in a task, and when."""

        async def main() -> None:
            tracker = Tracker(context.database)
            entries = await tracker.history(await tracker.resolve(task))
            if json:
                terminal.print_json(entries)
                return
            for entry in entries:
                terminal.output().print(
                    terminal.safe(f"{entry.version:>4} {entry.changed_at[:19]} ", style="dim")
                    + terminal.safe(f"{entry.actor} ", style="magenta")
                    + terminal.safe(entry.told())
                )

        context.run(main)

    @tasks.command
    def board(*, limit: Annotated[int, Parameter(help="Cards in a column.")] = 15, json: Json = False) -> None:
        """Show the board: a column for each status, the most urgent first."""

        async def main() -> dict[str, TaskList]:
            tracker, size = Tracker(context.database), min(max(limit, 1), PAGE)
            return {
                status: await tracker.list(Filter(status=status), limit=size, urgent=status != "complete")
                for status in _COLUMNS
            }

        columns = context.run(main)
        if json:
            terminal.print_json({status: page.model_dump(exclude_none=True) for status, page in columns.items()})
            return
        from packhorse_tasks.board import show_board

        show_board(columns)


def _register_writing(tasks: App, context: PluginContext) -> None:
    @tasks.command
    def add(
        title: str,
        *,
        description: Annotated[str | None, Parameter(name=["--description", "-d"])] = None,
        priority: Annotated[Priority | None, Parameter(name=["--priority", "-p"])] = None,
        label: Labels = None,
        assignee: str | None = None,
        due: Annotated[str | None, Parameter(help="YYYY-MM-DD")] = None,
        parent: Annotated[str | None, Parameter(help="The task that this one is a part of.")] = None,
        after: Annotated[list[str] | None, Parameter(help="A task to be done before; give it again for more.")] = None,
        file: Annotated[list[str] | None, Parameter(help="A file it is about, from the repository's root.")] = None,
        criterion: Annotated[list[str] | None, Parameter(help="What must hold when it is done.")] = None,
        repo: Annotated[Path | None, Parameter(help="The repository's folder; by default the present one.")] = None,
        json: Json = False,
    ) -> None:
        """Add a task.

        Examples:
          packhorse tasks add "Refuse stale updates" -p high -l tracker --after 12
        """
        folder = _repository(repo)

        async def main() -> Task:
            tracker = Tracker(context.database)
            wanted = draft(
                title=title, description=description, priority=priority, labels=label, assignee=assignee, due_date=due,
                parent_id=str(await tracker.resolve(parent)) if parent else None,
                depends_on=[str(await tracker.resolve(one)) for one in after] if after else None,
                planning_references=file, acceptance_criteria=criterion, repository=folder,
            )  # fmt: skip
            return await tracker.create(wanted, actor=person())

        _print(context.run(main), json=json)

    @tasks.command
    def start(task: Reference, *, json: Json = False) -> None:
        """Set a task in progress and add the branch that is checked out in its repository."""

        async def change(tracker: Tracker, found: Task) -> Task:
            branch = _head(found).branch
            wanted = draft(status="in-progress", assignee=person(), branches=[branch] if branch else [])
            return await tracker.update(found.uuid, wanted, actor=person())

        _print(_changed(context, task, change), json=json)

    @tasks.command
    def done(
        task: Reference,
        *,
        commit: Annotated[
            str | None, Parameter(help="The commit that does it; by default the one checked out.")
        ] = None,
        json: Json = False,
    ) -> None:
        """Complete a task and add the commit that is checked out in its repository."""

        async def change(tracker: Tracker, found: Task) -> Task:
            does = commit or _head(found).commit
            wanted = draft(status="complete", commits=[does] if does else [])
            return await tracker.update(found.uuid, wanted, actor=person())

        _print(_changed(context, task, change), json=json)

    @tasks.command
    def claim(
        task: Annotated[str | None, Parameter(help="Which; by default the most urgent that is ready.")] = None,
        *,
        assignee: Annotated[str | None, Parameter(name=["--as", "--assignee"], help="By default you.")] = None,
        lease: Annotated[int, Parameter(help="Seconds; 0 gives the task back.")] = claims.LEASE,
        json: Json = False,
    ) -> None:
        """Take a task to work on, so that nobody else does."""

        async def main() -> Task:
            tracker = Tracker(context.database)
            found = None if task is None else await tracker.resolve(task)
            holder = validation.line("assignee", assignee or person())
            return await tracker.claim(found, holder, lease=claims.checked_lease(lease))

        _print(context.run(main), json=json)

    @tasks.command
    def comment(task: Reference, text: str, *, json: Json = False) -> None:
        """Add a comment to a task."""
        wanted = draft(comment=text)
        _print(
            _changed(context, task, lambda tracker, found: tracker.update(found.uuid, wanted, actor=person())),
            json=json,
        )

    @tasks.command
    def delete(task: Reference, *, json: Json = False) -> None:
        """Delete a task; `restore` brings it back."""
        _print(_set_deleted(context, task, deleted=True), json=json)

    @tasks.command
    def restore(task: Reference, *, json: Json = False) -> None:
        """Bring a deleted task back."""
        _print(_set_deleted(context, task, deleted=False), json=json)


def _set_deleted(context: PluginContext, reference: str, *, deleted: bool) -> Task:
    wanted = draft(deleted=deleted)
    return _changed(context, reference, lambda tracker, found: tracker.update(found.uuid, wanted, actor=person()))


def _changed(context: PluginContext, reference: str, change: Callable[[Tracker, Task], Awaitable[Task]]) -> Task:
    async def main() -> Task:
        tracker = Tracker(context.database)
        return await change(tracker, await tracker.get(await tracker.resolve(reference)))

    return context.run(main)


def person() -> str:
    """Return who sits at the terminal, for the audit."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        return "unknown"


def _repository(folder: Path | None) -> str | None:
    """Return the folder given, or else the repository that the working directory is in."""
    if folder is not None:
        return str(repositories.resolve_repository(str(folder.expanduser().absolute())))
    here = Path.cwd()
    return next((str(one) for one in (here, *here.parents) if (one / ".git").exists()), None)


def _head(task: Task) -> repositories.Head:
    """Return what is checked out in the task's repository, or nothing when that is gone or cannot be read."""
    from packhorse.errors import PackhorseError

    if task.repository is None:
        return repositories.Head(None, None)
    try:
        return repositories.read_head(repositories.resolve_repository(task.repository))
    except PackhorseError as error:
        terminal.print_warning(error.message)
        return repositories.Head(None, None)


def _print(task: Task, *, json: bool, full: bool = False) -> None:
    if json:
        terminal.print_json(task.shown())
        return
    from packhorse_tasks import board

    if full:
        missing = repositories.missing_references(task.repository or "", task.planning_references)
        board.show_task(task, missing)
    else:
        board.show_change(task)
