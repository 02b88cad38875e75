"""The helpers of a worker: processes that prepare files beside it when there are many.

A helper, `python -m packhorse_indexing.crew`, reads its settings and then lists of sources from its standard input and
writes what it made of each list to its standard output, both pickled: it is the worker's own child and neither speaks
with anybody else. It ends when its input does. When a helper dies, so does its worker, as if it had parsed the file
itself.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np

from packhorse_indexing import bounds
from packhorse_indexing.chunking import OUTPUT
from packhorse_indexing.prepare import Prepared, Source, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    Encode = Callable[[Sequence[str]], NDArray[np.float32]]
    """An embedder that answers at once: texts to vectors of unit length, shape (n, dimensions)."""

    Part = tuple[list[Prepared], NDArray[np.float16]]
    """Prepared files, and the vectors of their chunks as precise as they are stored."""

MAX_HELPERS = 3
MIN_FILES = 400
"""Files that make helpers worth their start, which costs half a second of a core."""

HELPER_DIED = 3
"""The exit status of a worker whose helper died."""


class Crew:
    """A worker and its helpers; without any it does everything itself."""

    def __init__(self, encode: Encode | None, helpers: Sequence[subprocess.Popen[bytes]] = ()) -> None:
        """Prepare with these helpers, and embed too when `encode` is given."""
        self._encode = encode
        self._helpers = helpers

    @staticmethod
    def hire(encode: Encode | None, order: dict[str, Any]) -> Crew:
        """Start the helpers that this machine has cores for; `order` is the worker's own, with its settings."""
        number = min(len(os.sched_getaffinity(0)) - 1, MAX_HELPERS)
        helpers = [
            subprocess.Popen(
                [sys.executable, "-P", "-m", "packhorse_indexing.crew"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(number)
        ]
        crew = Crew(encode, helpers)
        for helper in helpers:
            crew._send(helper, {**order, "embed": encode is not None})
        return crew

    def dismiss(self) -> None:
        """Let the helpers go."""
        for helper in self._helpers:
            helper.kill()  # it holds nothing that is not here too
            helper.communicate()

    def prepare(self, sources: list[Source], *, alone: bool = False) -> Part:
        """Prepare files, and return them in order with the vectors of all their chunks, shape (chunks, dimensions).

        Without an embedder there are no vectors. `alone`: in this process.
        """
        helpers = [] if alone else list(self._helpers)
        step = len(helpers) + 1
        for number, helper in enumerate(helpers, 1):
            self._send(helper, sources[number::step])
        parts = [work(sources[::step], self._encode), *map(self._receive, helpers)]
        if step == 1:
            return parts[0]
        prepared = [parts[number % step][0][number // step] for number in range(len(sources))]
        return prepared, _woven(parts, prepared, step)

    def _send(self, helper: subprocess.Popen[bytes], message: object) -> None:
        try:
            stdin = cast("BinaryIO", helper.stdin)
            pickle.dump(message, stdin, protocol=pickle.HIGHEST_PROTOCOL)
            stdin.flush()
        except OSError:
            self._die()

    def _receive(self, helper: subprocess.Popen[bytes]) -> Part:
        try:
            part: Part = pickle.load(cast("BinaryIO", helper.stdout))  # noqa: S301 - our own child made it
        except (EOFError, OSError, pickle.UnpicklingError):
            self._die()
        return part

    def _die(self) -> NoReturn:
        """End at once, leaving the files at work under suspicion; the next worker takes them one at a time."""
        os._exit(HELPER_DIED)


def _woven(parts: list[Part], prepared: list[Prepared], step: int) -> NDArray[np.float16]:
    """Return the vectors of several parts in the order of their files."""
    places = [0] * step
    rows = []
    for number, one in enumerate(prepared):
        start = places[number % step]
        places[number % step] = start + len(one.chunks)
        vectors = parts[number % step][1][start : start + len(one.chunks)]
        if len(vectors):
            rows.append(vectors)
    return np.concatenate(rows) if rows else np.zeros((0, 0), dtype=np.float16)


def work(sources: list[Source], encode: Encode | None) -> Part:
    """Prepare files in this process."""
    with bounds.group():
        prepared = [prepare(source) for source in sources]
    texts = ["" if chunk.kind == OUTPUT else chunk.content for one in prepared for chunk in one.chunks]
    if encode is None or not texts:
        return prepared, np.zeros((0, 0), dtype=np.float16)
    return prepared, encode(texts).astype(np.float16)


def main() -> None:
    """Help a worker until it has no more to do."""
    from packhorse.settings import CoreSettings
    from packhorse_indexing.extensions import embedder_factory
    from packhorse_indexing.settings import IndexingSettings

    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    source: BinaryIO = sys.stdin.buffer
    bounds.install()
    with suppress(EOFError, BrokenPipeError):
        order = pickle.load(source)  # noqa: S301 - our own worker sent it
        settings = IndexingSettings(**order["settings"])
        make = embedder_factory(CoreSettings(**order["core"]), settings, with_plugins=order["with_plugins"])
        encode = getattr(make(settings), "encode_documents", None) if order["embed"] else None
        while True:
            pickle.dump(work(pickle.load(source), encode), answers, protocol=pickle.HIGHEST_PROTOCOL)  # noqa: S301
            answers.flush()


if __name__ == "__main__":
    main()
