"""The tool `index_repository` and the resources that describe what is indexed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastmcp import Context
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from packhorse_indexing.models import ResultStatus
from packhorse_indexing.service import Index
from packhorse_indexing.settings import IndexingSettings

if TYPE_CHECKING:
    from fastmcp import FastMCP

    from packhorse.context import PluginContext
    from packhorse_indexing.jobs import OnProgress
    from packhorse_indexing.models import Coverage, IndexResult, Progress, Repository


class IndexAnswer(BaseModel):
    """The result of `index_repository` and of `packhorse index --json`."""

    repository_id: UUID
    status: ResultStatus
    files_indexed: int
    files_skipped: int
    chunks_created: int
    duration_seconds: float
    errors: list[str]
    job_id: UUID
    summary: str


class RepositoryAnswer(BaseModel):
    """A repository as the resources and `packhorse repositories --json` show it."""

    repository_id: UUID
    path: str
    name: str
    branch: str | None
    revision: str | None
    indexed_at: datetime | None
    embedder: str
    files: int
    files_indexed: int
    chunks: int
    chunks_embedded: int
    status: str
    percent: float


def register(mcp: FastMCP, context: PluginContext) -> None:
    """Register the tool and the resources."""

    @mcp.tool(
        annotations=ToolAnnotations(
            title="Index a repository",
            read_only_hint=False,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=False,
        )
    )
    async def index_repository(
        ctx: Context,
        repo_path: Annotated[str, Field(description="absolute path of the repository's folder")],
        force_reindex: Annotated[
            bool, Field(description="rebuild everything, e.g. after changing the embedder")
        ] = False,
    ) -> IndexAnswer:
        """Index a code repository for searching, or bring its index up to date; only changed files are read.

        Waits about 20 seconds; status `running` means that it goes on in the background and is searchable meanwhile.
        """
        settings = context.settings(IndexingSettings)
        result = await context.service(Index).index(
            repo_path, force=force_reindex, wait=settings.wait_seconds, on_progress=_reporting(ctx)
        )
        return answer(result)

    @mcp.resource("packhorse://repositories", mime_type="application/json")
    async def repositories() -> str:
        """Every indexed repository, with its state."""
        return json.dumps([one.model_dump(mode="json") for one in await describe(context.service(Index))])

    @mcp.resource("packhorse://repositories/{repository_id}", mime_type="application/json")
    async def repository(repository_id: str) -> str:
        """One indexed repository, by id or folder name."""
        index = context.service(Index)
        [described] = await describe(index, [await index.find(repository_id)])
        return described.model_dump_json()


def _reporting(ctx: Context) -> OnProgress:
    async def report(progress: Progress) -> None:
        await ctx.report_progress(round(progress.fraction * 100, 1), 100, progress.message)

    return report


def answer(result: IndexResult) -> IndexAnswer:
    """Return a result as clients see it."""
    return IndexAnswer(
        repository_id=result.repository_id,
        status=result.status,
        files_indexed=result.files_indexed,
        files_skipped=result.files_skipped,
        chunks_created=result.chunks_created,
        duration_seconds=result.duration_seconds,
        errors=result.errors,
        job_id=result.job_id,
        summary=_summary(result),
    )


def _summary(result: IndexResult) -> str:
    files = f"{result.files_indexed} files indexed, {result.files_skipped} left out, {result.chunks_created} new chunks"
    match result.status:
        case "running":
            done = 0.0 if result.progress is None else result.progress.fraction
            return (
                f"Still indexing {result.path}: {done:.0%} done. Search covers what is indexed so far; ask again later."
            )
        case "success":
            return f"{result.path} is indexed: {files}."
        case "partial":
            return f"{result.path} is indexed with {len(result.errors)} problems: {files}."
        case "failed":
            return f"{result.path} could not be indexed: {' '.join(result.errors)}"


async def describe(index: Index, repositories: list[Repository] | None = None) -> list[RepositoryAnswer]:
    """Return repositories, by default all, with how complete they are."""
    chosen = await index.repositories() if repositories is None else repositories
    coverage = {one.repository_id: one for one in await index.coverage([one.id for one in chosen])}
    return [_described(one, coverage[one.id]) for one in chosen if one.id in coverage]


def _described(repository: Repository, coverage: Coverage) -> RepositoryAnswer:
    return RepositoryAnswer(
        repository_id=repository.id,
        path=repository.path,
        name=repository.name,
        branch=repository.branch,
        revision=repository.revision,
        indexed_at=repository.indexed_at,
        embedder=repository.embedder,
        files=coverage.files,
        files_indexed=coverage.files_indexed,
        chunks=coverage.chunks,
        chunks_embedded=coverage.embedded,
        status=coverage.job_status or "queued",
        percent=round(100 * coverage.fraction, 1),
    )
