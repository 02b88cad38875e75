"""Tasks for a terminal: a listing, the board, and one task with all that is known of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from packhorse import terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, RenderableType
    from rich.text import Text

    from packhorse_tasks.models import Link, Task, TaskList, TaskSummary

STATUS_STYLE = {"need to be done": "cyan", "in-progress": "yellow", "complete": "green"}
STATUS_MARK = {"need to be done": "○", "in-progress": "◐", "complete": "●"}
PRIORITY_STYLE = {"critical": "bold red", "high": "red", "low": "dim"}
HEADINGS = {"need to be done": "To be done", "in-progress": "In progress", "complete": "Complete"}
_COLUMN = 28
"""The narrowest column that is still read with pleasure; a narrower terminal shows them one below the other."""


_NARROW = {"Who": 16, "Labels": 20}


def show_list(page: TaskList) -> None:
    """Print a line for each task, with the columns that have something to say."""
    rows = [
        {
            "": terminal.safe(STATUS_MARK[task.status], style=STATUS_STYLE[task.status]),
            "#": terminal.safe(task.number, style="dim"),
            "Title": _title(task),
            "Priority": terminal.safe(task.priority or "", style=PRIORITY_STYLE.get(task.priority or "", "")),
            "Who": terminal.safe(task.claimed_by or task.assignee or ""),
            "Due": _due(task.due_date, task.status),
            "Labels": terminal.safe(" ".join(task.labels or []), style="blue"),
        }
        for task in page.summaries
    ]
    if rows:
        told = [name for name in rows[0] if any(row[name].plain for row in rows)]
        table = terminal.table(*told)
        if terminal.output().is_terminal:  # the title is what a listing is read for
            for column in table.columns:
                column.max_width = _NARROW.get(str(column.header))
        for row in rows:
            table.add_row(*(row[name] for name in told))
        terminal.print_table(table)
    shown = len(page.tasks)
    if shown < page.total_count:
        terminal.messages().print(f"{shown} of {page.total_count} tasks; --limit and --offset show others.")
    elif not shown:
        terminal.messages().print("No task matches.")


def _title(task: TaskSummary) -> Text:
    title = terminal.safe("") + terminal.safe(task.title, style="dim" if task.status == "complete" else "")
    return title + terminal.safe("  blocked", style="red") if task.blocked else title


def _due(day: str | None, status: str) -> Text:
    if day is None:
        return terminal.safe("")
    late = status != "complete" and date.fromisoformat(day) < datetime.now(UTC).date()
    return terminal.safe(f"{day} late" if late else day, style="bold red" if late else "")


def show_board(columns: Mapping[str, TaskList]) -> None:
    """Print a column for each status, beside each other where the terminal is wide enough."""
    console = terminal.output()
    for renderable in board(columns, console):
        console.print(renderable)


def board(columns: Mapping[str, TaskList], console: Console) -> list[RenderableType]:
    """Return what the board is made of: columns or rows of panels on a terminal, plain lines in a pipe."""
    if not console.is_terminal:
        return [line for status, page in columns.items() for line in _plain(status, page)]
    from rich.panel import Panel
    from rich.table import Table

    panels = [
        Panel(
            _cards(page),
            title=terminal.safe(f"{HEADINGS[status]} {page.total_count}", style=f"bold {STATUS_STYLE[status]}"),
            border_style=STATUS_STYLE[status],
            title_align="left",
        )
        for status, page in columns.items()
    ]
    if console.width < _COLUMN * len(panels):
        return [*panels]
    grid = Table.grid(expand=True)
    for _ in panels:
        grid.add_column(ratio=1)
    grid.add_row(*panels)
    return [grid]


def _plain(status: str, page: TaskList) -> list[Text]:
    lines = [terminal.safe(f"{HEADINGS[status]} ({page.total_count})")]
    for task in page.summaries:
        title, *marks = _card(task)
        lines.append(terminal.safe(f"{task.number:>5} ") + title)
        lines += [terminal.safe(" " * 6) + mark for mark in marks]
    return [*lines, *_rest(page), terminal.safe("")]


def _cards(page: TaskList) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    cards = Table.grid(padding=(0, 1))
    cards.add_column(justify="right")
    cards.add_column(ratio=1, overflow="fold")  # not every script has blanks to break lines at
    for task in page.summaries:
        cards.add_row(terminal.safe(task.number, style="dim"), Group(*_card(task)))
    return Group(cards, *_rest(page))


def _rest(page: TaskList) -> list[Text]:
    if not page.tasks:
        return [terminal.safe("  nothing", style="dim")]
    more = page.total_count - len(page.tasks)
    return [terminal.safe(f"  … and {more} more", style="dim")] if more else []


def _card(task: TaskSummary) -> list[Text]:
    """Return the title and, when there is something to say, a line of marks."""
    who = task.claimed_by or task.assignee
    marks = [
        terminal.safe(task.priority or "", style=PRIORITY_STYLE.get(task.priority or "", "")),
        terminal.safe(f"@{who}" if who else "", style="magenta"),
        _due(task.due_date, task.status),
        terminal.safe(" ".join(f"#{label}" for label in task.labels or []), style="blue"),
    ]
    shown = [mark for mark in marks if mark.plain]
    return [_title(task), *([terminal.safe(" ").join(shown)] if shown else [])]


def show_change(task: Task) -> None:
    """Print what became of a task, on one line."""
    line = _heading(task)
    state = "deleted" if task.deleted_at else task.status
    holder = f", claimed by {task.claimed_by} until {_local(task.claimed_until)}" if task.claimed_until else ""
    line += terminal.safe(f"  {state}{holder}", style="dim")
    terminal.output().print(line)


def _heading(task: Task) -> Text:
    mark = terminal.safe(f"{STATUS_MARK[task.status]} #{task.number} ", style=STATUS_STYLE[task.status])
    return terminal.safe("") + mark + terminal.safe(task.title, style="bold")


def show_task(task: Task, missing: Sequence[str]) -> None:
    """Print one task."""
    console = terminal.output()
    console.print(_heading(task))
    facts = terminal.table("", "")
    facts.show_header = False
    for name, value in _facts(task, missing):
        if value:
            facts.add_row(terminal.safe(name, style="dim"), terminal.safe(value, keep="\n"))
    terminal.print_table(facts)
    for name, text in (("", task.description), ("Notes", task.notes)):
        if text:
            console.print()
            if name:
                console.print(terminal.safe(name, style="bold"))
            console.print(terminal.safe(text, keep="\n"))
    if task.acceptance_criteria:
        console.print()
    for criterion in task.acceptance_criteria:
        met = criterion.startswith("[x] ")
        console.print(terminal.safe(f"  {'☑' if met else '☐'} {criterion.removeprefix('[x] ')}"))
    if task.comment_count > len(task.comments):
        console.print()
        console.print(terminal.safe(f"the last {len(task.comments)} of {task.comment_count} comments", style="dim"))
    for comment in task.comments:
        console.print()
        console.print(terminal.safe(f"{comment.author} {_local(comment.created_at)}", style="dim"))
        console.print(terminal.safe(comment.body, keep="\n"))


def _facts(task: Task, missing: Sequence[str]) -> list[tuple[str, str]]:
    references = [f"{path} (missing)" if path in missing else path for path in task.planning_references]
    claim = f"{task.claimed_by} until {_local(task.claimed_until)}" if task.claimed_until else ""
    return [
        ("status", task.status + (", blocked" if task.blocked else "") + (", deleted" if task.deleted_at else "")),
        ("priority", task.priority),
        ("assignee", task.assignee or ""),
        ("claimed by", claim),
        ("due", task.due_date or ""),
        ("labels", " ".join(task.labels)),
        ("part of", _named([task.parent] if task.parent else [])),
        ("sub-tasks", _named(task.subtasks)),
        ("waits for", _named(task.depends_on)),
        ("files", "\n".join(references)),
        ("symbols", ", ".join(task.symbols)),
        ("branches", ", ".join(task.branches)),
        ("commits", ", ".join(task.commits)),
        ("changes", f"{task.version}, created {_local(task.created_at)}, last {_local(task.updated_at)}"),
        ("id", task.id),
    ]


def _named(links: Sequence[Link]) -> str:
    return "\n".join(f"{STATUS_MARK[link.status]} {link.title}" for link in links)


def _local(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M")
