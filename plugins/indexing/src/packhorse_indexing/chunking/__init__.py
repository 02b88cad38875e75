"""Cutting a file into chunks along its syntax, and noting what it defines.

`chunk` is the one entry. `languages` knows the languages and is where plugins add more; `syntax`, `markdown` and
`lines` each draw the outline of a text, and `segment` cuts along an outline, whatever drew it.
"""

from __future__ import annotations

from packhorse_indexing.chunking.chunker import chunk
from packhorse_indexing.chunking.languages import Language, detect, registry
from packhorse_indexing.chunking.model import Chunk, Chunked, Definition

__all__ = ["Chunk", "Chunked", "Definition", "Language", "chunk", "detect", "registry"]
