"""What git knows of a folder, asked without letting the repository run anything.

A repository's own configuration can name programs: fsmonitor, hooks, filters, remote helpers, pagers. So git is
called only to list files and to list and read objects, which needs none of them, with each of those switched off all
the same and an environment of our own; HEAD and refs are read as files. The git folder and work tree are always named,
so that neither discovery nor `core.worktree` chooses them.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse_indexing.scan.model import Head

if TYPE_CHECKING:
    from collections.abc import Iterator

_SMALL = 4096
_MAX_PACKED_REFS = 64_000_000
_CONFIG_SECONDS = 20.0
_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"refs/(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\]+(?<![./])")
_CLOSED = re.compile(rb"^warning: could not open directory '(.+/)': Permission denied$", re.MULTILINE)
_SAFE = (
    "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.untrackedCache=false", "core.pager=cat",
    "core.sshCommand=false", "core.gitProxy=", "core.askPass=", "credential.helper=", "protocol.allow=never",
    "core.alternateRefsCommand=false", "diff.external=", "safe.directory=*", "core.preloadIndex=false",
    "core.attributesFile=/dev/null", "core.quotePath=false", "index.threads=1",
)  # fmt: skip


class GitUnavailableError(Exception):
    """Git is not installed, refused, or took too long; the message says which."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A git work tree: its top folder, its own git folder, and the one it shares with its other worktrees."""

    top: Path
    git_dir: Path
    common_dir: Path


def find(folder: Path) -> Repository | None:
    """Find the work tree that a resolved folder belongs to, from the files that mark one; run nothing."""
    for top in (folder, *folder.parents):
        git_dir = _git_dir(top)
        if git_dir is not None:
            return Repository(top, git_dir, _common_dir(git_dir))
    return None


def _git_dir(top: Path) -> Path | None:
    marker = top / ".git"
    try:
        status = marker.lstat()
    except OSError:
        return None
    if stat.S_ISREG(status.st_mode):
        line = _read_small(marker)
        if line is None or not line.startswith("gitdir:"):
            return None
        marker = top / line.removeprefix("gitdir:").strip()
    elif stat.S_ISLNK(status.st_mode):
        marker = Path(os.path.realpath(marker))
    marker = Path(os.path.normpath(marker))
    return marker if (marker / "HEAD").is_file() else None


def _common_dir(git_dir: Path) -> Path:
    line = _read_small(git_dir / "commondir")
    return Path(os.path.normpath(git_dir / line)) if line else git_dir


def head(repository: Repository) -> Head:
    """Read where HEAD stands from the files of the git folder."""
    line = _read_small(repository.git_dir / "HEAD") or ""
    if not line.startswith("ref:"):
        return Head(None, line if is_revision(line) else None)
    ref = line.removeprefix("ref:").strip()
    if not is_ref(ref) or ref == "refs/heads/.invalid":
        return Head(None, None)
    return Head(ref.removeprefix("refs/heads/"), _resolve(repository, ref))


def _resolve(repository: Repository, ref: str) -> str | None:
    for folder in (repository.git_dir, repository.common_dir):
        line = _read_small(folder / ref)
        if line and is_revision(line):
            return line
    packed = read(repository.common_dir / "packed-refs", _MAX_PACKED_REFS)
    match = re.search(rb"^([0-9a-f]{40,64}) " + re.escape(os.fsencode(ref)) + rb"$", packed or b"", re.MULTILINE)
    return match[1].decode() if match else None


def is_revision(text: str) -> bool:
    """Tell whether a text is the hash of a commit."""
    return _REVISION.fullmatch(text) is not None


def is_ref(text: str) -> bool:
    """Tell whether a text is the whole name of a ref that is safe as a path and as an argument."""
    return _REF.fullmatch(text) is not None


def family(repository: Repository, revision: str | None, seconds: float) -> str:
    """Return the identity that all worktrees and clones of one history share.

    It is the first commit on the line of first parents; where there is none, or where a shallow clone hides it, the
    folder that holds the history.
    """
    folder = f"folder:{os.path.realpath(repository.common_dir)}"
    if revision is None or (repository.common_dir / "shallow").exists():
        return folder
    root = _root_commit(repository, revision, seconds)
    return f"git:{root}" if root else folder


@lru_cache(maxsize=256)
def _root_commit(repository: Repository, revision: str, seconds: float) -> str | None:
    """Return the first commit behind a revision, which can never change; None when history does not say."""
    arguments = ("rev-list", "--first-parent", "--max-parents=0", "--max-count=1", revision, "--")
    try:
        output = run(repository, repository.top, arguments, seconds)
    except GitUnavailableError:
        return None
    commit = output.decode("ascii", "replace").strip()
    return commit if is_revision(commit) else None


