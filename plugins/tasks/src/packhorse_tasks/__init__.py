"""Packhorse's task tracker: development tasks that agents and people share, joined with the code they are about."""

from packhorse import __version__

__all__ = ["__version__"]
