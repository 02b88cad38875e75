"""Packhorse plugin that shows the git history of indexed repositories, read-only and bounded."""