def list_files(repository: Repository, folder: Path, seconds: float) -> tuple[list[bytes], list[bytes]]:
    """List what git tracks or would track beneath a folder, and the folders that it could not open.

    The paths are relative to the folder, without duplicates. An embedded repository ends in `/`, a submodule is the
    path of its folder; deleted files and links are listed.

    Raises:
        GitUnavailableError: git is missing, fails or takes too long.
    """
    done = _run(repository, folder, ("ls-files", "-z", "--cached", "--others", "--exclude-standard"), seconds)
    beneath = b"" if folder == repository.top else os.fsencode(folder.relative_to(repository.top)) + b"/"
    closed = [path.removeprefix(beneath) for path in _CLOSED.findall(done.stderr) if path.startswith(beneath)]
    return list(dict.fromkeys(done.stdout.split(b"\0")[:-1])), closed


def list_ignored(repository: Repository, folder: Path, seconds: float) -> list[bytes]:
    """List what git ignores beneath a folder; a folder ignored as a whole is one path that ends in `/`.

    Raises:
        GitUnavailableError: git is missing, fails or takes too long.
    """
    arguments = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    return run(repository, folder, arguments, seconds).split(b"\0")[:-1]


def is_tracked(repository: Repository, path: Path, seconds: float = _CONFIG_SECONDS) -> bool:
    """Tell whether git tracks a file, or something beneath a folder; False when git cannot say."""
    try:
        return bool(run(repository, repository.top, ("ls-files", "-z", "--cached", "--", str(path)), seconds))
    except GitUnavailableError:
        return False


def run(
    repository: Repository, folder: Path, arguments: tuple[str, ...], seconds: float, *, given: bytes = b""
) -> bytes:
    """Run git on a repository that is not trusted, with `given` as its input, and return what it prints.

    Raises:
        GitUnavailableError: git is missing, fails or takes too long.
    """
    return _run(repository, folder, arguments, seconds, given).stdout


def _run(
    repository: Repository, folder: Path, arguments: tuple[str, ...], seconds: float, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    program = find_program()
    if program is None:
        raise GitUnavailableError("git is not installed")
    settings = [part for setting in (*_SAFE, f"core.excludesFile={_excludes_file()}") for part in ("-c", setting)]
    command = [
        program, "--no-pager", "--no-optional-locks", "--no-replace-objects", "--literal-pathspecs", *settings,
        f"--git-dir={repository.git_dir}", f"--work-tree={repository.top}", *arguments,
    ]  # fmt: skip
    return _output(command, folder, seconds, given)


def _output(command: list[str], folder: Path, seconds: float, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        done = subprocess.run(  # noqa: S603 - every argument is ours, checked or follows `--`
            command, cwd=folder, env=_environment(), input=given, capture_output=True, timeout=seconds, check=False,
            close_fds=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise GitUnavailableError(f"git took longer than {seconds:g} s") from error
    except OSError as error:
        raise GitUnavailableError(f"git cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GitUnavailableError(message[0][:300] if message else f"git ended with {done.returncode}")
    return done


@lru_cache(maxsize=1)
def find_program() -> str | None:
    """Return git's absolute path; a relative entry of PATH could be the repository's."""
    path = os.pathsep.join(entry for entry in os.environ.get("PATH", "").split(os.pathsep) if Path(entry).is_absolute())
    return shutil.which("git", path=path)


@lru_cache(maxsize=1)
def _excludes_file() -> str:
    """Return the user's own global excludes; the repository's configuration may not name another file."""
    program = find_program()
    if program is not None:
        try:
            command = [program, "config", "--global", "--type=path", "--get", "core.excludesFile"]
            found = os.fsdecode(_output(command, Path("/"), _CONFIG_SECONDS).stdout).strip()
        except GitUnavailableError:
            found = ""
        if found:
            return found
    folder = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return f"{folder}/git/ignore"


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR") if name in os.environ}
    return kept | {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": "/dev/null",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_ASKPASS": "false",
        "SSH_ASKPASS": "false",
        "GIT_PAGER": "cat",
        "GIT_ATTR_NOSYSTEM": "1",
    }


def excludes(repository: Repository) -> list[Path]:
    """Return the files of rules that count for less than any `.gitignore`, the stronger first."""
    return [repository.common_dir / "info" / "exclude", Path(_excludes_file())]


def decisive_files(repository: Repository, folder: Path) -> Iterator[Path]:
    """Return the files outside of a folder in its work tree that decide what is listed in it, if they exist."""
    yield repository.git_dir / "index"
    yield repository.git_dir / "config.worktree"
    yield repository.common_dir / "config"
    yield from excludes(repository)
    while folder != repository.top:
        folder = folder.parent
        yield folder / ".gitignore"


def _read_small(path: Path) -> str | None:
    data = read(path, _SMALL)
    return None if data is None else data.decode("utf-8", "surrogateescape").strip()


def read(path: Path, limit: int) -> bytes | None:
    """Read a regular file of limited size; a pipe or device in its place is not waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError):
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        return file.read(limit)
