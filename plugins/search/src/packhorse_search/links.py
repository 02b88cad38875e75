"""The open tasks that touch a result, asked of whoever implements the hook `task_links`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packhorse_search.answer import TaskLink
from packhorse_search.excerpt import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packhorse.context import PluginContext

PATIENCE = 0.5
"""Seconds to wait for the implementations of the hook; an answer without tasks beats a late one."""

MAX_LINKS = 3
"""Tasks that are named for one file."""

_MAX_TITLE = 80
"""Characters of a task's title; `get_task` has the rest."""


async def task_links(
    context: PluginContext, repository_path: str, paths: Sequence[str], branch: str | None
) -> dict[str, list[TaskLink]]:
    """Return the tasks that touch each path; nothing from an implementation that fails or takes too long."""
    found: dict[str, list[TaskLink]] = {}
    answers = await context.ask_hook(
        "task_links", PATIENCE, repository_path=repository_path, paths=list(paths), branch=branch
    )
    for plugin, links in answers:
        try:
            _add(found, links)
        except Exception as error:  # noqa: BLE001 - another plugin's nonsense must not cost the answer
            context.logger.warning("task_links of {plugin} cannot be read: {error!r}", plugin=plugin, error=error)
    return found


def _add(found: dict[str, list[TaskLink]], links: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for path, tasks in links.items():
        known = found.setdefault(path, [])
        for task in tasks[: MAX_LINKS - len(known)]:
            title = shown(str(task["title"]))
            title = title if len(title) <= _MAX_TITLE else title[:_MAX_TITLE] + "…"
            known.append(TaskLink(id=shown(str(task["id"])), title=title, status=shown(str(task["status"]))))
