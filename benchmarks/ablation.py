"""What each part of retrieval and ranking is worth: NDCG@10 without it, over the same candidates from the real index.

usage: python benchmarks/ablation.py --benchmark FOLDER --checkouts FOLDER

The folders are those of `retrieval.py`. Every query is retrieved once, through the real pipeline and database, and
ranked once for each line of the table. The index is made in a fresh data folder that is removed afterwards, or in that
of PACKHORSE_DATA_DIR or DATABASE_URL when one is set.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))
from retrieval import ndcg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from packhorse_search.retrieve import Retrieved
    from packhorse_search.weights import Weights

    Change = Callable[[Sequence[Retrieved]], Sequence[Retrieved]]

SIGNALS = (
    "lexical", "cosine", "definition", "symbol", "said", "verbatim", "path", "stem", "named_file", "name_meaning",
    "coherence", "coherence_floor",
)  # fmt: skip


def variants() -> dict[str, tuple[Weights, Change]]:
    """Return the lines of the table: the weights, and what is done to the candidates before they are ranked."""
    from packhorse_search.weights import DEFAULT

    def all_(found: Sequence[Retrieved]) -> Sequence[Retrieved]:
        return found

    def by_words(found: Sequence[Retrieved]) -> Sequence[Retrieved]:
        return [
            one._replace(candidates=[c._replace(meaning=0.0) for c in one.candidates if c.words > 0]) for one in found
        ]

    def by_meaning(found: Sequence[Retrieved]) -> Sequence[Retrieved]:
        return [
            one._replace(candidates=[c._replace(words=0.0) for c in one.candidates if c.meaning > 0]) for one in found
        ]

    plain = dict.fromkeys(DEFAULT.kinds, 1.0)
    numbers = {field.name for field in fields(DEFAULT) if field.type == "float"}
    kept = {"bm25_k1", "bm25_b", "related_form", "lexical", "cosine", "directory_share", "related_path"}
    raw = replace(DEFAULT, **dict.fromkeys(numbers - kept, 0.0), kinds=plain)
    raw = replace(raw, spread=1.0)
    return {
        "as shipped": (DEFAULT, all_),
        **{f"without {name}": (replace(DEFAULT, **{name: 0.0}), all_) for name in SIGNALS},
        "without kinds": (replace(DEFAULT, kinds=plain), all_),
        "without spread": (replace(DEFAULT, spread=1.0), all_),
        **{
            f"{name}, raw": (raw, change)
            for name, change in (("words", by_words), ("meaning", by_meaning), ("both", all_))
        },
        **{f"{name}, ranked": (DEFAULT, change) for name, change in (("words", by_words), ("meaning", by_meaning))},
    }


async def run(arguments: argparse.Namespace) -> None:
    """Index every repository, retrieve for every query, rank it in every way, and print the table."""
    from packhorse.plugins import PluginHost
    from packhorse.settings import load_settings
    from packhorse_indexing.service import Index
    from packhorse_search import query
    from packhorse_search.service import Request, Search

    host = PluginHost(load_settings())
    host.load()
    lines = variants()
    scores: dict[str, list[float]] = {name: [] for name in lines}
    async with host.running():
        index, search = host.services.find(Index), host.services.find(Search)
        if index is None or search is None:
            raise SystemExit("The plugins did not start; run `packhorse plugins`.")
        for entry in json.loads((arguments.benchmark / "repos.json").read_text()):
            name = entry["name"]
            repository = await index.ensure_indexed(str((arguments.checkouts / name).resolve()))
            own: dict[str, list[float]] = {line: [] for line in lines}
            for task in json.loads((arguments.benchmark / "annotations" / f"{name}.json").read_text()):
                asked = query.parse(task["query"])
                where = await search._scope(Request(task["query"], str(repository.id)))  # noqa: SLF001 - to vary the steps
                vectors, _ = await search._vectors(asked, where)  # noqa: SLF001
                retrieved = await search._retrieve(asked, where, vectors)  # noqa: SLF001
                for line, (weights, change) in lines.items():
                    search._weights = weights  # noqa: SLF001
                    found = change(retrieved)
                    candidates = [candidate for one in found for candidate in one.candidates]
                    ranked = search._rank(asked, where, found, candidates, {})  # noqa: SLF001
                    places = [
                        {"path": c.file.path, "start_line": c.start_line, "end_line": c.end_line}
                        for c in (one.candidate for one in ranked[:10])
                    ]
                    own[line].append(ndcg(places, task["relevant"] + task.get("secondary", [])))
            for line, values in own.items():
                scores[line].append(statistics.fmean(values))
            print(name, file=sys.stderr, flush=True)
    shipped = scores["as shipped"]
    for line, values in scores.items():
        worse = sum(value < before - 1e-9 for value, before in zip(values, shipped, strict=True))
        better = sum(value > before + 1e-9 for value, before in zip(values, shipped, strict=True))
        mean = statistics.fmean(values)
        print(f"| {line} | {mean:.4f} | {mean - statistics.fmean(shipped):+.4f} | {worse} / {better} |")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmark", type=Path, required=True, help="folder with repos.json and annotations/")
    parser.add_argument("--checkouts", type=Path, required=True, help="folder with one checkout for each repository")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="packhorse-bench-", ignore_cleanup_errors=True) as folder:
        if not os.environ.keys() & {"PACKHORSE_DATA_DIR", "DATABASE_URL", "PACKHORSE_DATABASE_URL"}:
            os.environ["PACKHORSE_DATA_DIR"] = folder
            os.environ["PACKHORSE_EMBEDDED_GRACE"] = "0"
        asyncio.run(run(arguments))


if __name__ == "__main__":
    main()
