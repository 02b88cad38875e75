"""Ranking: what each chunk and its file have to do with the query, summed, and the best of each file first.

The signals of a chunk (its words, its meaning, what it defines) and those of its file (its path, its other matching
chunks) are in 0..1; `weights` says what each is worth.
"""

from __future__ import annotations

import math
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from packhorse_search.definitions import definition_strength
from packhorse_search.filenames import folded, meanings, place_of, stem, words
from packhorse_search.kinds import FileKind, file_kind
from packhorse_search.likely import likely

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from packhorse_search.candidates import Candidate, ChunkKey, PathStatistics
    from packhorse_search.filenames import Place
    from packhorse_search.query import Query
    from packhorse_search.weights import Weights


_TESTS = frozenset({"test", "tests"})
"""What a module of tests within a source file is called."""

_NOTHING: Mapping[Any, Any] = MappingProxyType({})

SIGNALS = ("words", "meaning", "definition", "symbol", "path", "file name", "meaning of file name", "file")
"""The signals of a chunk, the first four, and of its file; what explanations call them."""


class Ranked(NamedTuple):
    """A candidate in its place. `score` is in 0..1, the sum of the signals as a share of the most that can be."""

    candidate: Candidate
    score: float
    kind: FileKind
    share: float
    """What is left of the signals for the kind of file and the chunk's place in it."""
    chunk_signals: tuple[float, ...]
    file_signals: tuple[float, ...]
    contributed: Mapping[str, float]

    @property
    def signals(self) -> dict[str, float]:
        """The weighed parts that the score was summed from, by name."""
        values = zip(SIGNALS, self.chunk_signals + self.file_signals, strict=True)
        own = {name: value * self.share for name, value in values if value > 0}
        return {**own, **self.contributed}


