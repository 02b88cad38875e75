"""Needs a setting that has no default"""

from packhorse import hookimpl
from packhorse.settings import PluginSettings


class NeedySettings(PluginSettings):
    token: str


@hookimpl
def register_settings():
    return NeedySettings
