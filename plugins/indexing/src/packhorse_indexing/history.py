"""What of an indexed folder differs from a revision of its history, with errors for whoever asked."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.errors import InvalidInputError, UnavailableError
from packhorse_indexing.scan import git, revisions

if TYPE_CHECKING:
    from collections.abc import Mapping


def changed_files(path: str, revision: str, files: Mapping[str, tuple[bytes, int]]) -> set[str]:
    """Return those of a folder's files, given with their SHA-256 and size, that differ from a revision.

    Raises:
        InvalidInputError: the folder has no history, or not this revision.
        UnavailableError: git is missing, fails or takes too long.
    """
    folder = Path(os.path.realpath(path))
    repository = git.find(folder)
    if repository is None:
        raise InvalidInputError(f"{path} has no history of git.", remedy="Leave changed_since out.")
    try:
        return revisions.changed(repository, folder, revision, files)
    except revisions.UnknownRevisionError as error:
        near = difflib.get_close_matches(revision, error.near, n=1)
        raise InvalidInputError(
            f"{path} has no revision {revision[:100]!r}.",
            remedy=f"Did you mean {near[0]}?" if near else "Give a branch, a tag or a commit, such as HEAD~3.",
        ) from None
    except git.GitUnavailableError as error:
        raise UnavailableError(
            f"{path} could not be compared with {revision}: {error}.", remedy="Leave changed_since out."
        ) from None
