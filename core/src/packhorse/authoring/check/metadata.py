"""What the distribution says about itself, and how its entry point is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from packhorse.authoring.check.finding import Finding
from packhorse.discovery import CORE, GROUP, misnamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.authoring.check.facts import Facts
    from packhorse.authoring.check.target import Target

_WANTED = {
    "description": "one sentence, which indexes show",
    "readme": 'readme = "README.md"',
    "license": 'an SPDX expression such as license = "MIT"',
    "requires-python": 'requires-python = ">=3.11"',
}


def check(target: Target, _facts: Facts) -> Iterator[Finding]:
    """Yield what is missing or wrong in the metadata."""
    path = str(target.metadata_path)
    fault = misnamed(target.name, target.distribution)
    if fault is not None:
        place = target.line_of(f"project.entry-points.{GROUP}")
        yield Finding("entry-point", "error", fault.error, fault.remedy, path, place)
    if not target.package.startswith("packhorse_"):
        yield Finding(
            "entry-point",
            "warning",
            f"The import package is called {target.package}, which another distribution may have too.",
            f"Call it packhorse_{target.name}.",
            path,
            target.line_of(target.package),
        )
    for key, remedy in _WANTED.items():
        if not target.project.get(key):
            yield Finding("metadata", "warning", f"The metadata has no {key}.", f"Add {remedy}.", path, 0)
    yield from _requirement_of_core(target, path)
    if target.root is not None and not (target.base / target.package / "py.typed").is_file():
        yield Finding(
            "typed",
            "advice",
            "The package has no py.typed, so that type checkers ignore its annotations.",
            "Add an empty file of that name to it.",
            str(target.base / target.package),
        )


def _requirement_of_core(target: Target, path: str) -> Iterator[Finding]:
    found = None
    for text in target.project.get("dependencies", ()):
        try:
            requirement = Requirement(str(text))
        except InvalidRequirement:
            yield Finding(
                "metadata",
                "error",
                f"{text!a} is no valid requirement.",
                "Write it as PEP 508 says.",
                path,
                target.line_of(str(text)),
            )
            continue
        if canonicalize_name(requirement.name) == CORE:
            found = requirement
    if found is None:
        yield Finding(
            "requires-core",
            "warning",
            f"The distribution does not require {CORE}.",
            f'Add "{CORE}>=0.1,<0.2" to its dependencies, so that it is never installed with a host it does not know.',
            path,
            target.line_of("dependencies"),
        )
    elif not any(one.operator in {"<", "<=", "==", "~="} for one in found.specifier):
        yield Finding(
            "requires-core",
            "warning",
            f"{found} has no upper bound; hooks may change in the next minor version before 1.0.",
            f'Write "{CORE}>=0.1,<0.2".',
            path,
            target.line_of(CORE),
        )
