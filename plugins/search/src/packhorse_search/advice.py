"""What to try when the filters of a request pass no file: names that are nearly those, and what there is."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from packhorse_search import filters, globs

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED = 8


def for_no_file(directory: str | None, files: Sequence[tuple[str, str]]) -> str:
    """Return sentences for a request whose filters pass none of the files.

    Args:
        directory: the filter of that name.
        files: path and language of every file of the repositories.
    """
    said = ["No indexed file passes the filters; directory is relative to the repository's root."]
    folders = {str(folder) for path, _ in files for folder in PurePosixPath(path).parents} - {"."}
    for entry in filters.entries("directory", directory):
        name = entry.strip("/").removeprefix("./")
        if name.startswith("!") or globs.WILDCARDS.search(name) or name in folders:
            continue
        # A folder is often named without those above it, or by its last part.
        beneath = sorted((folder for folder in folders if f"/{folder}".endswith(f"/{name}")), key=len)
        said.append(f"Did you mean {beneath[0]}?" if beneath else filters.suggestion(name, folders))
    extensions = Counter(PurePosixPath(path).suffix.removeprefix(".") for path, _ in files)
    languages = Counter(language for _, language in files)
    for what, counted in (("Languages", languages), ("Extensions", extensions)):
        named = ", ".join(f"{name} ({number})" for name, number in counted.most_common(_NAMED) if name)
        said.append(f"{what}: {named}." if named else "")
    return " ".join(sentence for sentence in said if sentence)
