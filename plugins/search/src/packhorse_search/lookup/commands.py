"""The commands `packhorse grep`, `symbol`, `outline` and `similar`.

They exit as grep does: 0 when something was found, 1 when nothing was, 2 when it failed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Parameter

from packhorse import terminal
from packhorse.errors import PackhorseError
from packhorse_search.commands import ensure_indexed, root_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from packhorse.context import PluginContext
    from packhorse_search.lookup.answer import LinesAnswer, OutlineAnswer, SimilarAnswer, SymbolAnswer, Told
    from packhorse_search.lookup.service import Lookup

A = TypeVar("A", bound="Told")
L = TypeVar("L", bound="LinesAnswer")

FOUND, NOTHING, FAILED = 0, 1, 2
GREP = """
Examples:

  packhorse grep "acquire_\\w+\\(" --directory src
  packhorse grep -F "items[0]" --context 2
  packhorse grep -i -w todo --directory '!vendor' --json
"""
SYMBOL = """
Examples:

  packhorse symbol SessionPool
  packhorse symbol Pool.open --references
"""
OUTLINE = """
Examples:

  packhorse outline
  packhorse outline src/net/pool.py
"""
SIMILAR = """
Examples:

  packhorse similar src/net/pool.py:40
"""


def register(app: App, context: PluginContext) -> None:
    """Add the commands to the command line."""
    for add in (_add_grep, _add_symbol, _add_outline, _add_similar):
        add(app, context)


def _add_grep(app: App, context: PluginContext) -> None:
    @app.command(help_epilogue=GREP)
    def grep(
        pattern: str,
        *,
        repo: Path | None = None,
        fixed_strings: Annotated[bool, Parameter(name=["--fixed-strings", "-F"])] = False,
        ignore_case: Annotated[bool, Parameter(name=["--ignore-case", "-i"])] = False,
        word: Annotated[bool, Parameter(name=["--word", "-w"])] = False,
        file_type: str | None = None,
        directory: str | None = None,
        language: str | None = None,
        context_lines: Annotated[int, Parameter(name=["--context", "--context-lines", "-C"])] = 0,
        json: bool = False,
    ) -> int:
        """Print the lines of a folder's index that match a regular expression.

        Parameters
        ----------
        pattern
            A regular expression in RE2's syntax, matched line by line.
        repo
            The folder to search; by default the repository that the working directory is in.
        fixed_strings
            Look for the pattern as it is.
        ignore_case
            Letters match whatever their case.
        word
            A match may not be part of a longer word.
        file_type
            Only files with these extensions, such as py,pyi.
        directory
            Only files in these folders or under these globs, from the repository's root; !vendor leaves out.
        language
            Only files in these languages.
        context_lines
            Lines to show before and after each match, 0 to 10.
        json
            Print the answer as JSON.
        """

        def command() -> int:
            from packhorse_search.lookup import grep, render
            from packhorse_search.lookup.service import Place

            request = grep.Request(pattern, fixed_strings, ignore_case, word, context_lines, everything=True)
            asked = grep.parse(request)

            def ask(lookup: Lookup, repository: str, cursor: str | None) -> Awaitable[LinesAnswer]:
                place = Place(repository, directory, file_type, language)
                return lookup.grep(replace(request, cursor=cursor), place)

            answer = _answer(context, repo, ask, joined)
            show = lambda: render.show_lines(answer, terminal.output(), terminal.messages(), asked.pattern)  # noqa: E731
            return _printed(answer, show, json=json, found=bool(answer.files))

        return _guarded(command)


def _add_symbol(app: App, context: PluginContext) -> None:
    @app.command(help_epilogue=SYMBOL)
    def symbol(
        name: str,
        *,
        repo: Path | None = None,
        with_references: Annotated[bool, Parameter(name=["--references", "-r"])] = False,
        directory: str | None = None,
        json: bool = False,
    ) -> int:
        """Print where a symbol is defined and, if asked, the lines that name it.

        Parameters
        ----------
        name
            A symbol's name, qualified or not, such as open or Pool.open.
        repo
            The folder to search; by default the repository that the working directory is in.
        with_references
            Also the lines that name it; they are found by name, not by type.
        directory
            Only files in these folders or under these globs, from the repository's root.
        json
            Print the answer as JSON.
        """

        def command() -> int:
            from packhorse_search.lookup import render, symbols
            from packhorse_search.lookup.service import Place

            request = symbols.Request(name, with_references, everything=True)
            asked = symbols.parse(request)

            def ask(lookup: Lookup, repository: str, cursor: str | None) -> Awaitable[SymbolAnswer]:
                return lookup.symbol(replace(request, cursor=cursor), Place(repository, directory))

            answer = _answer(context, repo, ask, joined)
            show = lambda: render.show_symbol(answer, terminal.output(), terminal.messages(), asked.pattern)  # noqa: E731
            return _printed(answer, show, json=json, found=bool(answer.definitions or answer.files))

        return _guarded(command)


def _add_outline(app: App, context: PluginContext) -> None:
    @app.command(help_epilogue=OUTLINE)
    def outline(path: str = "", *, repo: Path | None = None, json: bool = False) -> int:
        """Print the symbols of a file, or what a folder holds.

        Parameters
        ----------
        path
            A file or folder; by default the whole repository.
        repo
            The repository; by default the one that the working directory is in.
        json
            Print the answer as JSON.
        """

        def command() -> int:
            from packhorse_search.lookup import outline as outlines
            from packhorse_search.lookup import render
            from packhorse_search.lookup.service import Place

            def ask(lookup: Lookup, repository: str, cursor: str | None) -> Awaitable[OutlineAnswer]:
                return lookup.outline(outlines.Request(_located(path, repo), cursor), Place(repository))

            def join(answer: OutlineAnswer, following: OutlineAnswer) -> OutlineAnswer:
                return following.model_copy(update={"entries": [*answer.entries, *following.entries]})

            answer = _answer(context, repo, ask, join)
            show = lambda: render.show_outline(answer, terminal.output(), terminal.messages())  # noqa: E731
            return _printed(answer, show, json=json, found=bool(answer.entries))

        return _guarded(command)


def _add_similar(app: App, context: PluginContext) -> None:
    @app.command(help_epilogue=SIMILAR)
    def similar(
        location: str, *, repo: Path | None = None, directory: str | None = None, limit: int = 10, json: bool = False
    ) -> int:
        """Print the code that is most like a place, by meaning.

        Parameters
        ----------
        location
            path:line, or the id of a chunk.
        repo
            The folder to search; by default the repository that the working directory is in.
        directory
            Only files in these folders or under these globs, from the repository's root.
        limit
            How many places, 1 to 50.
        json
            Print the answer as JSON.
        """

        def command() -> int:
            from packhorse_search.lookup import render
            from packhorse_search.lookup import similar as similars
            from packhorse_search.lookup.service import Place

            def ask(lookup: Lookup, repository: str, _: str | None) -> Awaitable[SimilarAnswer]:
                return lookup.similar(similars.Request(_located(location, repo), limit), Place(repository, directory))

            answer = _answer(context, repo, ask, lambda answer, _: answer)
            show = lambda: render.show_similar(answer, terminal.output(), terminal.messages())  # noqa: E731
            return _printed(answer, show, json=json, found=bool(answer.results))

        return _guarded(command)


def _guarded(command: Callable[[], int]) -> int:
    """Run a command and return its exit code, that of a failure as grep's is."""
    try:
        return command()
    except PackhorseError as error:
        terminal.print_error(error)
        return FAILED


