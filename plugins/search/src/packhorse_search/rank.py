"""Ranking: what each chunk and its file have to do with the query, summed, and the best of each file first.

The signals of a chunk (its words, its meaning, what it defines) and those of its file (its path, its other matching
chunks) are in 0..1; `weights` says what each is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from packhorse_search.definitions import definition_strength
from packhorse_search.filenames import folded, meanings, parts, place_of, stem, words
from packhorse_search.kinds import FileKind, file_kind
from packhorse_search.likely import likely
from packhorse_search.query import STOP_WORDS
from packhorse_search.verbatim import shares as verbatim_shares

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from packhorse_search.candidates import Candidate, ChunkKey, PathStatistics
    from packhorse_search.filenames import Place
    from packhorse_search.fuse import Evidence
    from packhorse_search.query import Query
    from packhorse_search.weights import Weights


_TESTS = frozenset({"test", "tests"})
"""What a module of tests within a source file is called."""

_NOTHING: Mapping[Any, Any] = MappingProxyType({})

_NO_OVERLAP = (0.0, 0.0)

SIGNALS = (
    "words", "meaning", "definition", "symbol", "word for word", "path", "file name", "meaning of file name", "file",
)  # fmt: skip
"""The signals of a chunk, the first five, and of its file; what explanations call them."""


class Ranked(NamedTuple):
    """A candidate in its place. `score` is in 0..1, the sum of the signals as a share of the most that can be."""

    candidate: Candidate
    score: float
    kind: FileKind
    signals: dict[str, float]
    """The weighed parts that the score was summed from, by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking(Sequence[Ranked]):
    """Candidates, best first; what is known of one is put together when it is asked for.

    `order` holds the numbers of the candidates; the other fields are by these numbers, `file_signals` by those of the
    candidates' files. `shares` is what is left of the signals for the kind of file and the chunk's place in it.
    """

    candidates: Sequence[Candidate]
    order: Sequence[int]
    scores: NDArray[np.float64]
    kinds: Sequence[FileKind]
    files: NDArray[np.intp]
    shares: NDArray[np.float64]
    chunk_signals: NDArray[np.float64]
    file_signals: NDArray[np.float64]
    contributed: Mapping[int, Mapping[str, float]]

    @property
    def ordered(self) -> list[Candidate]:
        """The candidates alone, best first."""
        return [self.candidates[number] for number in self.order]

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, place: int) -> Ranked: ...
    @overload
    def __getitem__(self, place: slice) -> list[Ranked]: ...
    def __getitem__(self, place: int | slice) -> Ranked | list[Ranked]:
        if isinstance(place, slice):
            return [self._ranked(number) for number in self.order[place]]
        return self._ranked(self.order[place])

    def _ranked(self, number: int) -> Ranked:
        own = np.concatenate([self.chunk_signals[number], self.file_signals[self.files[number]]]) * self.shares[number]
        signals = {name: value for name, value in zip(SIGNALS, own.tolist(), strict=True) if value > 0}
        return Ranked(
            self.candidates[number],
            float(self.scores[number]),
            self.kinds[number],
            {**signals, **self.contributed.get(number, _NOTHING)},
        )


def rank(
    query: Query,
    candidates: Sequence[Candidate],
    evidence: Evidence,
    statistics: PathStatistics,
    weights: Weights,
    contributed: Mapping[ChunkKey, Mapping[str, float]] = _NOTHING,
) -> Ranking:
    """Order the candidates, best first; every candidate stays in the list.

    Args:
        query: what is asked.
        candidates: what may answer.
        evidence: what the retrievals say of each.
        statistics: how common the query's words are in paths.
        weights: what each signal is worth.
        contributed: further signals of some chunks, in -1..1, by name.
    """
    numbers: dict[tuple[str, int], int] = {}  # a UUID hashes slowly
    files = np.array(
        [numbers.setdefault((c.file.path, c.file.repository_id.int), len(numbers)) for c in candidates], np.intp
    )
    paths = [path for path, _ in numbers]
    chunk_signals = _chunk_signals(query, candidates, evidence, weights)
    path_signals = _path_signals(query, paths, statistics, weights)
    kinds = _kinds(candidates, files.tolist(), paths)
    factor_of = {kind: 1.0 if kind in query.wanted else weights.kinds[kind] for kind in FileKind}
    factors = np.array([factor_of[kind] for kind in kinds], np.float64)
    sums = chunk_signals.sum(axis=1)
    by_file = np.lexsort((-sums * factors, files))  # file by file, the best chunk of each first
    firsts = np.flatnonzero(np.diff(files[by_file], prepend=-1))
    places = np.empty(len(by_file), np.intp)
    places[by_file] = np.arange(len(by_file)) - np.repeat(firsts, np.diff(firsts, append=len(by_file)))
    file_signals = np.column_stack([path_signals, _coherence(sums[by_file], places[by_file], firsts, weights)])
    shares = factors * weights.spread**places
    scores = shares * (sums + file_signals.sum(axis=1)[files])
    others = _contributed(candidates, contributed, shares, weights)
    for number, signals in others.items():
        scores[number] += sum(signals.values())
    scores = np.minimum(1.0, np.maximum(0.0, scores) / _most(weights))
    lines = np.array([candidate.start_line for candidate in candidates], np.intp)
    order = np.lexsort((lines, _alphabetical(paths)[files], -scores)).tolist()
    return Ranking(candidates, order, scores, kinds, files, shares, chunk_signals, file_signals, others)


