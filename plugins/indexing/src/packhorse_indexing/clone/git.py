"""Calling git for a clone: over https alone, with no configuration but ours, within limits, and ready to be stopped.

Every process is the leader of a group that is killed as a whole, and dies with the worker that started it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from packhorse.errors import UnavailableError
from packhorse_indexing.scan import git as scanning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_LOOK_SECONDS = 0.1
_BEAT_SECONDS = 0.5
_MAX_OUTPUT = 1_000_000
_PDEATHSIG = 1
_KEPT = (
    "PATH", "TMPDIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY",
    "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
)  # fmt: skip
_SAFE = (
    "protocol.allow=never", "protocol.https.allow=always", "http.followRedirects=false", "http.lowSpeedLimit=500",
    "http.lowSpeedTime=30", "http.emptyAuth=false", "credential.helper=", "core.askPass=false", "core.sshCommand=false",
    "core.gitProxy=", "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.symlinks=false",
    "core.protectNTFS=true", "core.protectHFS=true", "core.autocrlf=false", "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null", "core.pager=cat", "transfer.fsckObjects=true", "transfer.unpackLimit=1",
    "transfer.bundleURI=false",
    "submodule.recurse=false", "fetch.recurseSubmodules=false", "gc.auto=0", "maintenance.auto=false",
    "advice.detachedHead=false", "safe.directory=*", "pack.threads=1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """What a clone may take: bytes of history and of files, each; files; seconds for all of it."""

    max_bytes: int
    seconds: float
    max_files: int = 500_000


class GitFailedError(Exception):
    """Git ended with an error; `output` is what it said, in the words of whoever it spoke with."""

    def __init__(self, output: str) -> None:
        super().__init__("git failed")
        self.output = output


class Git:
    """Git in one folder, until a deadline; `beat` is called while it works, and what it raises stops the work."""

    def __init__(self, folder: Path, limits: Limits, beat: Callable[[], None], resolved: str | None) -> None:
        """Use `resolved`, a value of git's `http.curloptResolve`, in place of a name server."""
        self._folder = folder
        self._limits = limits
        self._beat = beat
        self._settings = [*_SAFE, *([f"http.curloptResolve={resolved}"] if resolved else [])]
        self._until = time.monotonic() + limits.seconds

    def run(self, *arguments: str, network: bool = False) -> str:
        """Run a command and return what it prints.

        Raises:
            GitFailedError: it failed.
            UnavailableError: it took too long, or more room than is allowed.
        """
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            with self._started(arguments, output, errors, network=network) as process:
                self._watch(process, output, errors)
            if process.returncode:
                self._check_size()
                raise GitFailedError(_text(errors))
            return _text(output)

    def check_tree(self, revision: str) -> None:
        """See that the files of a commit are not too many or too large, before any is written.

        Raises:
            UnavailableError: they are.
        """
        files = size = 0
        with (
            tempfile.TemporaryFile() as errors,
            self._started(("ls-tree", "-r", "-l", "-z", revision), subprocess.PIPE, errors, network=False) as process,
        ):
            rest = b""
            while part := process.stdout.read(1 << 16) if process.stdout else b"":
                *entries, rest = (rest + part).split(b"\0")
                files += len(entries)
                size += sum(_size(entry) for entry in entries)
                self._pause()
                if files > self._limits.max_files or size > self._limits.max_bytes:
                    raise UnavailableError(
                        f"The repository has more than {self._limits.max_files:,} files or "
                        f"{self._limits.max_bytes:,} bytes of them.",
                        remedy=TOO_LARGE,
                    )

    @contextmanager
    def _started(
        self, arguments: Sequence[str], output: IO[bytes] | int, errors: IO[bytes], *, network: bool
    ) -> Iterator[subprocess.Popen[bytes]]:
        settings = [part for setting in self._settings for part in ("-c", setting)]
        process = subprocess.Popen(  # noqa: S603 - every argument is ours or was checked
            [_program(), "--no-pager", "--no-replace-objects", *settings, *arguments],
            cwd=self._folder,
            env=_environment(self._folder, network=network),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
            preexec_fn=_bind(self._limits.max_bytes),  # noqa: PLW1509 - a worker has no other threads that hold locks
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # its helpers too, when it failed or was given up
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def _watch(self, process: subprocess.Popen[bytes], *outputs: IO[bytes]) -> None:
        beat_at = time.monotonic() + _BEAT_SECONDS
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
                return
            if time.monotonic() >= beat_at:
                self._pause()
                self._check_size()
                beat_at = time.monotonic() + _BEAT_SECONDS
            if any(os.fstat(output.fileno()).st_size > _MAX_OUTPUT for output in outputs):
                raise UnavailableError("The server of the repository says more than it should.")

    def _pause(self) -> None:
        self._beat()
        if time.monotonic() > self._until:
            raise UnavailableError(
                f"Cloning took longer than {self._limits.seconds:g} s.",
                remedy="Raise PACKHORSE_INDEXING_CLONE_SECONDS, or clone it yourself and index the folder.",
            )

    def _check_size(self) -> None:
        packs = self._folder / ".git" / "objects" / "pack"
        with suppress(OSError):  # not there yet, or a file just renamed
            if sum(file.stat().st_size for file in packs.iterdir()) >= self._limits.max_bytes:
                raise UnavailableError(
                    f"The repository is larger than {self._limits.max_bytes:,} bytes.", remedy=TOO_LARGE
                )


TOO_LARGE = "Raise PACKHORSE_INDEXING_CLONE_MAX_BYTES, or clone it yourself and index the folder."


def _size(entry: bytes) -> int:
    size = entry.partition(b"\t")[0].rpartition(b" ")[2]
    return int(size) if size.isdigit() else 0  # a submodule has none


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MAX_OUTPUT).decode("utf-8", "replace")


def _program() -> str:
    program = scanning.find_program()
    if program is None:
        raise UnavailableError("git is not installed.", remedy="Install git, or index a folder.")
    return program


def _environment(folder: Path, *, network: bool) -> dict[str, str]:
    # The home folder is not the user's: curl would send what .netrc says of the host.
    nowhere = str(folder.parent)
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "HOME": nowhere,
        "XDG_CONFIG_HOME": nowhere,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "false",
        "SSH_ASKPASS": "false",
        "GIT_SSH_COMMAND": "false",
        "GIT_ALLOW_PROTOCOL": "https" if network else "none",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CEILING_DIRECTORIES": nowhere,
    }


_libc = ctypes.CDLL(None)


def _bind(max_bytes: int) -> Callable[[], None]:
    """Return what a new process does first: it dies with its starter, and writes no file larger than allowed."""

    def bind() -> None:
        if sys.platform == "linux":
            _libc.prctl(_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))

    return bind
