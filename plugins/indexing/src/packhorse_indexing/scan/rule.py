"""Which line of which ignore file keeps a path out, for people who ask; a scan only needs to know that one does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from packhorse_indexing.scan import git
from packhorse_indexing.scan.folders import GIT, TOOLS
from packhorse_indexing.scan.ignore import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Rule:
    """A line, counted from 1, of an ignore file, and what it matches: the path asked for or a folder above.

    Paths are relative to the indexed folder, or absolute outside of it.
    """

    file: str
    line: int
    pattern: str
    matched: str


def ignoring_rule(root: Path, path: str) -> Rule | None:
    """Return the rule that keeps a path beneath a resolved folder out of its index; None when none does.

    A path that ends in `/` is a folder. A tracked file is listed by git whatever its rules say; only the tools' ignore
    files concern it.
    """
    repository = git.find(_nearest(root, path))
    if repository is None:
        rule = _decide(root, root, path, GIT, ())
    elif git.is_tracked(repository, root / path):
        rule = None
    else:
        inner = (root / path).relative_to(repository.top).as_posix() + ("/" if path.endswith("/") else "")
        rule = _decide(root, repository.top, inner, GIT, git.excludes(repository))
        if rule is not None and root.is_relative_to(root / rule.matched):
            rule = _decide(root, root, path, GIT, ())  # a folder that its repository ignores was indexed all the same
    return rule or _decide(root, root, path, TOOLS, ())


def _nearest(root: Path, path: str) -> Path:
    """Return the folder around a path, at most `root`, that is a repository of its own, or `root`."""
    folder = root / path
    while folder != root and not (folder / ".git").exists():
        folder = folder.parent
    return folder


def _decide(root: Path, top: Path, path: str, names: Sequence[str], base: Sequence[Path]) -> Rule | None:
    """Return the rule that ignores a path or, before it, a folder above it, all relative to `top`."""
    for candidate in _outermost_first(path):
        for folder in PurePosixPath(candidate).parents:
            relative = candidate if folder == PurePosixPath() else candidate[len(folder.as_posix()) + 1 :]
            found = _last_match([top / folder / name for name in names], relative, root, top / candidate)
            if found is not None:
                break
        else:
            found = next((one for file in base if (one := _last_match([file], candidate, root, top / candidate))), None)
        if found is not None and not found.pattern.startswith("!"):
            return found
    return None


def _outermost_first(path: str) -> Iterator[str]:
    parts = path.rstrip("/").split("/")
    yield from ("/".join(parts[:count]) + "/" for count in range(1, len(parts)))
    yield path


def _last_match(files: Sequence[Path], relative: str, root: Path, candidate: Path) -> Rule | None:
    """Return the last line in some files of one folder that says something about `candidate`, `relative` to it."""
    lines = [(file, number, line) for file in files for number, line in enumerate(_lines(file), 1) if _is_pattern(line)]
    index = GitIgnoreSpec.from_lines([line for _, _, line in lines]).check_file(relative).index
    if index is None:
        return None
    file, number, line = lines[index]
    matched = _shown(candidate, root) + ("/" if relative.endswith("/") else "")
    return Rule(_shown(file, root), number, line.strip(), matched)


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _lines(file: Path) -> list[str]:
    # A link could lead out of the repository, and what it leads to would be shown.
    data = None if file.is_symlink() else git.read(file, MAX_BYTES)
    return [] if data is None else data.decode("utf-8", "surrogateescape").splitlines()


def _is_pattern(line: str) -> bool:
    """Tell whether the line takes part in matching; those that do not parse are left out, as git does."""
    if not line.strip() or line.startswith("#"):
        return False
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
