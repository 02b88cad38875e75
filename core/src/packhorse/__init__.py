"""Packhorse: an MCP server for a developer's code, made of plugins."""

from packhorse.hookspecs import hookimpl, hookspec

__all__ = ["__version__", "hookimpl", "hookspec"]

__version__ = "0.1.0"
