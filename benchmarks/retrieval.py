"""Retrieval quality, tokens and latency through the real pipeline and database, on queries with known answers.

usage: python benchmarks/retrieval.py --benchmark FOLDER --checkouts FOLDER [--out FILE] [--without SIGNAL …]

`--benchmark` holds `repos.json` (a list of objects with `name`) and `annotations/NAME.json` (lists of
objects with `query`, `relevant`, `secondary` and `category`); `--checkouts` holds one folder for each name, with the
repository's files at the pinned revision. The index is made in a fresh data folder that is removed afterwards, or in
that of PACKHORSE_DATA_DIR or DATABASE_URL when one is set.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
import tokens

if TYPE_CHECKING:
    from packhorse_search.answer import SearchAnswer

LIMIT = 10
TOKENS = 2_000
"""How much of an answer's text counts for recall."""
PLACE = re.compile(r"(.+?):(\d+)(?: |$)")
"""A file that an answer only names, with its line and perhaps a symbol; paths may hold blanks."""


def ndcg(results: list[dict[str, Any]], targets: list[str | dict[str, Any]]) -> float:
    """Return binary NDCG@10: a target counts at the rank of the first result that lies in it."""
    gains = [0.0] * LIMIT
    for target in targets:
        rank = next((i for i, result in enumerate(results[:LIMIT]) if _hits(result, target)), None)
        if rank is not None:
            gains[rank] = 1.0
    ideal = sum(1 / math.log2(i + 2) for i in range(min(LIMIT, len(targets))))
    return sum(gain / math.log2(i + 2) for i, gain in enumerate(gains)) / ideal


def _hits(result: dict[str, Any], target: str | dict[str, Any]) -> bool:
    path = target if isinstance(target, str) else target["path"]
    found = result["path"]
    if not (found == path or found.endswith("/" + path) or path.endswith("/" + found)):
        return False
    if isinstance(target, str) or target.get("start_line") is None or target.get("end_line") is None:
        return True
    return bool(result["start_line"] <= int(target["end_line"]) and result["end_line"] >= int(target["start_line"]))


def recall(text: str, places: list[dict[str, Any]], targets: list[str | dict[str, Any]]) -> float:
    """Return the share of the targets that the beginning of an answer's text names."""
    beginning = tokens.first(text, TOKENS, tokens.ANSWER)
    seen = [place for place in places if f"{place['path']}:{place['line']}" in beginning]
    return sum(any(_hits(place, target) for place in seen) for target in targets) / len(targets)


def _places(answer: SearchAnswer) -> list[dict[str, Any]]:
    """Return every place that an answer names, with its whole lines."""
    found = []
    for result in answer.results:
        first, last = result.chunk_lines or (result.start_line, result.end_line)
        found.append({"path": result.file_path, "line": result.start_line, "start_line": first, "end_line": last})
    for place in answer.more:
        path, line = PLACE.findall(place)[0]
        found.append({"path": path, "line": int(line), "start_line": int(line), "end_line": int(line)})
    return found


