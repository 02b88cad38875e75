"""The hooks that this plugin declares for others to implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence


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
