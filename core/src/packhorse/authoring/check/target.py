"""What is reviewed: a plugin's folder or an installed distribution, as far as can be known without importing it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import importlib_metadata
from packaging.utils import canonicalize_name

from packhorse.discovery import GROUP, Candidate, discover
from packhorse.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Target:
    """One plugin to review.

    `project` is the table of that name in pyproject.toml, or what the installed metadata says in its form. `base` is
    the folder to import from, `sources` the Python files of the plugin's package.
    """

    name: str
    module: str
    project: dict[str, Any]
    metadata_path: Path
    base: Path
    root: Path | None = None
    files: tuple[str, ...] = field(default=(), repr=False)
    """What an installed distribution put beneath `base`."""

    @property
    def distribution(self) -> str:
        """The distribution's name."""
        return str(self.project.get("name", ""))

    @property
    def package(self) -> str:
        """The import package."""
        return self.module.partition(".")[0]

    @property
    def sources(self) -> list[Path]:
        """The package's Python files."""
        folder = self.base / self.package
        return sorted(folder.rglob("*.py")) if folder.is_dir() else [self.base / f"{self.package}.py"]

    @property
    def module_path(self) -> Path:
        """The file of the module that the entry point names."""
        place = self.base.joinpath(*self.module.split("."))
        return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")

    def line_of(self, text: str) -> int:
        """Return the first line of the metadata file that contains `text`, or 0."""
        if self.metadata_path.suffix != ".toml":
            return 0
        lines = self.metadata_path.read_text("utf-8").splitlines()
        return next((number for number, line in enumerate(lines, 1) if text in line), 0)

    def candidate(self) -> Candidate:
        """Return the plugin as the host's discovery would find it after an installation."""
        return Candidate(
            name=self.name,
            distribution=self.distribution,
            version=str(self.project.get("version", "0")),
            location=str(self.base),
            requires=tuple(self.project.get("dependencies", ())),
            requires_python=str(self.project.get("requires-python", "")),
            entry_point=importlib_metadata.EntryPoint(self.name, self.entry_point, GROUP),
        )

    @property
    def entry_point(self) -> str:
        """What the entry point names."""
        return str(self.project.get("entry-points", {}).get(GROUP, {}).get(self.name, self.module))


def resolve(what: str) -> list[Target]:
    """Return the plugins in the folder, or of the installed plugin or distribution, that `what` names.

    Raises:
        NotFoundError: there is no such folder and no such plugin.
        InvalidInputError: the folder is not a Python project, or brings no plugin.
    """
    folder = Path(what).expanduser().absolute()
    if folder.is_dir():
        return list(_of_folder(folder))
    installed = [one for one in discover() if what == one.name or canonicalize_name(what) == one.key]
    if not installed:
        raise NotFoundError(
            f"{what!a} is neither a folder nor an installed plugin.",
            remedy="Give the folder that holds its pyproject.toml, or a name that `packhorse plugins` lists.",
        )
    return [target for one in installed for target in _of_installed(one)]


def _of_folder(folder: Path) -> Iterable[Target]:
    path = folder / "pyproject.toml"
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}.", remedy="It must be a TOML file.") from None
    project = content.get("project", {})
    points = project.get("entry-points", {}).get(GROUP, {})
    if not points:
        raise InvalidInputError(
            f"{path} has no entry point in the group {GROUP}, so that no host finds the plugin.",
            remedy=f'Add [project.entry-points.{GROUP}] with a line such as notes = "packhorse_notes.plugin".',
        )
    for name, value in points.items():
        module = str(value).partition(":")[0].strip()
        yield Target(str(name), module, project, path, _base(folder, module, path, content), folder)


def _base(folder: Path, module: str, path: Path, content: dict[str, Any]) -> Path:
    wheel = content.get("tool", {}).get("hatch", {}).get("build", {}).get("targets", {}).get("wheel", {})
    named = [folder / str(package) for package in wheel.get("packages", ())]
    for base in (*(one.parent for one in named), folder / "src", folder):
        place = base.joinpath(*module.split("."))
        if place.is_dir() or place.with_suffix(".py").is_file():
            return base
    raise InvalidInputError(
        f"{path} names the module {module}, which is neither in {folder / 'src'} nor in {folder}.",
        remedy="Correct the entry point, or move the package there.",
    )


def _of_installed(candidate: Candidate) -> Iterable[Target]:
    if (Path(candidate.location) / "pyproject.toml").is_file():
        yield from (one for one in _of_folder(Path(candidate.location)) if one.name == candidate.name)
        return
    distribution = importlib_metadata.distribution(candidate.distribution)
    metadata = distribution.metadata
    value = candidate.entry_point.value if candidate.entry_point is not None else ""
    project = {
        "name": candidate.distribution,
        "version": candidate.version,
        "description": metadata.get("Summary", ""),
        "license": metadata.get("License-Expression") or metadata.get("License") or "",
        "readme": bool((distribution.read_text("METADATA") or "").partition("\n\n")[2].strip()),
        "requires-python": candidate.requires_python,
        "dependencies": list(candidate.requires),
        "entry-points": {GROUP: {candidate.name: value}},
    }
    base = Path(candidate.location)
    files = tuple(str(one) for one in distribution.files or ())
    yield Target(candidate.name, value.partition(":")[0], project, base / candidate.distribution, base, files=files)
