"""What to try when the filters of a request pass no file: names that are nearly those, and what there is."""

from __future__ import annotations

from collections import Counter
from posixpath import splitext
from typing import TYPE_CHECKING

from packhorse_search import filters, globs
from packhorse_search.excerpt import shown
from packhorse_search.nearby import folders, nearest

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
    known = folders(path for path, _ in files)
    for entry in filters.entries("directory", directory):
        name = entry.strip("/").removeprefix("./")
        if name.startswith("!") or globs.WILDCARDS.search(name) or name in known:
            continue
        # A folder is often named without those above it, or by its last part.
        beneath = sorted((folder for folder in known if f"/{folder}".endswith(f"/{name}")), key=len)
        meant = beneath or nearest(name, known, 1)
        said.append(f"Did you mean {shown(meant[0])}?" if meant else "")
    extensions = Counter(splitext(path)[1].removeprefix(".") for path, _ in files)
    languages = Counter(language for _, language in files)
    for what, counted in (("Languages", languages), ("Extensions", extensions)):
        named = ", ".join(f"{shown(name)} ({number})" for name, number in counted.most_common(_NAMED) if name)
        said.append(f"{what}: {named}." if named else "")
    return " ".join(sentence for sentence in said if sentence)
