"""Ranking: what each chunk and its file have to do with the query, summed, and the best of each file first.

The signals of a chunk (its words, its meaning, what it defines) and those of its file (its path, its other matching
chunks) are in 0..1; `weights` says what each is worth.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from packhorse_search.definitions import definition_strength
from packhorse_search.filenames import meaning, stem, words
from packhorse_search.kinds import FileKind, file_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packhorse_search.candidates import Candidate, ChunkKey, File, PathStatistics
    from packhorse_search.query import Query
    from packhorse_search.weights import Weights


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate in its place. `score` is in 0..1; `signals` are the weighed parts that it was summed from."""

    candidate: Candidate
    score: float
    kind: FileKind
    signals: Mapping[str, float]


def rank(
    query: Query,
    candidates: Sequence[Candidate],
    statistics: PathStatistics,
    weights: Weights,
    contributed: Mapping[ChunkKey, Mapping[str, float]] = MappingProxyType({}),
) -> list[Ranked]:
    """Order the candidates, best first; every candidate stays in the list.

    Args:
        query: what is asked.
        candidates: what may answer.
        statistics: how common the query's words are in paths.
        weights: what each signal is worth.
        contributed: further signals of some chunks, in -1..1, by name.
    """
    if not candidates:
        return []
    chunk_signals = [_chunk_signals(query, candidate, weights) for candidate in candidates]
    by_file: dict[File, list[int]] = defaultdict(list)
    for i, candidate in enumerate(candidates):
        by_file[candidate.file].append(i)
    path_scores = {file: path_score(query, file, statistics, weights) for file in by_file}
    best_path = max(path_scores.values()) or 1.0
    ranked = []
    for file, members in by_file.items():
        members.sort(key=lambda i: -sum(chunk_signals[i].values()))
        signals = {
            "path": weights.path * path_scores[file] / best_path,
            **_file_signals(query, file, weights),
            "file": weights.coherence * _coherence([sum(chunk_signals[i].values()) for i in members[1:]], weights),
        }
        kind = file_kind(file.path)
        factor = 1.0 if kind in query.wanted else weights.kinds[kind]
        for place, i in enumerate(members):
            share = factor * weights.spread**place
            parts = {name: value * share for name, value in (chunk_signals[i] | signals).items() if value > 0}
            others = contributed.get(candidates[i].key, {})
            parts |= {name: weights.contributed * value * share for name, value in others.items()}
            ranked.append((max(0.0, sum(parts.values())), candidates[i], kind, parts))
    ranked.sort(key=lambda entry: (-entry[0], entry[1].file.path, entry[1].start_line))
    most = _most(weights)
    return [Ranked(candidate, min(1.0, score / most), kind, parts) for score, candidate, kind, parts in ranked]


def path_score(query: Query, file: File, statistics: PathStatistics, weights: Weights) -> float:
    """Return how much of the query the path names: a sum over words, rare ones weighing more."""
    path, name = words(file.path), words(stem(file.path))
    total = 0.0
    for word, forms in query.forms.items():
        found = {word} & path or forms & path
        if not found:
            continue
        strength = 1.0 if word in found else weights.related_path
        if not found & name:
            strength *= weights.directory_share
        frequency = max(statistics.frequencies.get(lexeme, 1) for lexeme in found)
        total += strength * math.log1p((max(0, statistics.files - frequency) + 0.5) / (frequency + 0.5))
    return total


def _chunk_signals(query: Query, candidate: Candidate, weights: Weights) -> dict[str, float]:
    return {
        "words": weights.lexical * candidate.evidence.words,
        "meaning": weights.cosine * candidate.evidence.meaning,
        "definition": weights.definition * definition_strength(query.names, candidate),
        "symbol": weights.symbol * _symbol_match(query, candidate),
    }


def _symbol_match(query: Query, candidate: Candidate) -> float:
    """Return the share of the query's words in the best of the chunk's names, less where the name says more."""
    names = {definition.name for definition in candidate.definitions} | (
        {candidate.symbol} if candidate.symbol else set()
    )
    return max((_overlap(query, name) for name in names), default=0.0)


def _overlap(query: Query, name: str) -> float:
    parts = words(name)
    found = parts & query.vocabulary.keys()
    if not found:
        return 0.0
    asked = {query.vocabulary[part] for part in found}
    return len(asked) / len(query.words) * math.sqrt(len(found) / len(parts))


def _file_signals(query: Query, file: File, weights: Weights) -> dict[str, float]:
    name = stem(file.path)
    parts = words(name)
    covered = len(parts & query.vocabulary.keys()) / len(parts) if parts else 0.0
    named = any(_folded(name) == _folded(wanted) for wanted in query.names)
    return {
        "file name": weights.stem * covered + weights.named_file * named,
        "meaning of file name": weights.name_meaning * meaning(query.text, name),
    }


def _coherence(scores: Iterable[float], weights: Weights) -> float:
    """Sum what the scores of a file's other chunks have above the floor, best first, each worth less than the last."""
    return sum(
        max(0.0, score - weights.coherence_floor) * weights.coherence_decay ** (i + 1)
        for i, score in zip(range(weights.coherence_depth), scores, strict=False)
    )


def _most(weights: Weights) -> float:
    """Return the score of a chunk that matches in every way, in a file with a few others that do."""
    return (
        weights.lexical + weights.cosine + weights.definition + weights.symbol
        + weights.path + weights.stem + weights.named_file + weights.name_meaning + weights.coherence
    )  # fmt: skip


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
