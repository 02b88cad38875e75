"""Tasks and code: which open tasks touch a file, and which code a task is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.database import reading
from packhorse.errors import PackhorseError
from packhorse_tasks import store
from packhorse_tasks.models import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packhorse.context import PluginContext
    from packhorse.database.pool import Database
    from packhorse_tasks.models import Task

PER_PATH = 5
PLACES = 5
_QUERY_LENGTH = 500


async def touching(
    database: Database, repository: str, paths: Sequence[str], branch: str | None
) -> dict[str, list[dict[str, str]]]:
    """Return the open tasks that touch each path, those in progress first, those of the branch alone last.

    A task touches a file that it refers to, by itself or by a folder above it, and every file of a branch that it is
    on. Tasks that name no repository count for every one.
    """
    above = {path: [path, *_folders(path)] for path in paths}
    arguments = {
        "repository": repository,
        "branch": branch,
        "paths": sorted({p for folders in above.values() for p in folders}),
    }
    async with reading(database) as connection:
        found = await store.rows(connection, store.TOUCHING, arguments)
    links: dict[str, list[dict[str, str]]] = {}
    for path, folders in above.items():
        direct = [row for row in found if not set(folders).isdisjoint(row["planning_references"])]
        by_branch = [row for row in found if row["on_branch"] and row not in direct]
        tasks = [*direct, *by_branch][:PER_PATH]
        if tasks:
            links[path] = [{"id": str(row["id"]), "title": row["title"], "status": row["status"]} for row in tasks]
    return links


def _folders(path: str) -> list[str]:
    """Return the folders above a `/`-separated path, the innermost first."""
    ends = [i for i, character in enumerate(path) if character == "/" and i]
    return [path[:end] for end in reversed(ends)]


async def relevant_code(context: PluginContext, task: Task) -> tuple[list[Place], str | None]:
    """Return the places in the code that fit the task's words best, or none and the reason."""
    try:
        from packhorse_search.service import Request, Search
    except ImportError:
        return [], "Code is found only with the search plugin, which is not installed."
    search = context.find_service(Search)
    if search is None:
        return [], "Code is found only with the search plugin, which is not running."
    words = " ".join([task.title, *task.symbols, *task.planning_references, task.description or ""])
    try:
        answer = await search.search(Request(words[:_QUERY_LENGTH], task.repository, limit=PLACES))
    except PackhorseError as error:
        return [], str(error)
    return [
        Place(
            path=result.file_path,
            start_line=result.start_line,
            end_line=result.end_line,
            symbol=result.symbol,
            score=result.similarity_score,
        )
        for result in answer.results
    ], None
