"""The hooks that this plugin declares for others to implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from packhorse.context import PluginContext
    from packhorse_search.signals import Place


@hookspec
def task_links(
    repository_path: str, paths: Sequence[str], branch: str | None
) -> Mapping[str, Sequence[Mapping[str, str]]] | Awaitable[Mapping[str, Sequence[Mapping[str, str]]]]:
    """Return the open tasks that touch these files, by path, each as a mapping with `id`, `title` and `status`.

    It may be a coroutine function. Search waits for it half a second and answers without it when it takes longer or
    raises.

    Args:
        repository_path: the absolute path of the indexed folder.
        paths: files in it, relative and `/`-separated.
        branch: the branch that was checked out when it was indexed, None without one. A task of this branch touches
            every file.
    """
    raise NotImplementedError


@hookspec
def search_signals(
    query: str, places: Sequence[Place], context: PluginContext
) -> Mapping[Place, float] | Awaitable[Mapping[Place, float]]:
    """Return what speaks for some of the places that may answer a query, or against them, from -1 to 1.

    It may be a coroutine function. Search waits for it a tenth of a second and ranks without it when it takes longer or
    raises.

    Args:
        query: what was asked.
        places: the candidates, in no order; those that are not in the answer are left where they are.
        context: that of the plugin which implements the hook.
    """
    raise NotImplementedError
