"""The plugin's settings: PACKHORSE_GIT_HISTORY_SECONDS, …_CHARACTERS and …_RECENT."""

from __future__ import annotations

from pydantic import Field

from packhorse.settings import PluginSettings


class GitHistorySettings(PluginSettings):
    """What a user may set."""

    seconds: float = Field(
        default=10.0, gt=0, le=50, allow_inf_nan=False, description="seconds that git may take for one answer"
    )
    characters: int = Field(
        default=20_000, ge=1_000, le=200_000, description="characters of changes that one answer may have"
    )
    recent: int = Field(
        default=50, ge=0, le=1_000, description="last commits whose files search places a little higher; 0 for none"
    )