def _alphabetical(paths: Sequence[str]) -> NDArray[np.intp]:
    """Return the place of each path among the distinct ones, sorted."""
    places = {path: place for place, path in enumerate(sorted(set(paths)))}
    return np.array([places[path] for path in paths], np.intp)


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


def _kinds(candidates: Sequence[Candidate], files: Sequence[int], paths: Sequence[str]) -> list[FileKind]:
    """Return the kind of each chunk: its file's, but for the tests that some languages keep within their sources."""
    of_files = [file_kind(path) for path in paths]
    return [
        FileKind.TEST if (kind := of_files[n]) is FileKind.SOURCE and _is_test(candidate) else kind
        for candidate, n in zip(candidates, files, strict=True)
    ]


def _is_test(candidate: Candidate) -> bool:
    outermost = candidate.scope or (candidate.symbol if candidate.kind == "module" else None)
    return candidate.kind == "test" or (outermost is not None and outermost.partition(".")[0] in _TESTS)


def path_score(query: Query, place: Place, rarity: Mapping[str, float], weights: Weights) -> float:
    """Return how much of the query a path names: a sum over the query's words.

    Args:
        query: what is asked.
        place: the words of the path.
        rarity: what each word is worth in a path, rare ones more; `place` holds no other word of the query.
        weights: what a related form is worth, and a folder's name.
    """
    best: dict[str, float] = {}
    for found in place.words & query.vocabulary.keys():
        word = query.vocabulary[found]
        strength = (1.0 if found == word else weights.related_path) * rarity[found]
        strength *= 1.0 if found in place.stem_words else weights.directory_share
        best[word] = max(best.get(word, 0.0), strength)
    return sum(best.values())


def rarities(query: Query, statistics: PathStatistics) -> dict[str, float]:
    """Return what each word of the vocabulary is worth in a path: BM25's inverse document frequency."""
    files, frequencies = statistics.files, statistics.frequencies
    return {
        word: math.log1p((max(0, files - frequency) + 0.5) / (frequency + 0.5))
        for word in query.vocabulary
        for frequency in (frequencies.get(word, 1),)
    }


def _chunk_signals(
    query: Query, candidates: Sequence[Candidate], evidence: Evidence, weights: Weights
) -> NDArray[np.float64]:
    """Return what speaks for each chunk itself, shape (candidates, 5).

    Of many definitions a few have to do with the query: these are found first, all at once.
    """
    defined = {name for candidate in candidates for name, _ in candidate.definitions}
    overlaps = _overlaps(query, list(defined.union([candidate.symbol for candidate in candidates if candidate.symbol])))
    folded_names = [name.lower() for name in query.names]
    named = {name for name in defined for asked in folded_names if asked in name.lower()}
    owner = query.owner
    found = np.zeros((len(candidates), 5))
    found[:, 0] = weights.lexical * evidence.words
    found[:, 1] = weights.cosine * evidence.meaning
    for i, candidate in enumerate(candidates):
        match, said = overlaps.get(candidate.symbol, _NO_OVERLAP) if candidate.symbol else _NO_OVERLAP
        strong = candidate.content != ""
        for name, _ in candidate.definitions:
            if overlap := overlaps.get(name):
                match, said = max(match, overlap[0]), max(said, overlap[1])
            strong = strong or name in named
        if strong and query.names:
            found[i, 2] = weights.definition * definition_strength(query.names, candidate, owner)
        if match:
            found[i, 3] = weights.symbol * match + weights.said * said
    if query.may_be_pasted:
        read = [i for i, candidate in enumerate(candidates) if candidate.content]
        found[read, 4] = weights.verbatim * np.array(verbatim_shares(query.text, [candidates[i].content for i in read]))
    return found


def _path_signals(
    query: Query, paths: Sequence[str], statistics: PathStatistics, weights: Weights
) -> NDArray[np.float64]:
    """Return what the path of each file says, shape (paths, 3): its words, its name's, and its name's meaning."""
    places = {i: place_of(paths[i]) for i in likely(query.probes, paths)}
    rarity = rarities(query, statistics)
    scores = {i: path_score(query, place, rarity, weights) for i, place in places.items()}
    best = max(scores.values(), default=0.0) or 1.0
    stems = [stem(path) for path in paths]
    found = np.zeros((len(paths), 3))
    found[:, 2] = weights.name_meaning * meanings(query.text, stems)
    for i, place in places.items():
        found[i, 0] = weights.path * scores[i] / best
        found[i, 1] = weights.stem * _covered(query, place.stem_words)
    if named := {folded(name) for name in query.names}:
        found[[i for i, name in enumerate(stems) if folded(name) in named], 1] += weights.named_file
    return found


def _overlaps(query: Query, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return, for each name with words of the query, the share of the query's in it and of its own in the query.

    The second is squared, for half a name is another thing's, and is 0 for names of one word and in queries for a name.
    """
    overlaps = {}
    in_words = query.kind in {"sentence", "error"}
    for i in likely(query.probes, names):
        name = names[i]
        own = words(name)
        found = [part for part in own if part in query.vocabulary]
        if found:
            asked = {query.vocabulary[part] for part in found}
            match = len(asked) / len(query.words) * math.sqrt(len(found) / len(own))
            telling = parts(name) - STOP_WORDS if in_words else frozenset()
            said = _covered(query, telling) ** 2 if len(telling) > 1 else 0.0
            overlaps[name] = match, said
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
