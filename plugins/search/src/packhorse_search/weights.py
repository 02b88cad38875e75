"""Every number that ranking depends on, in one place, with the measurement that set it.

A figure such as -0.014 is what NDCG@10 lost without the signal when it was weighed, on 460 queries over 23 repositories
in 17 languages (`docs/retrieval.md` has today's; 0.886 with all of them). The optimum is flat: 44 neighbouring sets of
weights scored 0.873 on average, and choosing among them on half of the repositories gained 0.001 on the other half. Do
not tune further digits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from packhorse_search.kinds import FileKind


def _kind_factors() -> dict[FileKind, float]:
    return {
        FileKind.SOURCE: 1.0,
        FileKind.TEST: 0.5,
        FileKind.EXAMPLE: 0.7,
        FileKind.VENDORED: 0.6,
        FileKind.GENERATED: 0.5,
        FileKind.LEGACY: 0.8,
        FileKind.REEXPORT: 0.9,
        FileKind.DOCUMENTATION: 0.45,
        FileKind.CONFIGURATION: 0.6,
    }


@dataclass(frozen=True)
class Weights:
    """The weights of retrieval and ranking. Signals are in 0..1 before they are weighed."""

    bm25_k1: float = 1.2
    bm25_b: float = 0.75
    related_form: float = 0.35
    """A related form ("parsing" for "parse") against the word itself; -0.004."""
    candidates: int = 70
    """Chunks that each retrieval contributes; 120 gain nothing here, 0.006 where 22 other repositories are searched as
    well, and take a tenth longer."""
    likeliest: int = 60
    """Chunks, best by words and meaning, that are ranked whatever their path; ranking all loses 0.002 and takes a
    twentieth longer."""
    postings: int = 65_536
    """Postings that a search of a whole pool scores; of 118,681 chunks one question in eight has more."""
    definitions_read: int = 30
    """Chunks, best by words and meaning, whose definitions are read; those of all gain 0.001 and cost a fifth more."""
    path_candidates: int = 20
    """Files that are considered for their path alone."""
    texts_read: int = 20
    """Chunks, best by words, whose text is read for what it defines, and for the query word for word; with none
    NDCG@10 falls by 0.004."""

    lexical: float = 0.5
    """The chunk's words; -0.026, and as much when they do not retrieve either."""
    cosine: float = 0.7
    """The chunk's meaning; -0.035."""
    definition: float = 0.8
    """The chunk defines a name in the query; -0.013."""
    symbol: float = 0.35
    """The chunk's own symbol shares words with the query; -0.005."""
    said: float = 0.2
    """The query names the words of a symbol of several; -0.006."""
    verbatim: float = 1.2
    """Most of the query stands in the chunk word for word. Not part of the benchmark; of 112 messages in 14 other
    repositories the place that prints one came first for 49 % without it, for 88 % with it."""

    path: float = 0.4
    """The query's words in the path, weighed by how few paths contain them; -0.002."""
    stem: float = 0.4
    """The share of the file name's words that the query names; -0.008."""
    named_file: float = 0.5
    """The file is named like an identifier in the query; -0.001, and more for bare names."""
    name_meaning: float = 0.7
    """The cosine of the file's name and the query, in the static table; -0.012."""
    directory_share: float = 0.5
    """A word found in a folder's name against one in the file's."""
    related_path: float = 0.8
    """A related form in a path against the word itself."""

    contributed: float = 0.3
    """What another plugin says of the chunk; each adds or takes as much at most. Not part of the benchmark."""

    coherence: float = 0.35
    """What the other matching chunks of the same file add to each of its chunks; -0.039."""
    coherence_floor: float = 0.15
    """What a chunk scores by chance; -0.005."""
    coherence_decay: float = 0.8
    coherence_depth: int = 10
    spread: float = 0.5
    """The factor for each better chunk of the same file; -0.070, for the measure counts files."""
    kinds: dict[FileKind, float] = field(default_factory=_kind_factors)
    """The factor for each kind of file, unless the query asks for that kind; -0.012, nearly all of it by tests and
    documentation. The others stand for what the benchmark has too little of to measure."""


DEFAULT = Weights()
