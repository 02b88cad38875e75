"""Specification of what is redacted: hundreds of invented secrets, by kind and by surrounding."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from fix_secrets import Seed, corpus
from packhorse_indexing.chunking import detect
from packhorse_indexing.secrets import redact

pytestmark = pytest.mark.unit

CORPUS = corpus(1)
LEAST_RECALL = 0.95


def language(seed: Seed) -> str:
    name = "Dockerfile" if seed.extension == "dockerfile" else f"file.{seed.extension}"
    return detect(name, seed.text.encode())


def leaks(seed: Seed) -> bool:
    redacted = redact(seed.text, language(seed)).text
    return any(needle in redacted for needle in seed.needles)


def test_the_corpus_is_large_and_varied() -> None:
    assert len(CORPUS) >= 500
    assert len({seed.kind for seed in CORPUS}) >= 40
    assert len({seed.surrounding for seed in CORPUS}) >= 30
    assert all(needle in seed.text or seed.surrounding == "base64" for seed in CORPUS for needle in seed.needles)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_nearly_every_secret_is_found_whatever_its_kind(number: int) -> None:
    """At least 95 % of all and of each kind, where one of a kind with fewer than twenty may be missed."""
    total: Counter[str] = Counter()
    missed: defaultdict[str, list[str]] = defaultdict(list)
    for seed in corpus(number):
        total[seed.kind] += 1
        if leaks(seed):
            missed[seed.kind].append(seed.surrounding)
    assert sum(map(len, missed.values())) <= (1 - LEAST_RECALL) / 5 * total.total(), dict(missed)
    assert {
        kind: found for kind, found in missed.items() if len(found) > max((1 - LEAST_RECALL) * total[kind], 1)
    } == {}, "kinds below the recall that is promised"


@pytest.mark.parametrize("surrounding", sorted({seed.surrounding for seed in CORPUS}))
def test_nearly_every_secret_is_found_whatever_is_around_it(surrounding: str) -> None:
    seeds = [seed for seed in CORPUS if seed.surrounding == surrounding]
    missed = [seed.text for seed in seeds if leaks(seed)]
    assert len(missed) <= (1 - LEAST_RECALL) * len(seeds), missed


def test_the_lines_and_their_ends_stay_as_they_were() -> None:
    for seed in CORPUS:
        for text in (seed.text, seed.text.replace("\n", "\r\n").replace("\r\r", "\r")):
            before, after = text.splitlines(keepends=True), redact(text, language(seed)).text.splitlines(keepends=True)
            assert len(before) == len(after)
            assert [line[len(line.rstrip("\r\n")) :] for line in before] == [
                line[len(line.rstrip("\r\n")) :] for line in after
            ]


def test_redacting_again_changes_nothing() -> None:
    for seed in CORPUS:
        once = redact(seed.text, language(seed)).text
        assert redact(once, language(seed)).text == once


def test_the_count_and_the_kinds_agree_with_the_markers() -> None:
    for seed in CORPUS:
        redacted = redact(seed.text, language(seed))
        assert redacted.count == sum(redacted.kinds.values())
        assert all(f"[redacted:{kind}]" in redacted.text for kind in redacted.kinds)


def test_all_secrets_are_found_in_one_text() -> None:
    """What stands before and behind a secret does not hide it."""
    seeds = [seed for seed in CORPUS if seed.extension == "py" and not leaks(seed)]
    text = redact("\n".join(seed.text for seed in seeds), "python").text
    assert [seed.text for seed in seeds if any(needle in text for needle in seed.needles)] == []
