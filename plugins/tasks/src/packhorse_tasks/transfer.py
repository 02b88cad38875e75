"""The commands `packhorse tasks import` and `export`. Importing the same file again adds only what is new."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from cyclopts import Parameter

from packhorse import terminal
from packhorse.errors import ConflictError, InvalidInputError, NotFoundError
from packhorse_tasks import repositories, validation
from packhorse_tasks.drafts import Draft, draft
from packhorse_tasks.formats import Portable, backlog, jsonl, markdown, read_text, taskmaster
from packhorse_tasks.models import Task
from packhorse_tasks.search import Filter
from packhorse_tasks.tracker import PAGE, Tracker, in_one_transaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cyclopts import App

    from packhorse.context import PluginContext

IMPORT_SECONDS = 600.0
"""How long an import may take. It is one transaction; nobody else connects tasks meanwhile."""

Source = Literal["jsonl", "markdown", "taskmaster", "backlog"]
Origin = Annotated[Path, Parameter(help="A .jsonl or .md file, a tasks.json, or a folder of Backlog.md.")]
Target = Annotated[Path | None, Parameter(help="The file to write; by default standard output.")]
Repository = Annotated[Path | None, Parameter(help="The repository that the tasks belong to.")]


def register(tasks: App, context: PluginContext) -> None:
    """Add the two commands."""

    @tasks.command(name="import")
    def import_(
        path: Origin,
        *,
        format: Annotated[Source | None, Parameter(help="By default told by the name.")] = None,  # noqa: A002 - the option's name
        repo: Repository = None,
        json: Annotated[bool, Parameter(help="Print JSON on standard output.")] = False,
    ) -> None:
        """Import tasks with their sub-tasks and dependencies; a second time adds only what is new.

        Examples:
          packhorse tasks import .taskmaster/tasks/tasks.json
          packhorse tasks import backlog
        """
        from packhorse_tasks.editing import person

        kind = format or guess(path)
        found = read(kind, path)
        folder = str(repositories.resolve_repository(str(repo.expanduser().absolute()))) if repo else None

        async def main() -> tuple[int, int]:
            async with in_one_transaction(context.database, deadline=IMPORT_SECONDS) as tracker:
                return await store_all(tracker, found, scope(kind, path), folder, actor=person())

        added, known = context.run(main)
        if json:
            terminal.print_json({"added": added, "known": known})
        else:
            terminal.output().print(f"{added} tasks added, {known} were there already.")

    @tasks.command
    def export(
        path: Target = None,
        *,
        format: Annotated[Literal["jsonl", "markdown"], Parameter(help="jsonl keeps everything.")] = "jsonl",  # noqa: A002 - the option's name
    ) -> None:
        """Export all tasks but the deleted ones, the oldest first.

        Examples:
          packhorse tasks export tasks.jsonl
          packhorse tasks export --format markdown
        """

        async def main() -> list[Task]:
            return [task async for task in every(Tracker(context.database))]

        exported = context.run(main)
        text = "".join((jsonl if format == "jsonl" else markdown).write(exported))
        if path is None:
            sys.stdout.flush()
            sys.stdout.buffer.write(text.encode())
            sys.stdout.buffer.flush()
            return
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InvalidInputError(f"{path} cannot be written: {error.strerror}.") from None
        terminal.messages().print(terminal.safe(f"{len(exported)} tasks written to {path}."))


def guess(path: Path) -> Source:
    """Return the format that a path's name tells.

    Raises:
        InvalidInputError: it tells none.
    """
    if path.is_dir():
        return "backlog"
    by_suffix: dict[str, Source] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".md": "markdown", ".json": "taskmaster"}
    if path.suffix.lower() not in by_suffix:
        raise InvalidInputError(f"The name {path.name} does not tell the format.", remedy="Say it with --format.")
    return by_suffix[path.suffix.lower()]


def read(kind: Source, path: Path) -> list[Portable]:
    """Return the tasks of a file or folder."""
    if kind == "backlog":
        return backlog.read(path)
    reader = {"jsonl": jsonl.read, "markdown": markdown.read, "taskmaster": taskmaster.read}[kind]
    return reader(read_text(path))


def scope(kind: Source, path: Path) -> str:
    """Return what sets the keys of one file apart from another's; ids in JSON lines are unique by themselves."""
    return kind if kind == "jsonl" else f"{kind}:{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:16]}"


