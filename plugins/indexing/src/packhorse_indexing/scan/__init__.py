"""Finding the files of a repository and reading them, without trusting any of it.

Nothing that a repository holds is executed, no link is followed, and every file that is left out has a reason.
"""

from __future__ import annotations

from packhorse_indexing.scan.beneath import UnreadableFileError, open_root, read_file, read_file_and_stat
from packhorse_indexing.scan.folders import GIT, TOOLS
from packhorse_indexing.scan.footprint import Footprint
from packhorse_indexing.scan.footprint import take as take_footprint
from packhorse_indexing.scan.ignore import Rules
from packhorse_indexing.scan.model import FileEntry, Head, Limits, Scan, Skip
from packhorse_indexing.scan.rule import Rule, ignoring_rule
from packhorse_indexing.scan.scanner import head_of, identify, scan

__all__ = [
    "GIT",
    "TOOLS",
    "FileEntry",
    "Footprint",
    "Head",
    "Limits",
    "Rule",
    "Rules",
    "Scan",
    "Skip",
    "UnreadableFileError",
    "head_of",
    "identify",
    "ignoring_rule",
    "open_root",
    "read_file",
    "read_file_and_stat",
    "scan",
    "take_footprint",
]
