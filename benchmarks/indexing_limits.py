"""What the stages of indexing cannot beat here: bare reading, hashing, parsing, word splitting and COPY, on one core.

    python benchmarks/indexing_limits.py [--files 2000 --lines 200000]

Beside each, what our own stage makes of the same bytes, in MB of source for a second of CPU.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import tree_sitter
import tree_sitter_python
from corpus import make_corpus

from packhorse.database import connect, lease
from packhorse.settings import CoreSettings
from packhorse_indexing import chunking, lexemes
from packhorse_indexing.embedders.static import StaticEmbedder
from packhorse_indexing.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1000  # bytes in a row


def rate(name: str, size: int, action: Callable[[], object]) -> None:
    """Print how many MB a second of CPU deals with, and of wall time."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:34} {size / 1e6 / max(cpu, 1e-9):9.1f} MB/s of CPU {size / 1e6 / wall:9.1f} MB/s")


def copy(contents: list[bytes], data_dir: Path) -> None:
    """Measure COPY into a table without indexes."""
    core = CoreSettings(data_dir=data_dir, database_url=None, embedded_grace=0)
    rows = [text[i : i + _CHUNK] for text in contents for i in range(0, len(text), _CHUNK)]
    with lease(core) as address, connect(address) as connection:
        connection.execute("CREATE TEMPORARY TABLE raw (content bytea)")

        def load() -> None:
            with connection.cursor() as cursor, cursor.copy("COPY raw FROM STDIN (FORMAT binary)") as copying:
                for row in rows:
                    copying.write_row([row])

        rate("COPY, one column, no index", sum(map(len, rows)), load)


def main() -> None:
    """Make a corpus and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--lines", type=int, default=200_000)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="packhorse-limits-"))
    try:
        make_corpus(work / "corpus", options.files, options.lines)
        paths = [path for path in sorted((work / "corpus").rglob("*")) if path.is_file()]
        contents = [path.read_bytes() for path in paths]
        texts = [content.decode(errors="replace") for content in contents]
        languages = [chunking.detect(path.name, content[:4096]) for path, content in zip(paths, contents, strict=True)]
        size = sum(map(len, contents))
        print(f"{len(paths)} files, {size / 1e6:.1f} MB, load {os.getloadavg()[0]:.1f}")
        rate("read, from the page cache", size, lambda: [path.read_bytes() for path in paths])
        rate("SHA-256", size, lambda: [hashlib.sha256(content).digest() for content in contents])
        code = [text for text, language in zip(contents, languages, strict=True) if language == "python"]
        bare = tree_sitter.Parser(tree_sitter.Language(tree_sitter_python.language()))
        rate("parse Python, bare tree-sitter", sum(map(len, code)), lambda: [bare.parse(text) for text in code])
        rate("find words, bare regular expression", size, lambda: [re.findall(r"\w{2,}", text) for text in texts])
        copy(contents, work / "data")
        print("and ours:")
        pairs = list(zip(texts, languages, strict=True))
        rate("redact", size, lambda: [redact(text, language) for text, language in pairs])
        chunks: list[str] = []

        def chunk() -> None:
            for text, language in pairs:
                chunks.extend(one.content for one in chunking.chunk(text, language).chunks)

        rate("parse, cut and name", size, chunk)
        rate("count lexemes", size, lambda: [lexemes.counts(content) for content in chunks])
        embedder = StaticEmbedder()
        rate("embed", size, lambda: embedder.encode_documents(chunks))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