def _answer(
    context: PluginContext,
    repo: Path | None,
    ask: Callable[[Lookup, str, str | None], Awaitable[A]],
    join: Callable[[A, A], A],
) -> A:
    """Ask for one part of an answer after the other, and return the whole; index the folder first if it never was."""
    folder = (repo or root_of(Path.cwd())).expanduser().absolute()

    async def main() -> A:
        from packhorse_indexing.service import Index
        from packhorse_search.lookup.service import Lookup

        repository = await ensure_indexed(context.service(Index), folder)
        lookup = context.service(Lookup)
        answer = await ask(lookup, repository, None)
        cursor = answer.cursor
        while cursor is not None:
            following = await ask(lookup, repository, cursor)
            answer, cursor = join(answer, following), following.cursor
        return answer

    return context.run(main)


def _printed(answer: Told, show: Callable[[], None], *, json: bool, found: bool) -> int:
    if json:
        terminal.print_json(answer)
    else:
        show()
    return FOUND if found else NOTHING


def _located(path: str, repo: Path | None) -> str:
    """Return a path as it is seen from the working directory, if there is something, or else as it is."""
    name, colon, line = path.rpartition(":") if path.rpartition(":")[2].isdigit() else (path, "", "")
    here = Path.cwd() / name
    return f"{here.resolve()}{colon}{line}" if name and repo is None and here.exists() else path


def joined(answer: L, following: L) -> L:
    """Return two parts of an answer as one."""
    return answer.model_copy(
        update={
            "files": [*answer.files, *following.files],
            "total_lines": answer.total_lines + following.total_lines,
            "total_files": answer.total_files + following.total_files,
            "latency_ms": answer.latency_ms + following.latency_ms,
            "warnings": list(dict.fromkeys([*answer.warnings, *following.warnings])),
            "is_complete": following.cursor is None,
            "searched": "",
            "cursor": None,
        }
    )
