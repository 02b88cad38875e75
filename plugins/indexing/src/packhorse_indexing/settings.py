"""The settings of the indexing plugin, read from `PACKHORSE_INDEXING_<FIELD>`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from packhorse.settings import AbsolutePath, PluginSettings


def _split_paths(value: object) -> object:
    return [Path(part) for part in value.split(os.pathsep) if part.strip()] if isinstance(value, str) else value


PathList = Annotated[tuple[AbsolutePath, ...], NoDecode, BeforeValidator(_split_paths)]
"""Absolute paths in one setting, separated as in `PATH`."""


def _split_names(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)]
"""Names in one setting, separated by commas."""


class IndexingSettings(PluginSettings):
    """How repositories are read, chunked and embedded."""

    embedder: str = Field(
        "static",
        pattern=r"^[a-z][a-z0-9_-]{0,31}$",
        description="what turns code into vectors: static (nothing leaves the machine), ollama, openai, "
        "or one that another plugin registers",
    )
    embedder_model: str | None = Field(
        None, min_length=1, description="the model's name at the embedding service; unset: the embedder's usual one"
    )
    embedder_url: str | None = Field(
        None, pattern=r"^https?://", description="the embedding service's base URL; unset: the embedder's usual one"
    )
    embedder_api_key: SecretStr | None = Field(None, description="the key for the embedding service")
    embedder_dimensions: int | None = Field(
        None, ge=8, le=4000, description="the length of the vectors; unset: the model's usual one"
    )
    embedder_batch: int = Field(64, ge=1, le=2048, description="texts in one request to the embedding service")
    embedder_concurrency: int = Field(4, ge=1, le=64, description="requests to the embedding service at the same time")
    embedder_timeout: float = Field(60.0, gt=0, le=600, description="seconds to wait for the embedding service")
    max_file_bytes: int = Field(
        2_000_000, ge=1_000, le=50_000_000, description="files larger than this are listed as skipped, not indexed"
    )
    allowed_roots: PathList = Field(
        (),
        description=f"the only folders that may be indexed, with what is beneath them, separated by {os.pathsep!r}; "
        "unset: any folder of yours but system folders, the home folder itself and its hidden credential folders",
    )
    clone_hosts: Names = Field(
        ("github.com", "gitlab.com", "codeberg.org", "bitbucket.org"),
        description="the hosts that a git URL may be cloned from, each perhaps with a port, comma-separated",
    )
    clone_private: bool = Field(
        False, description="clone also from hosts whose addresses are private or of this machine"
    )
    clone_max_bytes: int = Field(
        1_000_000_000, ge=1_000_000, description="bytes that the history and the files of a clone may have, each"
    )
    clone_seconds: float = Field(600.0, gt=0, le=86400, description="seconds that cloning may take")
    retention_days: float = Field(
        90.0, ge=0, le=3650, description="days that the content of deleted files is kept, in case it comes back"
    )
    hnsw_chunks: int = Field(
        20_000,
        ge=100,
        description="chunks of a repository from which on an HNSW index of its vectors is built, in the background; "
        "the vectors of smaller ones are compared one by one",
    )
    watch: bool = Field(
        False, description="watch indexed folders and index changes as they happen, before anybody searches"
    )
    wait_seconds: float = Field(
        20.0, ge=0, le=600, description="seconds that index_repository waits before it answers `running`"
    )

    @model_validator(mode="after")
    def _roots_exist(self) -> Self:
        for root in self.allowed_roots:
            if not root.is_dir():
                raise ValueError(f"allowed_roots names {root}, which is no folder")
        return self