async def store_all(
    tracker: Tracker, found: Sequence[Portable], where: str, repository: str | None, *, actor: str
) -> tuple[int, int]:
    """Create the tasks that are not there yet, then connect them; return how many were added and how many known.

    All are validated before the first is created. The caller's transaction makes it all or nothing.
    """
    drafts = [_drafted(one, repository) for one in found]
    ids: dict[str, UUID] = {}
    fresh: set[str] = set()
    for one, wanted in zip(found, drafts, strict=True):
        existing = await _existing(tracker, one, where)
        if existing is None:
            key, own = f"import:{where}:{one.key}"[:200], _uuid(one.key) if where == "jsonl" else None
            existing = (await tracker.create(wanted, actor=actor, client_key=key, task_id=own)).uuid
            fresh.add(one.key)
        ids[one.key] = existing
    for one in found:
        await _connect(tracker, one, ids, actor, fresh=one.key in fresh)
    return len(fresh), len(found) - len(fresh)


def _drafted(one: Portable, repository: str | None) -> Draft:
    try:
        return draft(**{"repository": repository, **one.fields})
    except InvalidInputError as error:
        raise InvalidInputError(f"{validation.quoted(str(one.fields['title']))}: {error.message}") from None
    except (TypeError, AttributeError):
        raise InvalidInputError(f"{validation.quoted(str(one.fields['title']))}: a field has the wrong type.") from None


async def _existing(tracker: Tracker, one: Portable, where: str) -> UUID | None:
    by_key = await tracker.find_by_key(f"import:{where}:{one.key}"[:200])
    own = _uuid(one.key) if where == "jsonl" else None
    if by_key is not None or own is None:
        return by_key
    try:
        return (await tracker.get(own)).uuid
    except NotFoundError:
        return None


async def _connect(tracker: Tracker, one: Portable, ids: dict[str, UUID], actor: str, *, fresh: bool) -> None:
    parent = str(ids[one.parent]) if one.parent in ids else None
    needs = [str(ids[key]) for key in one.depends_on if key in ids]
    try:
        if parent is not None or needs:
            wanted = draft(parent_id=parent, depends_on=needs or None)
            await tracker.update(ids[one.key], wanted, actor=actor)
    except ConflictError:
        await _connect_singly(tracker, one, ids[one.key], parent, needs, actor)
    for body in one.comments if fresh else []:
        await tracker.update(ids[one.key], draft(comment=body), actor=actor)


async def _connect_singly(
    tracker: Tracker, one: Portable, task_id: UUID, parent: str | None, needs: Sequence[str], actor: str
) -> None:
    """Connect what can be connected, and say what cannot: elsewhere a sub-task may wait for its parent, for one."""
    kept: list[str] = []
    for need in (None, *needs):
        wanted = draft(parent_id=parent) if need is None else draft(depends_on=[*kept, need])
        try:
            await tracker.update(task_id, wanted, actor=actor)
        except ConflictError as error:
            terminal.print_warning(f"{one.fields['title']}: {error.message} It is left out.")
        else:
            kept += [need] if need else []


def _uuid(key: str) -> UUID | None:
    try:
        return UUID(key)
    except ValueError:
        return None


async def every(tracker: Tracker) -> AsyncIterator[Task]:
    """Yield every task that is not deleted, the oldest first."""
    offset = 0
    pages: list[Task] = []
    while True:
        page = await tracker.list(Filter(), limit=PAGE, offset=offset, full=True)
        pages += [task for task in page.tasks if isinstance(task, Task)]
        if page.next_offset is None:
            break
        offset = page.next_offset
    for task in reversed(pages):
        yield task
