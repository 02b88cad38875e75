"""The commands `index`, `status`, `cancel`, `repositories` and `forget`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from packhorse import terminal

if TYPE_CHECKING:
    from uuid import UUID

    from cyclopts import App

    from packhorse.context import PluginContext
    from packhorse_indexing.answers import CancelAnswer, RemovedAnswer, RepositoryAnswer, StatusAnswer
    from packhorse_indexing.models import IndexResult, Progress
    from packhorse_indexing.requests import StatusRequest

Json = Annotated[bool, Parameter(help="Print JSON on standard output.")]
Reference = Annotated[str | None, Parameter(help="A folder, the name of one, or a repository's id.")]

_COLOURS = {"success": "green", "partial": "yellow", "failed": "red", "running": "cyan"}
_SHOWN_ERRORS = 20


def register(app: App, context: PluginContext) -> None:
    """Add the commands."""

    @app.command
    def index(
        path: Annotated[str, Parameter(help="The repository's folder, or an https URL to clone it from.")] = ".",
        *,
        force: Annotated[bool, Parameter(help="Make everything anew, e.g. with another embedder.")] = False,
        json: Json = False,
    ) -> int:
        """Index a folder, or bring its index up to date.

        Ctrl-C stops it after the batch at work; what is done stays, and the next run goes on from there.

        Examples:
          packhorse index
          packhorse index ~/src/project --json
          packhorse index https://github.com/owner/project
        """
        result = context.run(lambda: _index(context, path, force=force))
        _print_result(result, json=json)
        return 1 if result.status == "failed" else 0

    @app.command
    def status(
        repository: Reference = None,
        *,
        skipped: Annotated[str | None, Parameter(help="List files that are not indexed: a reason, or all.")] = None,
        why: Annotated[str | None, Parameter(help="Say why this path is, or is not, indexed.")] = None,
        follow: Annotated[bool, Parameter(help="Wait until the indexing at work is over.", negative="")] = False,
        limit: Annotated[int, Parameter(help="Files to list.")] = 200,
        cursor: Annotated[str | None, Parameter(help="List the files after this path.")] = None,
        json: Json = False,
    ) -> None:
        """Tell how far indexing is, how fresh an index is, and what it leaves out; by default that of this folder.

        Examples:
          packhorse status --follow
          packhorse status --why src/generated.py
          packhorse status project --skipped "too large"
        """
        from packhorse_indexing.requests import StatusRequest

        path = _path(why) if why and repository is None else why  # as seen from here, or from the repository named
        request = StatusRequest(repository and _reference(repository), None, skipped, path, limit, cursor)
        answer = context.run(lambda: _status(context, request, follow=follow))
        _print_status(answer, json=json)

    @app.command
    def cancel(repository: Reference = None, *, json: Json = False) -> None:
        """Stop the indexing at work after its present batch; what is done stays. By default that of this folder.

        Examples:
          packhorse cancel
        """
        answer = context.run(lambda: _cancel(context, repository))
        if json:
            terminal.print_json(answer)
        else:
            terminal.output().print(terminal.safe(f"{answer.path}: {answer.summary}"))

    @app.command
    def repositories(*, json: Json = False) -> None:
        """List what is indexed.

        Examples:
          packhorse repositories
        """
        described = context.run(lambda: _repositories(context))
        if json:
            terminal.print_json({"repositories": described, "total_count": len(described)})
        else:
            _print_repositories(described)

    @app.command
    def forget(
        repository: Annotated[str, Parameter(help="A folder, the name of one, or a repository's id.")],
        *,
        yes: Annotated[bool, Parameter(help="Do not ask.", negative="")] = False,
        json: Json = False,
    ) -> int:
        """Remove a repository from the index; its files are not touched, a clone of ours is deleted.

        Examples:
          packhorse forget ~/src/old
        """
        removed = context.run(lambda: _forget(context, repository, ask=not yes))
        if removed is None:
            terminal.messages().print("Nothing was removed.")
            return 1
        if json:
            terminal.print_json(removed)
        else:
            terminal.output().print(terminal.safe(removed.summary))
        return 0


async def _index(context: PluginContext, path: str, *, force: bool) -> IndexResult:
    from packhorse_indexing.service import Index  # it needs psycopg, which `packhorse --help` does not

    service = context.service(Index)
    job: list[UUID] = []
    with terminal.progress("looking for files", total=100) as bar:

        async def show(progress: Progress) -> None:
            job[:] = [progress.job_id]
            bar.update(round(progress.fraction * 100), 100, progress.message)

        try:
            return await service.index(_path(path), force=force, on_progress=show)
        except asyncio.CancelledError:
            for job_id in job:
                await service.cancel(job_id)
                terminal.print_warning("Indexing stops after the batch at work; run it again to go on.")
            raise


async def _status(context: PluginContext, request: StatusRequest, *, follow: bool) -> StatusAnswer:
    from packhorse_indexing import requests
    from packhorse_indexing.service import Index

    service = context.service(Index)
    if request.repository is None:
        request = replace(request, repository=await requests.around(service, _path(".")))
    answer = await requests.status(service, request)
    if not follow or answer.job_id is None or answer.phase is None:
        return answer
    with terminal.progress("looking for files", total=100) as bar:

        async def show(progress: Progress) -> None:
            bar.update(round(progress.fraction * 100), 100, progress.message)

        await service.follow(answer.job_id, None, show)
    return await requests.status(service, request)


async def _cancel(context: PluginContext, repository: str | None) -> CancelAnswer:
    from packhorse_indexing import requests
    from packhorse_indexing.service import Index

    service = context.service(Index)
    wanted = await requests.around(service, _path(".")) if repository is None else _reference(repository)
    return await requests.cancel(service, wanted, None)


async def _repositories(context: PluginContext) -> list[RepositoryAnswer]:
    from packhorse_indexing import requests
    from packhorse_indexing.service import Index

    return await requests.describe(context.service(Index))


async def _forget(context: PluginContext, reference: str, *, ask: bool) -> RemovedAnswer | None:
    """Remove a repository; None when the person at the terminal did not want to."""
    from packhorse_indexing import requests
    from packhorse_indexing.service import Index

    service = context.service(Index)
    repository = await service.find(_reference(reference))
    if ask and not await asyncio.to_thread(terminal.confirm, f"Remove the index of {repository.path}?"):
        return None
    return await requests.remove(service, str(repository.id))


def _path(text: str) -> str:
    """Return a path as seen from here; a URL stays what it is."""
    from packhorse_indexing.clone.address import is_url

    return text if is_url(text) else str(Path(text).expanduser().absolute())


def _reference(text: str) -> str:
    """Return what is meant: a folder as seen from here when it is one or looks like a path, else the text itself."""
    path = Path(text).expanduser()
    looks_like_path = path.is_absolute() or text.startswith(".") or "/" in text
    return _path(text) if looks_like_path or path.is_dir() else text


def _print_result(result: IndexResult, *, json: bool) -> None:
    from packhorse_indexing.answers import index_answer

    answered = index_answer(result)
    if json:
        terminal.print_json(answered)
        return
    terminal.output().print(terminal.safe(answered.summary, style=_COLOURS[result.status]))
    if result.status != "failed":
        _print_errors(result.errors)
    terminal.messages().print(f"{result.duration_seconds:.1f} s")


def _print_errors(errors: list[str]) -> None:
    for error in errors[:_SHOWN_ERRORS]:
        terminal.messages().print(terminal.safe(f"  {error}"))
    if len(errors) > _SHOWN_ERRORS:
        terminal.messages().print(f"  … and {len(errors) - _SHOWN_ERRORS} more; --json prints all.")


def _print_status(answer: StatusAnswer, *, json: bool) -> None:
    if json:
        terminal.print_json(answer)
        return
    output = terminal.output()
    if answer.why is not None:
        output.print(terminal.safe(answer.why.explanation))
        return
    if answer.files is not None:
        for file in answer.files:
            output.print(terminal.safe(f"{file.path}: {file.reason}" + (f" ({file.detail})" if file.detail else "")))
        if answer.next_cursor:
            terminal.messages().print(terminal.safe(f"There are more: --cursor {answer.next_cursor!r}"))
        return
    output.print(terminal.safe(answer.summary, style=_COLOURS.get(answer.status, "")))
    _print_errors(answer.errors)


def _print_repositories(described: list[RepositoryAnswer]) -> None:
    if not described:
        terminal.messages().print("Nothing is indexed yet; `packhorse index PATH` indexes a folder.")
        return
    table = terminal.table("Path", "Files", "Chunks", "Status", "Indexed", "Id")
    for one in described:
        when = one.indexed_at.astimezone().strftime("%Y-%m-%d %H:%M") if one.indexed_at else "never completely"
        status = f"{one.status} {one.percent:.0f} %" if one.status in {"queued", "running"} else one.status
        cells = (one.url or one.path, one.files_indexed, one.chunks, status, when, one.repository_id)
        table.add_row(*map(terminal.safe, cells))
    terminal.output().print(table)
