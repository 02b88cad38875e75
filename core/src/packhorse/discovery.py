"""Finding plugins from the metadata of installed distributions, before any of their code is imported."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass, replace
from email.parser import HeaderParser
from functools import lru_cache
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

import packhorse
from packhorse.records import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from importlib_metadata import EntryPoint, IDistribution

GROUP = "packhorse"
CORE = "packhorse-core"
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
MOST = 1_000
"""Requirements, or plugins, of one distribution."""

# The name becomes a PostgreSQL schema and the middle of PACKHORSE_<NAME>_…: names that mean something there are taken.
RESERVED = frozenset(
    {
        *("core", "packhorse", "public", "information_schema", "data", "db", "database", "log", "plugins", "block"),
        *("profile", "strict", "http", "embedded", "env", "test", "import"),
    }
)
_SECTION = re.compile(rf"^\s*\[\s*{GROUP}\s*\]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An installed plugin that has not been imported.

    `distribution` and the names in `requires` are as the metadata spells them. `plugin` is set instead of
    `entry_point` for an object that a test hands over directly. `fault` says what its metadata has against loading it.
    """

    name: str
    distribution: str
    version: str = ""
    location: str = ""
    requires: tuple[str, ...] = ()
    requires_python: str = ""
    entry_point: EntryPoint | None = None
    plugin: object | None = None
    fault: Fault | None = None

    @property
    def key(self) -> str:
        """The normalised name of the distribution."""
        return _normalised(self.distribution)

    def load(self) -> object:
        """Import the plugin and return it; whatever its code raises comes through."""
        return self.entry_point.load() if self.entry_point is not None else self.plugin


def discover() -> list[Candidate]:
    """Return every installed plugin by name and distribution; unreadable metadata is a candidate's `fault`."""
    found: dict[tuple[str, str], Candidate] = {}
    seen: set[str] = set()
    for distribution in importlib_metadata.distributions():
        try:
            if not _SECTION.search(distribution.read_text("entry_points.txt") or ""):
                continue
            candidates = list(_candidates(distribution))
        except Exception as error:  # noqa: BLE001 - one distribution's broken metadata must not hide the others
            candidates = _broken(distribution, error)
        # The first of a distribution's copies on sys.path is the one that an import takes.
        keys = {candidate.key for candidate in candidates}
        for candidate in candidates:
            if candidate.key not in seen:
                found[candidate.name, candidate.key] = candidate
        seen |= keys
    return [found[key] for key in sorted(found)]


def _candidates(distribution: IDistribution) -> Iterable[Candidate]:
    # Parsed once and without the description, where the library's own properties parse all of it each time.
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    metadata = HeaderParser().parsestr(text.partition("\n\n")[0])
    name, version = metadata["Name"], metadata["Version"]
    if not name or not version:
        raise ValueError("its METADATA has no Name or no Version")
    location = _location(distribution)
    requires = tuple(metadata.get_all("Requires-Dist") or ())
    plugins = distribution.entry_points.select(group=GROUP)
    if len(requires) > MOST or len(plugins) > MOST:  # reading thousands would delay every start by seconds
        raise ValueError(f"it lists {len(plugins)} plugins and {len(requires)} requirements; at most {MOST} are read")
    for entry_point in plugins:
        yield Candidate(
            name=entry_point.name,
            distribution=name,
            version=version,
            location=location,
            requires=requires,
            requires_python=metadata["Requires-Python"] or "",
            entry_point=entry_point,
            fault=misnamed(entry_point.name, name),
        )


def _broken(distribution: IDistribution, error: Exception) -> list[Candidate]:
    """Return a candidate that stands for a distribution whose metadata cannot be read, if it may be a plugin."""
    try:
        folder = str(getattr(distribution, "_path", "")).replace("\\", "/").rsplit("/", 1)[-1]
    except Exception:  # noqa: BLE001 - a distribution of a foreign finder may raise anything
        return []
    stem = _normalised(re.split(r"-\d|\.(?:dist|egg)-info", folder)[0])
    if not stem.startswith("packhorse-"):
        return []
    fault = Fault(
        "failed",
        f"The metadata of {stem} cannot be read: {error}.",
        f"Reinstall it: pip install --force-reinstall {stem}",
    )
    return [Candidate(stem.removeprefix("packhorse-").replace("-", "_"), stem, location=folder, fault=fault)]


