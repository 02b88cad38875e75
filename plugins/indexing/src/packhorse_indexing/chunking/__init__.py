"""Cutting a file into chunks along its syntax, and noting what it defines.

`chunk` is the one entry. `languages` knows the languages and is where plugins add more, and `pieces` takes what their
chunkers return; `syntax`, `markdown` and `lines` each draw the outline of a text, and `segment` cuts along an outline,
whatever drew it; `notebook` cuts at cells.
"""

from __future__ import annotations

from packhorse_indexing.chunking.chunker import chunk
from packhorse_indexing.chunking.languages import Language, detect, registry
from packhorse_indexing.chunking.model import OUTPUT, Chunk, Chunked, Definition
from packhorse_indexing.chunking.notebook import NOTEBOOK
from packhorse_indexing.chunking.pieces import Chunker, ChunkerError, Piece

__all__ = [
    "NOTEBOOK",
    "OUTPUT",
    "Chunk",
    "Chunked",
    "Chunker",
    "ChunkerError",
    "Definition",
    "Language",
    "Piece",
    "chunk",
    "detect",
    "registry",
]
