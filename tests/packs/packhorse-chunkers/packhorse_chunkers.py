"""Brings a language and chunkers: one that works, and those that may cost their own files nothing but the syntax."""

import os

from packhorse import hookimpl


def good(text):
    from packhorse_indexing.chunking import Piece

    return [Piece(1, 1, "head", "Title"), (2, text.count("\n"))]


def raises(text):
    raise KeyError(text[:1])


def leaves_out(text):
    return [(1, 1), (3, 3)]


def hangs(text):
    while True:
        pass


def allocates(text):
    kept = []
    while True:
        kept.append(bytearray(50_000_000))


def dies(text):
    os.abort()


@hookimpl
def register_languages():
    from packhorse_indexing.chunking import Language

    return [Language("ledger", ("ledger",)), "no language"]


@hookimpl
def register_chunkers():
    return {
        "ledger": good,
        ".raises": raises,
        ".leavesout": leaves_out,
        ".hangs": hangs,
        ".allocates": allocates,
        ".dies": dies,
        "nothing": None,
        ".RAISES": good,
    }