def _location(distribution: IDistribution) -> str:
    try:
        url = json.loads(distribution.read_text("direct_url.json") or "{}")
        if url["dir_info"]["editable"]:
            return unquote(urlsplit(url["url"]).path)
    except (KeyError, TypeError, ValueError):
        pass  # installed from an index or a wheel
    return str(distribution.locate_file("")).rstrip("/\\")


def misnamed(name: str, distribution: str) -> Fault | None:
    """Say what is wrong with a plugin's name in a distribution, from the names alone."""
    expected = _normalised(distribution).removeprefix("packhorse-").replace("-", "_")
    if _normalised(distribution).startswith("packhorse-") and name != expected:
        return Fault(
            "failed",
            f"{distribution} names its plugin {name!a}, but its entry point must be called {expected}.",
            f'Its author corrects [project.entry-points.packhorse] to {expected} = "…".',
        )
    if not NAME.fullmatch(name):
        return Fault(
            "failed",
            f"{name!a} is no plugin name: 1 to 32 lower-case letters a-z, digits and _, beginning with a letter.",
            f"Its author renames the entry point of {distribution}.",
        )
    if name in RESERVED or name.startswith("pg_"):
        return Fault(
            "failed",
            f"The plugin name {name} is reserved: its schema or its settings would collide with the core's.",
            f"Its author renames {distribution} and its entry point.",
        )
    return None


def screen(
    candidates: Iterable[Candidate],
    allow: Sequence[str] | None,
    block: Sequence[str],
    seniority: Callable[[Candidate], str] | None = None,
) -> list[Candidate]:
    """Decide from metadata alone which candidates may be imported, in the order to do it.

    Args:
        candidates: what `discover` returned.
        allow: the only distributions (or plugin names) to load; None allows all.
        block: distributions (or plugin names) not to load.
        seniority: what sorts those first that have the older right to a name; by default all are alike.

    Returns:
        All candidates, those with a `fault` included, each after the plugins that it requires.
    """
    filtered = [_filter(candidate, allow, block) for candidate in candidates]
    _version.cache_clear()
    return in_order([_compatible(candidate) for candidate in _settle_names(filtered)], seniority=seniority)


def unmatched(candidates: Collection[Candidate], wanted: Sequence[str]) -> list[str]:
    """Return the entries of an allow or block list that name no installed plugin: most likely misspelt."""
    return [entry for entry in wanted if not any(named(candidate, [entry]) for candidate in candidates)]


def named(candidate: Candidate, names: Sequence[str]) -> bool:
    """Tell whether a list of distributions or plugin names has this one."""
    wanted = {_normalised(name.strip()) for name in names}
    return candidate.key in wanted or _normalised(candidate.name) in wanted


def _filter(candidate: Candidate, allow: Sequence[str] | None, block: Sequence[str]) -> Candidate:
    if named(candidate, block):
        reason = Fault("blocked", "PACKHORSE_BLOCK names it.", "Take it out of PACKHORSE_BLOCK to load it.")
    elif allow is not None and not named(candidate, allow):
        reason = Fault("blocked", "PACKHORSE_PLUGINS does not name it.", "Add it to PACKHORSE_PLUGINS to load it.")
    else:
        return candidate
    return replace(candidate, fault=reason)


def _settle_names(candidates: list[Candidate]) -> list[Candidate]:
    """Give each name to one distribution: `packhorse-<name>` if it is there, else the first by name."""
    owners: dict[str, Candidate] = {}
    settled = []
    rightful = sorted(candidates, key=lambda c: (c.key != f"packhorse-{c.name.replace('_', '-')}", c.key))
    for candidate in rightful:
        owner = owners.get(candidate.name)
        if candidate.fault is not None:
            settled.append(candidate)
        elif owner is None:
            owners[candidate.name] = candidate
            settled.append(candidate)
        else:
            fault = Fault(
                "conflict",
                f"{candidate.distribution} and {owner.distribution} both bring a plugin named {candidate.name}; "
                f"{owner.distribution} keeps the name.",
                "Uninstall one of them, or set PACKHORSE_BLOCK to the one that you do not want.",
            )
            settled.append(replace(candidate, fault=fault))
    return settled


