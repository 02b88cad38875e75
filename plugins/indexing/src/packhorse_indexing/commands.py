"""The commands `index`, `repositories` and `forget`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from packhorse import terminal

if TYPE_CHECKING:
    from uuid import UUID

    from cyclopts import App

    from packhorse.context import PluginContext
    from packhorse_indexing.models import IndexResult, Progress

Json = Annotated[bool, Parameter(help="Print JSON on standard output.")]

_COLOURS = {"success": "green", "partial": "yellow", "failed": "red", "running": "cyan"}
_SHOWN_ERRORS = 20


def register(app: App, context: PluginContext) -> None:
    """Add the commands."""

    @app.command
    def index(
        path: Annotated[Path, Parameter(help="The repository's folder.")] = Path(),
        *,
        force: Annotated[bool, Parameter(help="Make everything anew, e.g. with another embedder.")] = False,
        json: Json = False,
    ) -> int:
        """Index a folder, or bring its index up to date.

        Ctrl-C stops it after the batch at work; what is done stays, and the next run goes on from there.

        Examples:
          packhorse index
          packhorse index ~/src/project --json
        """
        result = context.run(lambda: _index(context, path, force=force))
        _print_result(result, json=json)
        return 1 if result.status == "failed" else 0

    @app.command
    def repositories(*, json: Json = False) -> None:
        """List what is indexed.

        Examples:
          packhorse repositories
        """
        context.run(lambda: _repositories(context, json=json))

    @app.command
    def forget(
        repository: Annotated[str, Parameter(help="A folder, the name of one, or a repository's id.")],
        *,
        json: Json = False,
    ) -> None:
        """Remove a repository from the index; its files are not touched.

        Examples:
          packhorse forget ~/src/old
        """
        context.run(lambda: _forget(context, repository, json=json))


async def _index(context: PluginContext, path: Path, *, force: bool) -> IndexResult:
    from packhorse_indexing.service import Index  # it needs psycopg, which `packhorse --help` does not

    service = context.service(Index)
    job: list[UUID] = []
    with terminal.progress("looking for files", total=100) as bar:

        async def show(progress: Progress) -> None:
            job[:] = [progress.job_id]
            bar.update(round(progress.fraction * 100), 100, progress.message)

        try:
            return await service.index(_absolute(path), force=force, on_progress=show)
        except asyncio.CancelledError:
            for job_id in job:
                await service.cancel(job_id)
                terminal.print_warning("Indexing stops after the batch at work; run it again to go on.")
            raise


async def _repositories(context: PluginContext, *, json: bool) -> None:
    from packhorse_indexing.service import Index
    from packhorse_indexing.tools import describe

    described = await describe(context.service(Index))
    if json:
        terminal.print_json({"repositories": described, "total_count": len(described)})
        return
    if not described:
        terminal.messages().print("Nothing is indexed yet; `packhorse index PATH` indexes a folder.")
        return
    table = terminal.table("Path", "Files", "Chunks", "Status", "Indexed", "Id")
    for one in described:
        when = one.indexed_at.astimezone().strftime("%Y-%m-%d %H:%M") if one.indexed_at else "never completely"
        status = f"{one.status} {one.percent:.0f} %" if one.status in {"queued", "running"} else one.status
        cells = (one.path, one.files_indexed, one.chunks, status, when, one.repository_id)
        table.add_row(*map(terminal.safe, cells))
    terminal.output().print(table)


async def _forget(context: PluginContext, reference: str, *, json: bool) -> None:
    from packhorse_indexing.service import Index

    service = context.service(Index)
    forgotten = await service.forget(_reference(reference))
    if json:
        terminal.print_json({"repository_id": forgotten.id, "path": forgotten.path})
    else:
        terminal.output().print(terminal.safe(f"{forgotten.path} is no longer indexed."))


def _absolute(path: Path) -> str:
    return str(path.expanduser().absolute())


def _reference(text: str) -> str:
    """Return what is meant: a folder as seen from here when it is one or looks like a path, else the text itself."""
    path = Path(text).expanduser()
    looks_like_path = path.is_absolute() or text.startswith(".") or "/" in text
    return _absolute(path) if looks_like_path or path.is_dir() else text


def _print_result(result: IndexResult, *, json: bool) -> None:
    from packhorse_indexing.tools import answer

    answered = answer(result)
    if json:
        terminal.print_json(answered)
        return
    terminal.output().print(terminal.safe(answered.summary, style=_COLOURS[result.status]))
    if result.status != "failed":
        for error in result.errors[:_SHOWN_ERRORS]:
            terminal.messages().print(terminal.safe(f"  {error}"))
        if len(result.errors) > _SHOWN_ERRORS:
            terminal.messages().print(f"  … and {len(result.errors) - _SHOWN_ERRORS} more; --json prints all.")
    terminal.messages().print(f"{result.duration_seconds:.1f} s")