async def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Index every repository, ask every query, and return one prediction for each."""
    from packhorse.plugins import PluginHost
    from packhorse.settings import load_settings
    from packhorse_indexing.service import Index
    from packhorse_search import present
    from packhorse_search.service import Request, Search
    from packhorse_search.weights import DEFAULT

    host = PluginHost(load_settings())
    host.load()
    predictions = []
    async with host.running():
        index = host.services.find(Index)
        given = host.services.find(Search)
        if index is None or given is None:
            raise SystemExit("The plugins did not start; run `packhorse plugins`.")
        search = Search(given._context, index, replace(DEFAULT, **dict.fromkeys(arguments.without, 0)))  # noqa: SLF001 - to vary the weights
        for entry in json.loads((arguments.benchmark / "repos.json").read_text()):
            name = entry["name"]
            root = (arguments.checkouts / name).resolve()
            started = time.perf_counter()
            result = await index.index(str(root))
            seconds = time.perf_counter() - started
            if result.status != "success":
                raise SystemExit(f"{root} could not be indexed: {result.status}. {' '.join(result.errors)}")
            tasks = json.loads((arguments.benchmark / "annotations" / f"{name}.json").read_text())
            scores = []
            for task in tasks:
                began = time.perf_counter()
                answer = await search.search(Request(task["query"], repository=str(result.repository_id), limit=LIMIT))
                milliseconds = (time.perf_counter() - began) * 1000
                targets = task["relevant"] + task.get("secondary", [])
                places, text = _places(answer), present.text(answer)
                row = {
                    "repo": name,
                    "query": task["query"],
                    "results": places[: len(answer.results)],
                    "ms": milliseconds,
                    "recall": recall(text, places, targets),
                    "targets": len(targets),
                    "tokens": tokens.count(text, tokens.ANSWER),
                    "text": text,
                }
                predictions.append(row)
                scores.append(ndcg(row["results"], targets))
            print(
                f"{name:22s} {statistics.fmean(scores):.3f}  {result.status}, {result.files_indexed} files in "
                f"{seconds:.2f} s",
                flush=True,
            )
    return predictions


def report(predictions: list[dict[str, Any]], benchmark: Path) -> None:
    """Print the score over all repositories and by category, the latencies and the conditions."""
    answers = {(row["repo"], row["query"]): row["results"] for row in predictions}
    by_repository: dict[str, float] = {}
    by_category: dict[str, list[float]] = {}
    for file in sorted((benchmark / "annotations").glob("*.json")):
        scores = []
        for task in json.loads(file.read_text()):
            score = ndcg(answers.get((file.stem, task["query"]), []), task["relevant"] + task.get("secondary", []))
            scores.append(score)
            by_category.setdefault(task.get("category", "?"), []).append(score)
        by_repository[file.stem] = statistics.fmean(scores)
    for category, scores in sorted(by_category.items()):
        print(f"  {category:20s} {statistics.fmean(scores):.3f}  ({len(scores)} queries)")
    found = sum(row["recall"] * row["targets"] for row in predictions) / sum(row["targets"] for row in predictions)
    sizes = sorted(row["tokens"] for row in predictions)
    print(f"  recall               {found:.4f} of the targets within {TOKENS} tokens of the answer's text")
    print(
        f"  tokens an answer     mean {statistics.fmean(sizes):.0f}  p95 {sizes[int(len(sizes) * 0.95)]}  "
        f"({tokens.method(tokens.ANSWER)})"
    )
    times = sorted(row["ms"] for row in predictions)
    print(f"  latency ms           p50 {times[len(times) // 2]:.1f}  p95 {times[int(len(times) * 0.95)]:.1f}")
    print(f"  conditions           Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.platform()}")
    print(f"NDCG@{LIMIT} {statistics.fmean(by_repository.values()):.4f} over {len(by_repository)} repositories")


def main() -> None:
    """Run the benchmark."""
    from packhorse_search.weights import Weights

    signals = [field.name for field in fields(Weights) if field.type == "float"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmark", type=Path, required=True, help="folder with repos.json and annotations/")
    parser.add_argument("--checkouts", type=Path, required=True, help="folder with one checkout for each repository")
    parser.add_argument("--out", type=Path, help="write the predictions here, one JSON object a line")
    parser.add_argument(
        "--without", nargs="*", default=[], choices=signals, metavar="SIGNAL", help="weights to set to 0"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="packhorse-bench-", ignore_cleanup_errors=True) as folder:
        if not os.environ.keys() & {"PACKHORSE_DATA_DIR", "DATABASE_URL", "PACKHORSE_DATABASE_URL"}:
            os.environ["PACKHORSE_DATA_DIR"] = folder
            os.environ["PACKHORSE_EMBEDDED_GRACE"] = "0"
        predictions = asyncio.run(run(arguments))
        if arguments.out:
            arguments.out.write_text("".join(json.dumps(row) + "\n" for row in predictions))
        report(predictions, arguments.benchmark)


if __name__ == "__main__":
    sys.exit(main())
