"""Undoing what a plugin did to the server object or the command line, and noticing what it did to other plugins.

FastMCP and cyclopts know no transaction, so every attribute of their objects is compared before and after.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ABSENT: Any = object()
# What describes a component to a client, or runs it; anything else on it is a cache.
_COMPONENT_FIELDS = (
    *("name", "title", "description", "version", "tags", "meta", "annotations", "enabled", "fn", "auth"),
    *("parameters", "output_schema", "uri", "uri_template", "mime_type", "arguments"),
)


def attributes(thing: object) -> dict[str, Any]:
    """Return every attribute of an object's own, whether it keeps them in a dictionary or in slots."""
    slots = [name for kind in type(thing).__mro__ for name in _names(kind.__dict__.get("__slots__", ()))]
    found = {name: getattr(thing, name) for name in slots if not name.startswith("__") and hasattr(thing, name)}
    return found | dict(getattr(thing, "__dict__", {}))


def _names(slots: str | Iterable[str]) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


@dataclass(frozen=True, slots=True)
class _Saved:
    """An attribute's value, and its content when it is a container that can change in place."""

    value: Any
    content: Any

    @classmethod
    def of(cls, value: Any) -> _Saved:
        return cls(value, copy.copy(value) if type(value) in {list, dict, set} else _ABSENT)

    def put_back(self) -> Any:
        if self.content is not _ABSENT:
            self.value.clear()
            if isinstance(self.value, list):
                self.value.extend(self.content)
            else:
                self.value.update(self.content)
        return self.value


class Checkpoint:
    """The state of some objects at one moment."""

    def __init__(self, *things: object) -> None:
        self._states = [
            (thing, {name: _Saved.of(value) for name, value in attributes(thing).items()}) for thing in things
        ]

    def restore(self) -> None:
        """Put every attribute, and the content of every list, dictionary and set, back."""
        for thing, saved in self._states:
            for name in attributes(thing).keys() - saved.keys():
                delattr(thing, name)
            for name, state in saved.items():
                value = state.put_back()
                if getattr(thing, name, _ABSENT) is not value:
                    setattr(thing, name, value)

    def altered(self, names: Iterable[str]) -> list[str]:
        """Return those of the named list attributes that lost or reordered items they had."""
        return [
            name
            for thing, saved in self._states
            for name in names
            if name in saved and not _begins_with(getattr(thing, name, None), saved[name])
        ]

    def lost(self, name: str) -> list[Any]:
        """Return the keys of the named dictionary attribute that are gone or stand for something else."""
        return [
            key
            for thing, saved in self._states
            for key, value in saved[name].content.items()
            if getattr(thing, name).get(key, _ABSENT) is not value
        ]

    def undo(self) -> Callable[[], None]:
        """Return a function that takes back what changed since, and leaves later changes by others alone."""
        steps: list[Callable[[], None]] = []
        for thing, saved in self._states:
            for name, value in attributes(thing).items():
                before = saved.get(name, _Saved(_ABSENT, _ABSENT))
                steps += _steps_back(thing, name, before, value)

        def take_back() -> None:
            for step in reversed(steps):
                step()

        return take_back


def _begins_with(value: Any, before: _Saved) -> bool:
    kept = before.content
    return value is before.value and len(value) >= len(kept) and all(a is b for a, b in zip(value, kept, strict=False))


def _steps_back(thing: object, name: str, before: _Saved, value: Any) -> list[Callable[[], None]]:
    if before.value is not value:
        return [lambda: _reset(thing, name, value, before.value)]
    if isinstance(before.content, list):
        known = {id(item) for item in before.content}
        added = [item for item in value if id(item) not in known]
        return [lambda: _keep(value, added)] if added else []
    if isinstance(before.content, dict):
        changed = {key: item for key, item in value.items() if before.content.get(key, _ABSENT) is not item}
        old = {key: before.content.get(key, _ABSENT) for key in changed}
        return [lambda: _revert(value, changed, old)] if changed else []
    if isinstance(before.content, set):
        new = value - before.content
        return [lambda: value.difference_update(new)] if new else []
    return []


def _reset(thing: object, name: str, value: Any, old: Any) -> None:
    if getattr(thing, name, _ABSENT) is value:
        if old is _ABSENT:
            delattr(thing, name)
        else:
            setattr(thing, name, old)


def _keep(values: list[Any], without: list[Any]) -> None:
    gone = {id(item) for item in without}
    values[:] = [item for item in values if id(item) not in gone]


def _revert(values: dict[Any, Any], changed: dict[Any, Any], old: dict[Any, Any]) -> None:
    for key, item in changed.items():
        if values.get(key, _ABSENT) is item:
            if old[key] is _ABSENT:
                del values[key]
            else:
                values[key] = old[key]


class Baseline:
    """The accepted components as their owners registered them, so that a later change by another plugin shows."""

    def __init__(self) -> None:
        self._components: dict[str, tuple[Any, dict[str, Any]]] = {}

    def accept(self, components: dict[str, Any]) -> None:
        """Remember the components that are not known yet, and forget those that are gone."""
        for key in self._components.keys() - components.keys():
            del self._components[key]
        for key, component in components.items():
            if key not in self._components:
                self._components[key] = (component, _fields(component))

    def damaged(self, components: dict[str, Any]) -> list[str]:
        """Return the keys of accepted components that are gone, replaced or changed."""
        return [
            key
            for key, (component, fields) in self._components.items()
            if components.get(key) is not component or _fields(component, copied=False) != fields
        ]

    def repair(self) -> None:
        """Give every accepted component its fields back."""
        for component, fields in self._components.values():
            current = _fields(component, copied=False)
            for name, value in fields.items():
                if current.get(name, _ABSENT) != value:
                    component.__dict__[name] = _detached(value)


def _fields(component: Any, *, copied: bool = True) -> dict[str, Any]:
    values = vars(component)
    return {name: _detached(values[name]) if copied else values[name] for name in _COMPONENT_FIELDS if name in values}


def _detached(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, (dict, list, set)) else value
