"""What would stay behind after `pip uninstall`, or never belonged to the plugin: files, folders, start-up hooks."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from packhorse.authoring.check.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse.authoring.check.facts import Facts
    from packhorse.authoring.check.target import Target

_HOMES = frozenset({"Path.home", "pathlib.Path.home", "os.path.expanduser", "tempfile.mkdtemp", "tempfile.mkstemp"})
_OWN_FOLDERS = ("user_data_path", "user_data_dir", "user_config_path", "user_config_dir", "user_cache_path")


def check(target: Target, facts: Facts) -> Iterator[Finding]:
    """Yield what an uninstallation would leave."""
    for name in facts.written:
        yield Finding(
            "leftover",
            "error",
            f"Importing and registering it writes {name}.",
            "Write beneath context.core.data_dir, in plugin_lifespan or a tool, and say so in the README.",
            str(target.base / target.package),
        )
    yield from _strewn(target)
    yield from _beside(target)
    yield from _homes(target)
    if facts.migrations and not _told(target):
        yield Finding(
            "leftover",
            "advice",
            f"The README does not say that the PostgreSQL schema {target.name} stays after an uninstallation.",
            f'Tell how to remove it: DROP SCHEMA "{target.name}" CASCADE.',
            str(target.metadata_path),
        )


def _strewn(target: Target) -> Iterator[Finding]:
    """Yield what an installed distribution put outside of its package."""
    for name in target.files:
        path = PurePosixPath(name)
        first = path.parts[0] if path.parts else ""
        if first == target.package or first.endswith((".dist-info", ".egg-info")) or path.stem == target.package:
            continue
        if "__pycache__" in path.parts or ".." in path.parts[:1]:
            continue  # bytecode, and the scripts in bin/, which pip removes
        start = path.suffix == ".pth"
        yield Finding(
            "leftover",
            "error" if start else "warning",
            f"The distribution installs {name} beside its package"
            + (", which runs at the start of every Python." if start else "."),
            "Leave it out of the wheel: tests, docs and examples are for the source distribution.",
            str(target.base / name),
        )


def _beside(target: Target) -> Iterator[Finding]:
    """Yield packages that the build configuration of a folder adds to the wheel."""
    if target.root is None:
        return
    wheel = _table(target).get("wheel", {})
    shared = [*wheel.get("force-include", {}), *wheel.get("shared-data", {})]
    named = [PurePosixPath(one).name for one in wheel.get("packages", ())]
    for name in [*(one for one in named if one != target.package), *shared]:
        yield Finding(
            "leftover",
            "warning",
            f"The wheel has {name} beside the package {target.package}.",
            "Put data into the package and read it with importlib.resources.",
            str(target.metadata_path),
            target.line_of(name),
        )


def _table(target: Target) -> dict[str, Any]:
    import tomllib

    content = tomllib.loads(target.metadata_path.read_text("utf-8"))
    found: dict[str, Any] = content.get("tool", {}).get("hatch", {}).get("build", {}).get("targets", {})
    return found


def _homes(target: Target) -> Iterator[Finding]:
    for path in target.sources:
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError, OSError):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            if name in _HOMES or name.rpartition(".")[2] in _OWN_FOLDERS:
                yield Finding(
                    "leftover",
                    "advice",
                    f"{name}() leads out of the data folder; what is written there stays after an uninstallation.",
                    "Write beneath context.core.data_dir; to read there is no harm.",
                    str(path),
                    node.lineno,
                )


def _told(target: Target) -> bool:
    if target.root is None:
        return True
    readme = target.root / "README.md"
    return readme.is_file() and "schema" in readme.read_text("utf-8", "replace").lower()
