"""The subcommands of `packhorse tasks` that change something."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from packhorse import terminal
from packhorse.errors import PackhorseError
from packhorse_tasks import claims, repositories, validation
from packhorse_tasks.commands import Json, Reference, change, show_one
from packhorse_tasks.drafts import draft
from packhorse_tasks.models import Priority
from packhorse_tasks.settings import TasksSettings
from packhorse_tasks.tracker import Tracker

if TYPE_CHECKING:
    from cyclopts import App

    from packhorse.context import PluginContext
    from packhorse_tasks.models import Task

Level = Annotated[Priority | None, Parameter(name=["--priority", "-p"])]
Labels = Annotated[list[str] | None, Parameter(name=["--label", "-l"], help="A label; give it again for more.")]


def register(tasks: App, context: PluginContext) -> None:
    """Add the commands that change tasks."""
    _register_progress(tasks, context)
    _register_others(tasks, context)


def _register_others(tasks: App, context: PluginContext) -> None:
    @tasks.command
    def add(
        title: str,
        *,
        description: Annotated[str | None, Parameter(name=["--description", "-d"])] = None,
        priority: Level = None,
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

        show_one(context.run(main), json=json)

    @tasks.command
    def comment(task: Reference, text: str, *, json: Json = False) -> None:
        """Add a comment to a task."""
        wanted = draft(comment=text)
        show_one(
            change(context, task, lambda tracker, found: tracker.update(found.uuid, wanted, actor=person())),
            json=json,
        )

    @tasks.command
    def delete(task: Reference, *, json: Json = False) -> None:
        """Delete a task; `restore` brings it back."""
        show_one(_set_deleted(context, task, deleted=True), json=json)

    @tasks.command
    def restore(task: Reference, *, json: Json = False) -> None:
        """Bring a deleted task back."""
        show_one(_set_deleted(context, task, deleted=False), json=json)


def _register_progress(tasks: App, context: PluginContext) -> None:
    @tasks.command
    def start(task: Reference, *, json: Json = False) -> None:
        """Set a task in progress and add the branch that is checked out in its repository."""

        async def apply(tracker: Tracker, found: Task) -> Task:
            branch = _head(found).branch
            wanted = draft(status="in-progress", assignee=person(), branches=[branch] if branch else [])
            return await tracker.update(found.uuid, wanted, actor=person())

        show_one(change(context, task, apply), json=json)

    @tasks.command
    def done(
        task: Reference,
        *,
        commit: Annotated[str | None, Parameter(help="By default the one that is checked out.")] = None,
        json: Json = False,
    ) -> None:
        """Complete a task and add the commit that is checked out in its repository."""

        async def apply(tracker: Tracker, found: Task) -> Task:
            does = commit or _head(found).commit
            wanted = draft(status="complete", commits=[does] if does else [])
            return await tracker.update(found.uuid, wanted, actor=person())

        show_one(change(context, task, apply), json=json)

    @tasks.command
    def claim(
        task: Annotated[str | None, Parameter(help="Which; by default the most urgent that is ready.")] = None,
        *,
        assignee: Annotated[str | None, Parameter(name=["--as", "--assignee"], help="By default you.")] = None,
        lease: Annotated[int | None, Parameter(help="Seconds; 0 gives the task back.")] = None,
        json: Json = False,
    ) -> None:
        """Take a task to work on, so that nobody else does."""

        async def main() -> Task:
            tracker = Tracker(context.database)
            found = None if task is None else await tracker.resolve(task)
            holder = validation.line("assignee", assignee or person())
            seconds = claims.checked_lease(lease, context.settings(TasksSettings))
            return await tracker.claim(found, holder, lease=seconds)

        show_one(context.run(main), json=json)


def _set_deleted(context: PluginContext, reference: str, *, deleted: bool) -> Task:
    wanted = draft(deleted=deleted)
    return change(context, reference, lambda tracker, found: tracker.update(found.uuid, wanted, actor=person()))


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
    if task.repository is None:
        return repositories.Head(None, None)
    try:
        return repositories.read_head(repositories.resolve_repository(task.repository))
    except PackhorseError as error:
        terminal.print_warning(error.message)
        return repositories.Head(None, None)