def _compatible(candidate: Candidate) -> Candidate:
    if candidate.fault is not None:
        return candidate
    try:
        fault = _missing(candidate)
    except (InvalidRequirement, InvalidSpecifier) as error:
        fault = Fault(
            "failed",
            f"The metadata of {candidate.distribution} {candidate.version} has a broken requirement: {error}".rstrip(),
            f"Report it to the author of {candidate.distribution}.",
        )
    return candidate if fault is None else replace(candidate, fault=fault)


def _missing(candidate: Candidate) -> Fault | None:
    who = f"{candidate.distribution} {candidate.version}"
    python = platform.python_version()
    if candidate.requires_python and not SpecifierSet(candidate.requires_python).contains(python, prereleases=True):
        return Fault(
            "incompatible",
            f"{who} needs Python {candidate.requires_python}; this is Python {python}.",
            f"Install a version of {candidate.distribution} made for Python {python}.",
        )
    wanting, installed_instead = [], []
    for requirement in requirements(candidate):
        found = _version(requirement.name)
        if found is not None and requirement.specifier.contains(found, prereleases=True):
            continue
        bare = f"{requirement.name}{requirement.specifier}"
        if _normalised(requirement.name) == CORE:
            return Fault(
                "incompatible",
                f"{who} is made for {bare}; this is {CORE} {found}.",
                f"Install a matching pair: pip install --upgrade {candidate.distribution} {CORE}",
            )
        wanting.append(f"'{bare}'")
        installed_instead.append(f"{bare} ({'not installed' if found is None else f'{found} is installed'})")
    if not wanting:
        return None
    return Fault(
        "incompatible",
        f"{who} needs {', '.join(installed_instead)}.",
        f"pip install {' '.join(wanting)}",
    )


def requirements(candidate: Candidate) -> list[Requirement]:
    """Return the requirements that apply on this machine, without those of extras.

    Raises:
        InvalidRequirement: the metadata has one that cannot be parsed.
    """
    return [one for text in candidate.requires if (one := _applicable(text)) is not None]


@lru_cache(maxsize=4096)
def _applicable(text: str) -> Requirement | None:
    requirement = Requirement(text)
    applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    return requirement if applies else None


_normalised = lru_cache(maxsize=4096)(canonicalize_name)


@lru_cache(maxsize=4096)
def _version(distribution: str) -> str | None:
    if _normalised(distribution) == CORE:
        return packhorse.__version__
    try:
        return importlib_metadata.version(distribution)
    except Exception:  # noqa: BLE001 - not installed, or its metadata is broken: not usable either way
        return None


def required(candidate: Candidate) -> frozenset[str]:
    """Return the normalised names of the distributions that the candidate's requires."""
    try:
        return frozenset(_normalised(requirement.name) for requirement in requirements(candidate))
    except InvalidRequirement:
        return frozenset()


def sought(candidate: Candidate) -> frozenset[str]:
    """Return the normalised names of the distributions that the candidate's requires, or can use: those of extras."""
    found = set(required(candidate))
    for text in candidate.requires:
        try:
            found.add(_normalised(Requirement(text).name))
        except InvalidRequirement:
            continue
    return frozenset(found)


def in_order(
    candidates: Sequence[Candidate],
    needed_by: Callable[[Candidate], frozenset[str]] | None = None,
    *,
    seniority: Callable[[Candidate], str] | None = None,
) -> list[Candidate]:
    """Sort by seniority and name, but each plugin after those that it requires; in a circle these do not count.

    Args:
        candidates: what to sort.
        needed_by: what has to come before a candidate; by default `required`.
        seniority: see `screen`.
    """
    needed_by = needed_by or required
    rank = sorted(candidates, key=lambda c: (seniority(c) if seniority else "", c.name, c.key))
    places: dict[str, set[int]] = {}
    for at, candidate in enumerate(rank):
        places.setdefault(candidate.key, set()).add(at)
    before = {
        at: {place for key in needed_by(candidate) - {candidate.key} for place in places.get(key, ())}
        for at, candidate in enumerate(rank)
    }
    after: dict[int, list[int]] = {at: [] for at in before}
    for at, needed in before.items():
        for place in needed:
            after[place].append(at)
    ready = [at for at, needed in before.items() if not needed]
    heapify(ready)
    order: dict[int, None] = {}
    while len(order) < len(rank):
        at = heappop(ready) if ready else next(at for at in before if at not in order)
        order[at] = None
        for other in after[at]:
            before[other].discard(at)
            if not before[other] and other not in order:
                heappush(ready, other)
    return [rank[at] for at in order]
