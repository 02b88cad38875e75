"""The tools: they find the repository, ask git and shape a bounded answer."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from packhorse.errors import InvalidInputError, NotFoundError
from packhorse.redaction import visible
from packhorse_git_history.git import History
from packhorse_git_history.repository import GitFolder, find
from packhorse_indexing.service import Index

if TYPE_CHECKING:
    from fastmcp import FastMCP

    from packhorse.context import PluginContext

_COMMIT = re.compile(r"[0-9a-f]{7,40}|[0-9a-f]{64}")
# Fields end in NUL, which no message can hold.
_FORMAT = "--format=%H%x00%an%x00%aI%x00%s%x00%b%x00"
_FIELDS = 5
_LONGEST_BODY = 4_000
_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-show-signature", "--no-mailmap", "--no-notes")

Repository = Annotated[str, Field(description="Id, absolute path or folder name of an indexed repository")]


class Commit(BaseModel):
    """One commit; `date` is ISO 8601 with its offset."""

    commit: str
    author: str
    date: str
    subject: str
    body: str = ""


class FileHistory(BaseModel):
    """The commits that touched a file, the newest first; `truncated` says that there are older ones."""

    file_path: str
    commits: list[Commit]
    truncated: bool


class CommitChanges(Commit):
    """A commit with its changes as a unified diff; `truncated` says that the diff was cut."""

    diff: str
    truncated: bool


def register(mcp: FastMCP, context: PluginContext) -> None:
    """Register the tools."""

    @mcp.tool(annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False))
    async def file_history(
        repository: Repository,
        file_path: Annotated[str, Field(description="Relative to the repository's folder")],
        limit: Annotated[int, Field(ge=1, le=100, description="Commits at most")] = 20,
    ) -> FileHistory:
        """List the commits that touched a file, the newest first, also from before it was renamed."""
        folder, head = await _repository(context, repository)
        path = _relative(file_path)
        output = await context.service(History).run(
            *(folder, head, "log", *_PLAIN, "--no-patch", "--follow", f"--max-count={limit + 1}", _FORMAT, head),
            *("--", folder.prefix + path),
        )
        found = _commits(output)
        if not found:
            raise NotFoundError(
                f"No commit of the present branch touched {file_path}.",
                remedy="Give the path as search results show it; untracked files have no history.",
            )
        return FileHistory(file_path=path, commits=found[:limit], truncated=len(found) > limit)

    @mcp.tool(annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False))
    async def show_commit(
        repository: Repository,
        commit: Annotated[str, Field(description="Its hash, 7 hexadecimal digits or more")],
        file_path: Annotated[str | None, Field(description="Show the changes of this file only")] = None,
    ) -> CommitChanges:
        """Show one commit: who made it, when and why, and what it changed."""
        if not _COMMIT.fullmatch(commit):
            raise InvalidInputError(f"{commit[:80]!a} is no hash of a commit.", remedy="file_history lists them.")
        folder, head = await _repository(context, repository)
        paths = [] if file_path is None else [folder.prefix + _relative(file_path)]
        history = context.service(History)
        # `^{commit}` refuses trees, blobs and tags of tags under that name.
        one = f"{commit}^{{commit}}"
        about = await history.run(folder, head, "log", *_PLAIN, "--no-patch", "--max-count=1", _FORMAT, one, "--")
        changes = await history.run(
            *(folder, head, "diff-tree", "--root", "--patch", "--stat", "-M", "--no-commit-id", "-r", "-c"),
            *("--no-ext-diff", "--no-textconv", "--no-color", one, "--", *paths),
        )
        text = visible(changes.decode("utf-8", "replace"), keep="\n\t")
        most = history.settings.characters
        (found,) = _commits(about)
        return CommitChanges(**found.model_dump(), diff=text[:most], truncated=len(text) > most)


async def _repository(context: PluginContext, reference: str) -> tuple[GitFolder, str]:
    """Return the git folder of an indexed repository and its present commit.

    Raises:
        NotFoundError: it is not indexed, has no git history, or no commit yet.
    """
    indexed = await context.service(Index).find(reference)
    folder = await asyncio.to_thread(find, Path(indexed.path))
    if folder is None:
        raise NotFoundError(f"{indexed.path} has no git history.", remedy="It is not in a git work tree.")
    if folder.head is None:
        raise NotFoundError(f"{indexed.path} has no commit yet.")
    return folder, folder.head


def _relative(path: str) -> str:
    found = PurePosixPath(path)
    if not path or found.is_absolute() or ".." in found.parts or "\x00" in path:
        raise InvalidInputError(
            f"{path[:200]!a} is no path in the repository.", remedy="Give it relative to its folder, with /."
        )
    return found.as_posix()


def _commits(output: bytes) -> list[Commit]:
    fields = output.decode("utf-8", "replace").split("\x00")
    found = []
    for at in range(0, len(fields) - _FIELDS, _FIELDS):
        commit, author, date, subject, body = fields[at : at + _FIELDS]
        found.append(
            Commit(
                commit=commit.strip(),
                author=visible(author),
                date=date,
                subject=visible(subject),
                body=visible(body.strip()[:_LONGEST_BODY], keep="\n"),
            )
        )
    return found
