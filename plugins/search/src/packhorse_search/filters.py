"""What is searched of the repositories: the filters of a request, read into conditions on files and chunks.

They hold inside every retrieval, before anything is ranked, so that a filter never empties an answer. Each filter is a
list, separated by commas: what passes one of its entries passes it, and what passes every filter is searched.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from packhorse.errors import InvalidInputError
from packhorse_indexing.chunking import registry
from packhorse_search import globs, symbol_kinds
from packhorse_search.kinds import Category, category

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

MAX_ENTRIES = 20
"""Entries of one filter."""

_NEAR = 0.7
"""How alike, in 0..1, a word must be to be suggested."""

_SEPARATOR = re.compile(r",(?![^{}\[\]]*[}\]])")
"""A comma, but not one within `{a,b}` or `[a,b]`."""

_CATEGORIES: tuple[Category, ...] = get_args(Category)
_CATEGORY_NAMES: dict[str, Category] = {
    **{name: name for name in _CATEGORIES},
    "source": "code", "doc": "docs", "documentation": "docs", "configuration": "config", "test": "tests",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on a file and its chunks; an empty one passes everything.

    `extensions` are lower case and without their dot, `languages` as the index names them. `within` and `without` are
    regular expressions over the relative path, in the dialect that Python and PostgreSQL share: it matches one of the
    first, none of the second. `kinds` are the kinds of what a chunk defines. `changed` lists the files that differ from
    a revision, by repository.
    """

    extensions: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    kinds: tuple[str, ...] = ()
    changed: tuple[tuple[UUID, str], ...] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether everything passes."""
        return self == Filter()

    @property
    def selects_files(self) -> bool:
        """Whether some files may not pass."""
        return self != Filter(kinds=self.kinds)

    def passes_category(self, path: str) -> bool:
        """Whether a file is of one of the categories; the database checks everything else."""
        return not self.categories or category(path) in self.categories


def parse(
    file_type: str | None = None,
    directory: str | None = None,
    language: str | None = None,
    kind: str | None = None,
    roots: tuple[str, ...] = (),
) -> Filter:
    """Read the filters of a request.

    Args:
        file_type: extensions.
        directory: folders and globs from the repository's root; one that begins with `!` takes away.
        language: names of languages.
        kind: categories of files (code, docs, config, tests) and kinds of symbols.
        roots: the absolute paths of the repositories, cut off from what `directory` names.

    Raises:
        InvalidInputError: one of them cannot be meant.
    """
    within, without = _places(entries("directory", directory), roots)
    categories, kinds = _kinds(entries("kind", kind))
    return Filter(
        extensions=tuple(map(_extension, entries("file_type", file_type))),
        languages=tuple(map(_language, entries("language", language))),
        within=within,
        without=without,
        categories=categories,
        kinds=kinds,
    )


def entries(name: str, value: str | None) -> list[str]:
    """Return the entries of a filter as written, each once.

    Raises:
        InvalidInputError: there are too many.
    """
    found = list(dict.fromkeys(stripped for entry in _SEPARATOR.split(value or "") if (stripped := entry.strip())))
    if len(found) > MAX_ENTRIES:
        raise InvalidInputError(f"{name} has {len(found)} entries.", remedy=f"Give at most {MAX_ENTRIES}, or a glob.")
    return found


def suggestion(word: str, known: Collection[str]) -> str:
    """Return `Did you mean …?` for a word that is nearly known, or an empty string."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=_NEAR)
    return f"Did you mean {near[0]}?" if near else ""


def _places(places: Iterable[str], roots: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    within: list[str] = []
    without: list[str] = []
    everything = False
    for place in places:
        found = globs.pattern(place.removeprefix("!"), roots)
        if found is not None:
            (without if place.startswith("!") else within).append(found)
        elif place.startswith("!"):
            raise InvalidInputError(f"directory has {place!r}, which leaves nothing.", remedy="Name a folder or glob.")
        else:
            everything = True
    return () if everything else tuple(within), tuple(without)


def _extension(file_type: str) -> str:
    extension = file_type.removeprefix("*").removeprefix(".").lower().rpartition(".")[2]
    if not extension or "/" in extension or not extension.isprintable() or globs.WILDCARDS.search(extension):
        raise InvalidInputError(
            f"file_type is {file_type!r}, which is no extension.", remedy='Give one without the dot, such as "py".'
        )
    named = registry.get(extension)
    if named is not None and named.extensions and not any(extension in other.extensions for other in registry):
        raise InvalidInputError(
            f"file_type is {file_type!r}, which is a language.",
            remedy=f'Give language="{extension}", or an extension, such as file_type="{named.extensions[0]}".',
        )
    return extension


_ALIASES = {
    "c++": "cpp", "c#": "csharp", "cs": "csharp", "f#": "fsharp", "golang": "go", "shell": "bash", "sh": "bash",
    "js": "javascript", "ts": "typescript", "py": "python", "rb": "ruby", "rs": "rust", "objective-c": "objc",
    "rst": "restructuredtext", "md": "markdown", "proto": "protobuf", "terraform": "hcl", "docker": "dockerfile",
    "make": "makefile", "yml": "yaml", "kt": "kotlin", "plaintext": "text",
}  # fmt: skip


def _language(language: str) -> str:
    folded = language.lower()
    folded = _ALIASES.get(folded, folded)
    if registry.get(folded) is None:
        known = [one.name for one in registry]
        raise InvalidInputError(
            f"language is {language!r}, which is none that is known.",
            remedy=suggestion(folded, known) or 'Give a name such as "python", or filter by file_type.',
        )
    return folded


def _kinds(words: Iterable[str]) -> tuple[tuple[Category, ...], tuple[str, ...]]:
    categories: list[Category] = []
    kinds: list[str] = []
    for word in words:
        folded = word.lower()
        singular = folded if folded in symbol_kinds.KNOWN else folded.removesuffix("es" if folded == "classes" else "s")
        if folded in _CATEGORY_NAMES:
            categories.append(_CATEGORY_NAMES[folded])
        elif singular in symbol_kinds.KNOWN:
            kinds += symbol_kinds.meant(singular)
        else:
            near = suggestion(folded, [*_CATEGORY_NAMES, *symbol_kinds.KNOWN])
            raise InvalidInputError(
                f"kind is {word!r}, which is neither a category of files nor a kind of symbol.",
                remedy=near or f"Give {', '.join(_CATEGORIES)}, or a kind such as function, class, constant.",
            )
    return cast("tuple[Category, ...]", tuple(dict.fromkeys(categories))), tuple(dict.fromkeys(kinds))
