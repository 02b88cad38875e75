"""Running git on the objects of a repository that is not trusted, and on nothing else of it.

Git runs in an empty repository of ours and takes the objects alone from the other one. What could make it run a
program (configuration, attributes, hooks, remotes) is looked up in the repository that git runs in, where there is
none.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from packhorse.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packhorse_git_history.repository import GitFolder
    from packhorse_git_history.settings import GitHistorySettings

_MOST_BYTES = 4_000_000  # of output, beyond which git is stopped
_SHA256 = 64  # hexadecimal digits of a commit's name in a repository of that format


class History:
    """Git, ready to read the objects of any repository."""

    def __init__(self, settings: GitHistorySettings, folder: Path) -> None:
        self.settings = settings
        self._folder = folder

    @classmethod
    @contextmanager
    def open(cls, settings: GitHistorySettings) -> Iterator[History]:
        """Make the empty repositories, one for each format of commit names, and remove them at the end."""
        with tempfile.TemporaryDirectory(prefix="packhorse-git-history-") as name:
            for kind, version in (("sha1", 0), ("sha256", 1)):
                empty = Path(name) / kind
                for part in ("refs", "objects/info"):
                    (empty / part).mkdir(parents=True)
                (empty / "HEAD").write_text("ref: refs/heads/none\n", "utf-8")
                extension = "[extensions]\n\tobjectFormat = sha256\n" if version else ""
                config = f"[core]\n\trepositoryformatversion = {version}\n\tbare = true\n{extension}"
                (empty / "config").write_text(config, "utf-8")
            yield cls(settings, Path(name))

    async def run(self, repository: GitFolder, revision: str, *arguments: str) -> bytes:
        """Run a git command that reads history from `revision` on and return its output, cut at 4 MB.

        Raises:
            NotFoundError: an object is missing, as in a shallow or partial clone.
            UnavailableError: git is missing, fails or takes too long.
        """
        git = program()
        if git is None:
            raise UnavailableError("git is not installed.", remedy="The user installs it.")
        empty = self._folder / ("sha256" if len(revision) == _SHA256 else "sha1")
        shallow = (f"--shallow-file={repository.shallow}",) if repository.shallow else ()
        process = await asyncio.create_subprocess_exec(
            *(git, "--no-pager", "--no-replace-objects", "--literal-pathspecs", *shallow, *arguments),
            cwd=self._folder,
            env=_environment(empty, repository.objects),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        complaining = asyncio.create_task(_read(process.stderr))
        try:
            async with asyncio.timeout(self.settings.seconds):
                output = await _read(process.stdout)
                if len(output) >= _MOST_BYTES:
                    return output
                complaint, code = await complaining, await process.wait()
        except TimeoutError:
            raise UnavailableError(
                f"git took longer than {self.settings.seconds:g} seconds.",
                remedy="Ask for less, or the user raises PACKHORSE_GIT_HISTORY_SECONDS.",
            ) from None
        finally:
            complaining.cancel()
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if code != 0:
            raise _failure(complaint)
        return output


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    found = bytearray()
    while stream is not None and len(found) < _MOST_BYTES and (part := await stream.read(65_536)):
        found += part
    return bytes(found[:_MOST_BYTES])


def _failure(complaint: bytes) -> NotFoundError | UnavailableError:
    message = complaint.decode("utf-8", "replace").strip().splitlines()
    text = message[0][:200] if message else "no message"
    missing = ("bad object", "unable to read", "could not get object", "bad revision", "missing", "invalid object")
    if any(word in text.lower() for word in missing):
        return NotFoundError("That commit is not in this clone.", remedy="A shallow or partial clone lacks objects.")
    return UnavailableError(f"git failed: {text}")


@lru_cache(maxsize=1)
def program() -> str | None:
    """Return git's absolute path; a relative entry of PATH could be a repository's."""
    entries = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if Path(entry).is_absolute()]
    return shutil.which("git", path=os.pathsep.join(entries))


def _environment(empty: Path, objects: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(empty),
        "LC_ALL": "C",
        "GIT_DIR": str(empty),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "none",
    }
