"""The strongest peer beside us: the same queries, the same vectors, in one run on one machine.

usage: python benchmarks/peer.py --peer PYTHON --benchmark FOLDER --checkouts FOLDER [--repositories NAME …]

PYTHON is the interpreter of a virtual environment into which `pip install semble` was run. semble takes a folder in
Model2Vec's format as its model; our table is written in that format, as near as it allows:

- A word is looked up in the three ways that the table lets it be written, so case and camel case are the same. An
  unknown word is cut into its longest known prefixes of two letters or more, ours of three or more.
- A text is the mean over its words, each as often as it occurs, where our documents take 1 + ln(count), and a word has
  one weight for documents and queries, where ours has another for queries. Both are tried: no weights, query weights.

Index times are those of the whole benchmark's files, from nothing, in semble's process and in our server with its
database; latencies are those of one query inside the process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
TABLE = Path(__file__).parents[1] / "plugins/indexing/src/packhorse_indexing/data/static_code_256.npz"
WORD = "[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+"


def convert(folder: Path, *, weighed: bool) -> None:
    """Write the table in Model2Vec's format; for the peer's interpreter, which has the libraries."""
    import numpy as np
    from safetensors.numpy import save_file
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    table = np.load(TABLE, allow_pickle=False)
    rows = table["q8"].astype(np.float32) * table["scale"].astype(np.float32)[:, None]
    weights = np.exp(table["wq"].astype(np.float32)) if weighed else np.ones(len(rows), np.float32)
    silent = len(rows)  # a row of zeros, for what the table has no word for
    vocabulary, mapping = {"[UNK]": 0}, [silent]
    for row, word in enumerate(bytes(table["vocab"]).decode().split("\n")):
        for form in dict.fromkeys((word, word.capitalize(), word.upper())):
            vocabulary[form] = len(mapping)
            mapping.append(row)
    for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789":
        if letter not in vocabulary:
            vocabulary[letter] = len(mapping)
            mapping.append(silent)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix=""))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    tensors = {
        "embeddings": np.vstack([rows, np.zeros((1, rows.shape[1]), np.float32)]),
        "weights": np.append(weights, 0).astype(np.float32)[np.array(mapping)],
        "mapping": np.array(mapping, np.int64),
    }
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"normalize": True, "model_type": "model2vec"}))


def ask_peer(arguments: argparse.Namespace) -> None:
    """Index and ask with semble, in the peer's interpreter; a line of JSON for each repository."""
    from semble import SembleIndex

    model = Path(tempfile.mkdtemp(dir=os.environ["XDG_CACHE_HOME"])) / "model"
    convert(model, weighed=arguments.weighed)
    for name in repositories(arguments):
        started = time.perf_counter()
        index = SembleIndex.from_path(arguments.checkouts / name, model_path=str(model))
        seconds = time.perf_counter() - started
        rows = []
        for task in tasks(arguments, name):
            began = time.perf_counter()
            found = [one.chunk for one in index.search(task["query"], top_k=10)]
            places = [{"path": c.file_path, "start_line": c.start_line, "end_line": c.end_line} for c in found]
            rows.append({"query": task["query"], "results": places, "ms": (time.perf_counter() - began) * 1000})
        print(json.dumps({"repository": name, "seconds": seconds, "rows": rows}), flush=True)


async def ask_us(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Index and ask with ours; one entry for each repository."""
    from packhorse.plugins import PluginHost
    from packhorse.settings import load_settings
    from packhorse_indexing.service import Index
    from packhorse_search.service import Request, Search

    host = PluginHost(load_settings())
    host.load()
    found = []
    async with host.running():
        index, search = host.services.find(Index), host.services.find(Search)
        if index is None or search is None:
            raise SystemExit("The plugins did not start; run `packhorse plugins`.")
        for name in repositories(arguments):
            started = time.perf_counter()
            result = await index.index(str(await asyncio.to_thread((arguments.checkouts / name).resolve)))
            seconds = time.perf_counter() - started
            rows = []
            for task in tasks(arguments, name):
                answer = await search.search(Request(task["query"], str(result.repository_id)))
                places = [
                    {"path": one.file_path, "start_line": one.start_line, "end_line": one.end_line}
                    for one in answer.results
                ]
                rows.append({"query": task["query"], "results": places, "ms": answer.latency_ms})
            found.append({"repository": name, "seconds": seconds, "rows": rows})
    return found


def repositories(arguments: argparse.Namespace) -> list[str]:
    """Return the names of the benchmark's repositories, or those asked for."""
    return arguments.repositories or [
        entry["name"] for entry in json.loads((arguments.benchmark / "repos.json").read_text())
    ]


def tasks(arguments: argparse.Namespace, name: str) -> list[dict[str, Any]]:
    """Return the queries of a repository."""
    found: list[dict[str, Any]] = json.loads((arguments.benchmark / "annotations" / f"{name}.json").read_text())
    return found


def report(arguments: argparse.Namespace, name: str, found: list[dict[str, Any]]) -> None:
    """Print a row of the table."""
    from retrieval import ndcg

    scores, times = [], []
    for entry in found:
        targets = {
            task["query"]: task["relevant"] + task.get("secondary", [])
            for task in tasks(arguments, entry["repository"])
        }
        scores.append(statistics.fmean(ndcg(row["results"], targets[row["query"]]) for row in entry["rows"]))
        times += [row["ms"] for row in entry["rows"]]
    times.sort()
    seconds = sum(entry["seconds"] for entry in found)
    print(
        f"| {name} | {statistics.fmean(scores):.4f} | {seconds:.1f} | {times[len(times) // 2]:.1f} | "
        f"{times[int(len(times) * 0.95)]:.1f} |",
        flush=True,
    )


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="the interpreter that has semble")
    parser.add_argument("--benchmark", type=Path, required=True, help="folder with repos.json and annotations/")
    parser.add_argument("--checkouts", type=Path, required=True, help="folder with one checkout for each repository")
    parser.add_argument("--repositories", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--weighed", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer is None:
        ask_peer(arguments)
        return
    with tempfile.TemporaryDirectory(prefix="packhorse-peer-", ignore_cleanup_errors=True) as folder:
        print("| | NDCG@10 | index s | query p50 ms | p95 ms |\n|---|---|---|---|---|", flush=True)
        given = [argument for argument in sys.argv[1:] if argument not in ("--peer", arguments.peer)]
        for name, weighed in (("semble, our table", []), ("semble, our table and query weights", ["--weighed"])):
            cache = Path(folder) / f"cache{len(weighed)}"
            cache.mkdir()
            environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
            command = [arguments.peer, __file__, *given, *weighed]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
            report(arguments, name, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")])
        os.environ["PACKHORSE_DATA_DIR"] = str(Path(folder) / "data")
        os.environ["PACKHORSE_EMBEDDED_GRACE"] = "0"
        report(arguments, "Packhorse", asyncio.run(ask_us(arguments)))


if __name__ == "__main__":
    main()
