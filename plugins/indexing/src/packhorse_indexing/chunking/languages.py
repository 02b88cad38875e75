"""The languages: what a file is written in, and what the chunker must know of each.

`registry` maps names to `Language` and may be added to; `detect` finds the name for a file. The tables of the
languages that come with the plugin are in `tables`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from packhorse_indexing.chunking.names import Namer
    from packhorse_indexing.chunking.pieces import Chunker

TEXT = "text"
"""The language of a file that is none that we know."""


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """What the chunker must know of a language.

    Attributes:
        name: lower case, as stored with each file.
        extensions: lower case, without the dot; `d.ts` is possible, the longest wins.
        filenames: whole names of files, matched without regard to case.
        interpreters: the programs that a `#!` line may name.
        grammar: the module and function that give the tree-sitter grammar, or None to cut by lines.
        definitions: from node types to the kind of definition, or to a function that says the kind and the name.
        wrappers: node types around a definition that count as its head: decorators, exports, templates.
        descend: node types on a single line that may hold definitions all the same.
        leading: node types that belong to what follows them, as comments do.
        comments: node types of comments.
        joined: node types that continue the definition before them.
        pattern: a regular expression for the definitions of a line, for when there is no tree.
        headings: cut by the headings of prose.
        prose: text between definitions is prose or data rather than code.
    """

    name: str
    extensions: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    grammar: tuple[str, str] | None = None
    definitions: Mapping[str, str | Namer] = field(default_factory=dict)
    wrappers: frozenset[str] = frozenset()
    descend: frozenset[str] = frozenset()
    leading: frozenset[str] = frozenset()
    comments: frozenset[str] = frozenset({"comment", "line_comment", "block_comment"})
    joined: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    headings: bool = False
    prose: bool = False


class Registry:
    """The languages by name, and the way from a file to its language."""

    def __init__(self, languages: Iterable[Language] = ()) -> None:
        self._languages: dict[str, Language] = {}
        self._extensions: dict[str, str] = {}
        self._filenames: dict[str, str] = {}
        self._interpreters: dict[str, str] = {}
        self._chunkers: dict[str, Chunker] = {}
        for language in languages:
            self.add(language)

    def add(self, language: Language) -> None:
        """Add a language, or replace the one of its name; its extensions and names win over earlier ones."""
        self._languages[language.name] = language
        self._extensions.update(dict.fromkeys(language.extensions, language.name))
        self._filenames.update((filename.lower(), language.name) for filename in language.filenames)
        self._interpreters.update(dict.fromkeys(language.interpreters, language.name))

    def get(self, name: str) -> Language | None:
        """Return a language by name."""
        return self._languages.get(name)

    def add_chunker(self, key: str, chunker: Chunker) -> bool:
        """Let a function cut the files of a language, or of an extension (`.ext`); False when another one does.

        An extension that is no language's name becomes one: how a file is cut is part of what identifies its content.
        """
        name = key.removeprefix(".").lower()
        if name in self._chunkers:
            return False
        if name not in self._languages:
            self.add(Language(name, (name,) if key.startswith(".") else ()))
        self._chunkers[name] = chunker
        return True

    def chunker(self, name: str) -> Chunker | None:
        """Return what another plugin cuts the files of a language with."""
        return self._chunkers.get(name)

    def __iter__(self) -> Iterator[Language]:
        return iter(self._languages.values())

    def detect(self, path: str, head: bytes) -> str:
        """Return the name of a file's language from its `/`-separated path and its first bytes; `text` if unknown."""
        filename = path.rpartition("/")[2].lower()
        known = self._filenames.get(filename)
        parts = filename.split(".")
        for i in range(1, len(parts)):
            known = known or self._extensions.get(".".join(parts[i:]))
        if known is None:
            known = self._by_shebang(head)
        elif known == "c" and parts[-1] == "h":
            known = _header(head)
        return known or self._filenames.get(parts[0], TEXT)

    def _by_shebang(self, head: bytes) -> str | None:
        match = _SHEBANG.match(head)
        return self._interpreters.get(match[1].decode("ascii").rstrip("0123456789.")) if match else None


# `/usr/bin/env -S VAR=1 python3.11` names its program last, `/bin/sh` first.
_SHEBANG = re.compile(rb"#!\s*(?:\S*/env\s+(?:-\S+\s+|\w+=\S*\s+)*)?(?:[^\s/]*/)*([A-Za-z][A-Za-z0-9_.+-]*)")
_CPP = re.compile(
    rb"^\s*(?:class\s+\w+|namespace\b|template\s*<|public:|private:|using\s+\w)|#include <\w+>", re.MULTILINE
)
_OBJC = re.compile(rb"^\s*(?:@interface|@protocol|@class|#import)\b", re.MULTILINE)


def _header(head: bytes) -> str:
    if _OBJC.search(head):
        return "objc"
    return "cpp" if _CPP.search(head) else "c"


def detect(path: str, head: bytes) -> str:
    """Return the name of a file's language from its `/`-separated path and its first bytes; `text` if unknown."""
    return registry.detect(path, head)


def _builtin() -> Registry:
    from packhorse_indexing.chunking import tables, tables_plain

    return Registry((*tables_plain.LANGUAGES, *tables.LANGUAGES))


registry = _builtin()
"""The languages of this process."""
