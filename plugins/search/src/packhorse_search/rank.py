"""Ranking: what each chunk and its file have to do with the query, summed, and the best of each file first.

The signals of a chunk (its words, its meaning, what it defines) and those of its file (its path, its other matching
chunks) are in 0..1; `weights` says what each is worth.
"""

from __future__ import annotations

import math
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from packhorse_search.definitions import definition_strength
from packhorse_search.filenames import folded, meanings, place_of, words
from packhorse_search.kinds import FileKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

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
    overlaps = _overlaps(query, _names(candidates))
    chunk_signals = [_chunk_signals(query.names, candidate, overlaps, weights) for candidate in candidates]
    sums = [sum(signals) for signals in chunk_signals]
    by_file: dict[tuple[str, int], list[int]] = {}
    for i, candidate in enumerate(candidates):
        by_file.setdefault((candidate.file.path, candidate.file.repository_id.int), []).append(i)
    places = {path: place_of(path) for path, _ in by_file}
    path_scores = {path: path_score(query, place, statistics, weights) for path, place in places.items()}
    best_path = max(path_scores.values()) or 1.0
    near = meanings(query.text, [place.stem for place in places.values()])
    meaning = dict(zip(places, near, strict=True))
    kinds = [_kind(candidate, places[candidate.file.path].kind) for candidate in candidates]
    factors = [1.0 if kind in query.wanted else weights.kinds[kind] for kind in kinds]
    named = {folded(name) for name in query.names}
    ranked = []
    for (path, _), members in by_file.items():
        place = places[path]
        if len(members) > 1:
            members.sort(key=lambda i: -sums[i] * factors[i])
        file_signals = (
            weights.path * path_scores[path] / best_path,
            _name_signal(query, named, place, weights),
            weights.name_meaning * meaning[path],
            weights.coherence * _coherence([sums[i] for i in members[1:]], weights) if len(members) > 1 else 0.0,
        )
        file_sum = sum(file_signals)
        spread = 1.0
        for i in members:
            share = spread * factors[i]
            score = share * (sums[i] + file_sum)
            others = contributed.get(candidates[i].key, _NOTHING) if contributed else _NOTHING
            if others:
                others = {name: weights.contributed * value * share for name, value in others.items()}
                score += sum(others.values())
            ranked.append((-max(0.0, score), path, candidates[i].start_line, i, share, file_signals, others))
            spread *= weights.spread
    ranked.sort(key=itemgetter(0, 1, 2))
    most = _most(weights)
    return [
        Ranked(
            candidates[i],
            min(1.0, -negative / most),
            kinds[i],
            share,
            chunk_signals[i],
            file_signals,
            others,
        )
        for negative, _, _, i, share, file_signals, others in ranked
    ]


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
    names: tuple[str, ...], candidate: Candidate, overlaps: Mapping[str, float], weights: Weights
) -> tuple[float, float, float, float]:
    return (
        weights.lexical * candidate.evidence.words,
        weights.cosine * candidate.evidence.meaning,
        weights.definition * definition_strength(names, candidate) if names else 0.0,
        weights.symbol * _symbol_match(candidate, overlaps) if overlaps else 0.0,
    )


def _symbol_match(candidate: Candidate, overlaps: Mapping[str, float]) -> float:
    """Return the share of the query's words in the best of the chunk's names, less where the name says more."""
    best = overlaps.get(candidate.symbol, 0.0) if candidate.symbol else 0.0
    for definition in candidate.definitions:
        overlap = overlaps.get(definition.name, 0.0)
        if overlap > best:  # noqa: PLR1730 - a call of max for each of a thousand names would be felt
            best = overlap
    return best


def _names(candidates: Sequence[Candidate]) -> set[str]:
    names = {candidate.symbol for candidate in candidates if candidate.symbol}
    names.update(definition.name for candidate in candidates for definition in candidate.definitions)
    return names


def _overlaps(query: Query, names: Collection[str]) -> dict[str, float]:
    """Return the share of the query's words in each name that has any.

    Hundreds of names have none of them, which is seen without cutting each into its words.
    """
    lowered = [(name.lower(), name) for name in names]
    together = "\n".join(names).lower()
    likely = {name for name in names if not name.isascii()}
    present = [word for word in query.vocabulary if word in together]
    for word in present:
        if not any(other in word for other in present if other is not word):
            likely.update([name for low, name in lowered if word in low])
    overlaps = {}
    for name in likely:
        parts = words(name)
        found = [part for part in parts if part in query.vocabulary]
        if found:
            asked = {query.vocabulary[part] for part in found}
            overlaps[name] = len(asked) / len(query.words) * math.sqrt(len(found) / len(parts))
    return overlaps


def _name_signal(query: Query, named: Collection[str], place: Place, weights: Weights) -> float:
    parts = place.stem_words
    covered = len(parts & query.vocabulary.keys()) / len(parts) if parts else 0.0
    return weights.stem * covered + weights.named_file * (place.folded in named)


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
