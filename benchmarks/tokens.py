"""Counting tokens: with tiktoken's o200k_base where its data can be had, else by characters."""

from __future__ import annotations

from functools import cache
from typing import Any

ANSWER = 3.0
"""Characters a token of an answer with code, a tenth below what o200k_base needs (`docs/retrieval.md`)."""

SCHEMA = 4.0
"""The same of a tool's definition as compact JSON."""


@cache
def _encoding() -> Any:
    try:
        import tiktoken

        return tiktoken.get_encoding("o200k_base")
    except Exception:  # noqa: BLE001 - not installed, or no way to download its data
        return None


def count(text: str, characters: float) -> int:
    """Return the tokens of a text; `characters` for each where they can only be estimated."""
    encoding = _encoding()
    return len(encoding.encode(text)) if encoding else round(len(text) / characters)


def first(text: str, tokens: int, characters: float) -> str:
    """Return the beginning of a text that so many tokens pay for."""
    encoding = _encoding()
    return encoding.decode(encoding.encode(text)[:tokens]) if encoding else text[: int(tokens * characters)]


def method(characters: float) -> str:
    """Say how it was counted."""
    return "o200k_base" if _encoding() else f"{characters:g} characters a token"
