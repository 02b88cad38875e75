"""The command `packhorse search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from packhorse import terminal

if TYPE_CHECKING:
    from packhorse.context import PluginContext
    from packhorse_indexing.models import Progress
    from packhorse_indexing.service import Index
    from packhorse_search.answer import SearchAnswer

EXAMPLES = """
Examples:

  packhorse search "where are connections returned to the pool"
  packhorse search SessionPool --repo ~/code/app --limit 3
  packhorse search "retry after a timeout" --file-type py --directory src/net --json
"""


def register(app: App, context: PluginContext) -> None:
    """Add the command to the command line."""

    @app.command(help_epilogue=EXAMPLES)
    def search(
        *query: str,
        repo: Path | None = None,
        limit: int = 10,
        file_type: str | None = None,
        directory: str | None = None,
        context_lines: Annotated[int, Parameter(name=["--context", "--context-lines"])] = 0,
        json: bool = False,
        explain: bool = False,
    ) -> None:
        """Search a folder's code by meaning and by words; index it first if it never was.

        Parameters
        ----------
        query
            A question, a symbol's name or an error message; quotes around several words are not needed.
        repo
            The folder to search; by default the repository that the working directory is in.
        limit
            How many results, 1 to 50.
        file_type
            Only files with this extension, such as py.
        directory
            Only files in this folder or under this glob, from the repository's root.
        context_lines
            Lines to show before and after each result, 0 to 10.
        json
            Print the answer as JSON, with the fields of the tool search_code.
        explain
            Show what each result's score was summed from.
        """
        from packhorse_search.service import Request, Search

        # Absolute, because the service resolves paths in a process whose working directory is nobody's business.
        folder = (repo or root_of(Path.cwd())).expanduser().absolute()

        async def main() -> SearchAnswer:
            from packhorse_indexing.service import Index

            repository = await ensure_indexed(context.service(Index), folder)
            request = Request(
                " ".join(query),
                repository,
                file_type,
                directory,
                limit=limit,
                context_lines=context_lines,
                explain=explain,
            )
            return await context.service(Search).search(request)

        answer = context.run(main)
        if json:
            terminal.print_json(answer.model_dump(exclude=None if explain else {"results": {"__all__": {"explain"}}}))
        else:
            from packhorse_search import render

            render.show(answer, terminal.output(), terminal.messages())


def root_of(folder: Path) -> Path:
    """Return the nearest folder at or above this one that holds a git repository, or the folder itself."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)


async def ensure_indexed(index: Index, folder: Path) -> str:
    """Index the folder if it never was, with a progress bar, and return its repository's id."""
    with terminal.progress(f"Indexing {folder.name}", total=1.0) as bar:

        async def show(state: Progress) -> None:
            bar.update(state.fraction, 1.0, f"Indexing {folder.name}: {state.message}")

        return str((await index.ensure_indexed(str(folder), on_progress=show)).id)
