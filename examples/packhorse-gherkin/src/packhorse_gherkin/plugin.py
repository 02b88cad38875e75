"""What the plugin contributes: a language, and the function that cuts its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packhorse import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packhorse_indexing.chunking import Chunker, Language


@hookimpl
def register_languages() -> Iterable[Language]:
    """Return Gherkin, by the extension of its files."""
    from packhorse_indexing.chunking import Language

    return [Language("gherkin", ("feature",), prose=True)]


@hookimpl
def register_chunkers() -> Mapping[str, Chunker]:
    """Return the function that cuts Gherkin."""
    from packhorse_gherkin.scenarios import cut

    return {"gherkin": cut}
