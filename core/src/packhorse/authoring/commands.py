"""`packhorse new-plugin` and `packhorse check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from packhorse import terminal

if TYPE_CHECKING:
    from cyclopts import App

    from packhorse.authoring.check.review import Review

Json = Annotated[bool, Parameter(help="Print JSON on standard output.")]
_COLOURS = {"error": "red", "warning": "yellow", "advice": "dim"}


def register(app: App) -> None:
    """Add the commands for authors of plugins."""
    group = Group("Plugin authors", sort_key=90)

    @app.command(name="new-plugin", group=group)
    def new_plugin(
        name: str, /, *, into: Annotated[Path | None, Parameter(help="The folder to write it into.")] = None
    ) -> None:
        """Write the folder packhorse-NAME: a complete, tested and typed plugin to begin with.

        Examples:
          packhorse new-plugin notes
          packhorse new-plugin git-history --into ~/src
        """
        from packhorse.authoring.scaffold import new_plugin as write

        folder = write(name, into or Path.cwd())
        console = terminal.output()
        console.print(terminal.safe(folder), soft_wrap=True)
        steps = (
            f"cd {folder.name}",
            "pip install -e .      # packhorse plugins lists it from then on",
            "pytest                # its tests, on a real database",
            "packhorse check .     # what a reviewer would say",
        )
        terminal.messages().print(terminal.safe("\n".join(["Next:", *(f"  {step}" for step in steps)]), keep="\n"))

    @app.command(group=group)
    def check(what: str = ".", /, *, json: Json = False) -> int:
        """Review a plugin as a careful reader would: metadata, hooks, tools, blocking calls, migrations, settings.

        PATH is a folder with a pyproject.toml, or the name of an installed plugin. Its code is run, in a process of its
        own with an empty home folder. A comment `# packhorse: allow RULE` in the line that a finding names silences
        it. The exit code is 1 when there is an error or a warning.

        Examples:
          packhorse check
          packhorse check ./packhorse-notes
          packhorse check tasks --json
        """
        from packhorse.authoring.check.review import review

        reviews = review(what)
        if json:
            terminal.print_json({"reviews": [one.as_dict() for one in reviews]})
        else:
            for one in reviews:
                _show(one)
        return int(not all(one.passed for one in reviews))


def _show(review: Review) -> None:
    console = terminal.output()
    for finding in review.findings:
        console.print(
            terminal.safe(_shortened(finding.place)),
            terminal.safe(finding.severity, style=_COLOURS[finding.severity]),
            terminal.safe(f"[{finding.rule}]"),
            terminal.safe(finding.message),
            soft_wrap=True,
        )
        console.print(terminal.safe(f"  {finding.remedy}"), soft_wrap=True)
    counts = [sum(one.severity == kind for one in review.findings) for kind in _COLOURS]
    console.print(
        terminal.safe(
            f"{review.name}: {counts[0]} errors, {counts[1]} warnings, {counts[2]} advice; {review.tools} tools, "
            f"about {review.tokens:,} tokens; imported in {review.import_milliseconds:.0f} ms.",
            style="green" if review.passed else "red",
        ),
        soft_wrap=True,
    )


def _shortened(place: str) -> str:
    """Return a place relative to the working folder, if it is in it."""
    here = f"{Path.cwd()}/"
    return place.removeprefix(here)