def rank(
    query: Query,
    candidates: Sequence[Candidate],
    statistics: PathStatistics,
    weights: Weights,
    contributed: Mapping[ChunkKey, Mapping[str, float]] = _NOTHING,
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
    chunk_signals = _chunk_signals(query, candidates, weights)
    sums = np.fromiter(map(sum, chunk_signals), np.float64, len(candidates))
    numbers: dict[tuple[str, int], int] = {}
    file_of = np.array([numbers.setdefault((c.file.path, c.file.repository_id.int), len(numbers)) for c in candidates])
    paths = [path for path, _ in numbers]
    kinds_of_files, path_signals = _path_signals(query, paths, statistics, weights)
    kinds = [_kind(candidate, kinds_of_files[n]) for candidate, n in zip(candidates, file_of.tolist(), strict=True)]
    factor_of = {kind: 1.0 if kind in query.wanted else weights.kinds[kind] for kind in FileKind}
    factors = np.array([factor_of[kind] for kind in kinds])
    order = np.lexsort((-sums * factors, file_of))  # file by file, the best chunk of each first
    firsts = np.flatnonzero(np.diff(file_of[order], prepend=-1))
    places = np.empty(len(order), np.intp)
    places[order] = np.arange(len(order)) - np.repeat(firsts, np.diff(firsts, append=len(order)))
    file_signals = np.column_stack([path_signals, _coherence(sums[order], places[order], firsts, weights)])
    shares = factors * weights.spread**places
    scores = shares * (sums + file_signals.sum(axis=1)[file_of])
    others = _contributed(candidates, contributed, shares, weights)
    for i, signals in others.items():
        scores[i] += sum(signals.values())
    scores = np.minimum(1.0, np.maximum(0.0, scores) / _most(weights))
    own = [tuple(row) for row in file_signals.tolist()]
    ranked = [
        (
            -score,
            paths[n],
            candidate.start_line,
            candidate,
            score,
            kind,
            share,
            signals,
            own[n],
            others.get(i, _NOTHING),
        )
        for i, (score, n, candidate, kind, share, signals) in enumerate(
            zip(scores.tolist(), file_of.tolist(), candidates, kinds, shares.tolist(), chunk_signals, strict=True)
        )
    ]
    ranked.sort(key=itemgetter(0, 1, 2))
    return [Ranked(*entry[3:]) for entry in ranked]


def _coherence(
    sums: NDArray[np.float64], places: NDArray[np.intp], firsts: NDArray[np.intp], weights: Weights
) -> NDArray[np.float64]:
    """Sum what each file's other chunks score above the floor, best first, each worth less than the last.

    Args:
        sums: of the signals of each chunk, file by file, the best of each first.
        places: of each chunk within its file, from 0.
        firsts: where each file begins.
        weights: what it is worth.
    """
    above = np.maximum(0.0, sums - weights.coherence_floor) * weights.coherence_decay**places
    above[(places == 0) | (places > weights.coherence_depth)] = 0.0
    found: NDArray[np.float64] = weights.coherence * np.add.reduceat(above, firsts)
    return found


def _contributed(
    candidates: Sequence[Candidate],
    contributed: Mapping[ChunkKey, Mapping[str, float]],
    shares: NDArray[np.float64],
    weights: Weights,
) -> dict[int, dict[str, float]]:
    """Return what other plugins' signals are worth, by the candidate's number."""
    return {
        i: {name: weights.contributed * value * float(shares[i]) for name, value in signals.items()}
        for i, candidate in (enumerate(candidates) if contributed else ())
        if (signals := contributed.get(candidate.key))
    }


def _kind(candidate: Candidate, kind: FileKind) -> FileKind:
    """Return the kind of a chunk: its file's, but for the tests that some languages keep within their sources."""
    if kind is not FileKind.SOURCE:
        return kind
    outermost = candidate.scope or (candidate.symbol if candidate.kind == "module" else None) or ""
    return FileKind.TEST if candidate.kind == "test" or outermost.partition(".")[0] in _TESTS else kind


def path_score(query: Query, place: Place, statistics: PathStatistics, weights: Weights) -> float:
    """Return how much of the query a path names: a sum over words, rare ones weighing more."""
    if place.words.isdisjoint(query.vocabulary):
        return 0.0
    total = 0.0
    for word, forms in query.forms.items():
        if word in place.words:
            found, strength = frozenset((word,)), 1.0
        elif found := forms & place.words:
            strength = weights.related_path
        else:
            continue
        if found.isdisjoint(place.stem_words):
            strength *= weights.directory_share
        frequency = max(statistics.frequencies.get(lexeme, 1) for lexeme in found)
        total += strength * math.log1p((max(0, statistics.files - frequency) + 0.5) / (frequency + 0.5))
    return total


def _chunk_signals(
    query: Query, candidates: Sequence[Candidate], weights: Weights
) -> list[tuple[float, float, float, float]]:
    """Return what speaks for each chunk itself.

    Of a thousand definitions a few have to do with the query: these are found first, all at once.
    """
    defined = {definition.name for candidate in candidates for definition in candidate.definitions}
    overlaps = _overlaps(query, list(defined.union([candidate.symbol for candidate in candidates if candidate.symbol])))
    folded_names = [name.lower() for name in query.names]
    named = {name for name in defined for asked in folded_names if asked in name.lower()}
    found = []
    for candidate in candidates:
        evidence = candidate.evidence
        definition = 0.0
        match = overlaps.get(candidate.symbol, 0.0) if candidate.symbol else 0.0
        strong = candidate.content != ""
        for name, _ in candidate.definitions:
            overlap = overlaps.get(name, 0.0)
            if overlap > match:  # noqa: PLR1730 - a call of max for each of a thousand names would be felt
                match = overlap
            strong = strong or name in named
        if strong and query.names:
            definition = weights.definition * definition_strength(query.names, candidate)
        found.append(
            (weights.lexical * evidence.words, weights.cosine * evidence.meaning, definition, weights.symbol * match)
        )
    return found


def _path_signals(
    query: Query, paths: Sequence[str], statistics: PathStatistics, weights: Weights
) -> tuple[list[FileKind], list[tuple[float, float, float]]]:
    """Return the kind of each file, and what its path says: its words, its name's, and the meaning of its name."""
    places = {paths[i]: place_of(paths[i]) for i in likely(query.probes, paths)}
    scores = {path: path_score(query, place, statistics, weights) for path, place in places.items()}
    best = max(scores.values(), default=0.0) or 1.0
    named = {folded(name) for name in query.names}
    stems = [stem(path) for path in paths]
    found = []
    for path, name, meaning in zip(paths, stems, meanings(query.text, stems), strict=True):
        words = own = 0.0
        if path in places:
            words = weights.path * scores[path] / best
            own = weights.stem * _covered(query, places[path].stem_words)
        if named and folded(name) in named:
            own += weights.named_file
        found.append((words, own, weights.name_meaning * meaning))
    return [file_kind(path) for path in paths], found


def _overlaps(query: Query, names: Sequence[str]) -> dict[str, float]:
    """Return the share of the query's words in each name that has any."""
    overlaps = {}
    for i in likely(query.probes, names):
        name = names[i]
        parts = words(name)
        found = [part for part in parts if part in query.vocabulary]
        if found:
            asked = {query.vocabulary[part] for part in found}
            overlaps[name] = len(asked) / len(query.words) * math.sqrt(len(found) / len(parts))
    return overlaps


def _covered(query: Query, parts: Collection[str]) -> float:
    """Return the share of a name's words that the query names."""
    return sum(part in query.vocabulary for part in parts) / len(parts) if parts else 0.0


def _most(weights: Weights) -> float:
    """Return the score of a chunk that matches in every way, in a file with a few others that do."""
    return (
        weights.lexical + weights.cosine + weights.definition + weights.symbol
        + weights.path + weights.stem + weights.named_file + weights.name_meaning + weights.coherence
    )  # fmt: skip
