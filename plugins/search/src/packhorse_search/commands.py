"""The command `packhorse search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Group, Parameter

from packhorse import terminal
from packhorse.errors import PackhorseError

if TYPE_CHECKING:
    from packhorse.context import PluginContext
    from packhorse_indexing.models import Progress
    from packhorse_indexing.service import Index
    from packhorse_search.answer import SearchAnswer
    from packhorse_search.service import Request

FOUND, NOTHING, FAILED = 0, 1, 2
"""Exit codes, as those of grep: wrong usage and failures are 2, so that 1 is an answer."""

EXAMPLES = """
Examples:

  packhorse search "where are connections returned to the pool"
  packhorse search SessionPool --repo ~/code/app --limit 3
  packhorse search "retry after a timeout" --directory src --exclude '*_pb2.py'
  packhorse search "validate the token" --kind function,code --since main --json
"""

_FILTERS = Group("Filters", help="Each may be given several times, or as a list: a,b.")
_FORM = Group("Output")

Several = Annotated[tuple[str, ...], Parameter(group=_FILTERS, negative=(), show_default=False)]


def register(app: App, context: PluginContext) -> None:
    """Add the command to the command line."""

    @app.command(help_epilogue=EXAMPLES)
    def search(
        *query: str,
        repo: Annotated[tuple[Path, ...], Parameter(group=_FILTERS, negative=(), show_default=False)] = (),
        directory: Annotated[Several, Parameter(name=["--directory", "-d"])] = (),
        exclude: Annotated[Several, Parameter(name=["--exclude", "-x"])] = (),
        language: Annotated[Several, Parameter(name=["--language", "-l"])] = (),
        file_type: Annotated[Several, Parameter(name=["--file-type", "-t"])] = (),
        kind: Annotated[Several, Parameter(name=["--kind", "-k"])] = (),
        since: Annotated[str | None, Parameter(name=["--since", "--changed-since"], group=_FILTERS)] = None,
        limit: Annotated[int, Parameter(name=["--limit", "-n"], group=_FORM)] = 10,
        max_lines: Annotated[int | None, Parameter(name=["--max-lines", "--lines"], group=_FORM)] = None,
        context_lines: Annotated[int, Parameter(name=["--context", "-C", "--context-lines"], group=_FORM)] = 0,
        detail: Annotated[Literal["concise", "detailed"], Parameter(group=_FORM)] = "concise",
        explain: Annotated[bool, Parameter(group=_FORM)] = False,
        cursor: Annotated[str | None, Parameter(group=_FORM)] = None,
        json: Annotated[bool, Parameter(group=_FORM)] = False,
    ) -> int:
        """Search a folder's code by meaning and by words; index it first if it never was.

        The exit code is 0 when something was found, 1 when nothing was, 2 when it could not be searched.

        Parameters
        ----------
        query
            A question, a symbol's name or an error message; quotes around several words are not needed.
        repo
            The folder to search; by default the repository that the working directory is in.
        directory
            Only files in this folder or under this glob, from the repository's root.
        exclude
            No files in this folder or under this glob.
        language
            Only files of this language, such as python.
        file_type
            Only files with this extension, such as py.
        kind
            Only this category of files (code, docs, config, tests) or kind of symbol (function, class, ...).
        since
            Only files that differ from this revision of git, such as main or HEAD~3.
        limit
            How many results, 1 to 50.
        max_lines
            Lines of each result; by default fewer for later ones.
        context_lines
            Lines to show before and after each result, 0 to 10.
        detail
            Whole chunks, and why each is there, instead of the lines that matter.
        explain
            Show what each result's score was summed from.
        cursor
            Go on where an answer to the same search ended; it says how.
        json
            Print the answer as JSON, with the fields of the tool search_code.
        """
        from packhorse_search.assemble import LINES, Form
        from packhorse_search.render import PLAN
        from packhorse_search.service import Request

        plan = PLAN if terminal.output().is_terminal and not json else LINES
        request = Request(
            " ".join(query),
            file_type=_list(file_type),
            directory=_list((*directory, *(f"!{one}" for entry in exclude for one in entry.split(",")))),
            language=_list(language),
            kind=_list(kind),
            changed_since=since,
            limit=limit,
            form=Form(max_lines, context_lines, detailed=detail == "detailed", explain=explain, plan=plan),
            cursor=cursor,
        )
        # Absolute, because the service resolves paths in a process whose working directory is nobody's business.
        folders = [folder.expanduser().absolute() for folder in repo or (root_of(Path.cwd()),)]
        try:
            answer = context.run(lambda: _search(context, request, folders))
        except PackhorseError as error:
            terminal.print_error(error)
            return FAILED
        _print(answer, json=json)
        return FOUND if answer.results else NOTHING


def root_of(folder: Path) -> Path:
    """Return the nearest folder at or above this one that holds a git repository, or the folder itself."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)


def _list(entries: tuple[str, ...]) -> str | None:
    return ",".join(entries) or None


def _print(answer: SearchAnswer, *, json: bool) -> None:
    if json:
        terminal.print_json(answer.structured())
    else:
        from packhorse_search import render

        render.show(answer, terminal.output(), terminal.messages())


async def _search(context: PluginContext, request: Request, folders: list[Path]) -> SearchAnswer:
    from dataclasses import replace

    from packhorse_indexing.service import Index
    from packhorse_search.service import Search

    index = context.service(Index)
    repositories = [await ensure_indexed(index, folder) for folder in folders]
    return await context.service(Search).search(replace(request, repository=",".join(repositories)))


async def ensure_indexed(index: Index, folder: Path) -> str:
    """Index the folder if it never was, with a progress bar, and return its repository's id."""
    with terminal.progress(f"Indexing {folder.name}", total=1.0) as bar:

        async def show(state: Progress) -> None:
            bar.update(state.fraction, 1.0, f"Indexing {folder.name}: {state.message}")

        return str((await index.ensure_indexed(str(folder), on_progress=show)).id)
