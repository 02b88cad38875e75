"""The kinds of symbol that a search can be narrowed to: a few words of the asker for the many of the languages."""

from __future__ import annotations

_CLASSES = ("class", "struct", "record", "object", "actor", "contract", "mixin", "module_type")
_INTERFACES = ("interface", "trait", "protocol", "concept", "annotation")
_CALLABLES = ("function", "method", "macro", "procedure", "sub", "rpc")
_VALUES = ("constant", "variable", "property", "given")
_SPACES = ("module", "namespace", "library", "package")

GROUPS: dict[str, tuple[str, ...]] = {
    "function": _CALLABLES,
    "method": _CALLABLES,  # what some languages call a method, others list as a function
    "class": _CLASSES,
    "interface": _INTERFACES,
    "type": (*_CLASSES, *_INTERFACES, "type", "enum", "union", "opaque", "error", "message", "scalar", "input"),
    "constant": _VALUES,
    "variable": _VALUES,
    "module": _SPACES,
    "namespace": _SPACES,
}
"""What a word of the asker stands for where it is more than itself."""

KNOWN = frozenset(kind for group in GROUPS.values() for kind in group).union(
    GROUPS, ("impl", "extension", "instance", "test", "event", "section", "rule", "service", "table", "view")
)


def meant(word: str) -> tuple[str, ...]:
    """Return the index's kinds that a known word stands for."""
    return GROUPS.get(word, (word,))
