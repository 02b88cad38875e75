"""The settings of the tasks plugin, read from `PACKHORSE_TASKS_<FIELD>`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from packhorse.settings import PluginSettings

LEASE = 1_800
_YEAR = 366 * 86_400


class TasksSettings(PluginSettings):
    """How long a claim lasts."""

    lease_seconds: int = Field(LEASE, ge=1, le=_YEAR, description="seconds that a claim lasts unless its taker says")
    max_lease_seconds: int = Field(86_400, ge=1, le=_YEAR, description="seconds that a claim may be taken for at most")

    @model_validator(mode="after")
    def _default_is_allowed(self) -> Self:
        if self.lease_seconds > self.max_lease_seconds:
            raise ValueError(f"lease_seconds {self.lease_seconds} is more than max_lease_seconds")
        return self
