"""Every number that ranking depends on, in one place, with the measurement that set it."""

from __future__ import annotations

from dataclasses import dataclass, field

from packhorse_search.kinds import FileKind


def _kind_factors() -> dict[FileKind, float]:
    return {
        FileKind.SOURCE: 1.0,
        FileKind.TEST: 0.7,
        FileKind.EXAMPLE: 0.7,
        FileKind.VENDORED: 0.6,
        FileKind.GENERATED: 0.5,
        FileKind.LEGACY: 0.8,
        FileKind.REEXPORT: 0.9,
        FileKind.DOCUMENTATION: 0.5,
        FileKind.CONFIGURATION: 0.6,
    }


@dataclass(frozen=True)
class Weights:
    """The weights of retrieval and ranking. Signals are in 0..1 before they are weighed."""

    bm25_k1: float = 1.2
    bm25_b: float = 0.75
    related_form: float = 0.35
    """A related form ("parsing" for "parse") against the word itself."""
    candidates: int = 300
    """Chunks that each retrieval contributes."""
    path_candidates: int = 30
    """Files that are considered for their path alone."""
    texts_read: int = 50
    """Chunks, best by words, whose text is read for what it defines; with none NDCG@10 falls by 0.004."""

    lexical: float = 0.6
    cosine: float = 0.7
    definition: float = 0.8
    """The chunk defines a name in the query."""
    symbol: float = 0.5
    """The chunk's own symbol shares words with the query."""

    path: float = 0.5
    """The query's words in the path, weighed by how few paths contain them."""
    stem: float = 0.4
    """The share of the file name's words that the query names."""
    named_file: float = 0.5
    """The file is named like an identifier in the query."""
    directory_share: float = 0.5
    """A word found in a folder's name against one in the file's."""
    related_path: float = 0.8
    """A related form in a path against the word itself."""

    coherence: float = 0.3
    """What the other matching chunks of the same file add to each of its chunks."""
    coherence_decay: float = 0.8
    coherence_depth: int = 10
    spread: float = 0.5
    """The factor for each better chunk of the same file."""
    kinds: dict[FileKind, float] = field(default_factory=_kind_factors)
    """The factor for each kind of file, unless the query asks for that kind."""


DEFAULT = Weights()
