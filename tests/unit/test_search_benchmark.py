"""The retrieval benchmark's measure."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit

PATH = Path(__file__).parents[2] / "benchmarks" / "retrieval.py"


@pytest.fixture(scope="module")
def benchmark_() -> Any:
    spec = importlib.util.spec_from_file_location("retrieval_benchmark", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def ndcg(benchmark_: Any) -> Any:
    return benchmark_.ndcg


def found(*paths: str) -> list[dict[str, Any]]:
    return [{"path": path, "start_line": 10, "end_line": 20} for path in paths]


def test_a_target_counts_at_the_rank_of_its_first_result(ndcg):
    assert ndcg(found("a.py", "b.py"), ["a.py"]) == 1.0
    assert ndcg(found("b.py", "a.py", "a.py"), ["a.py"]) == pytest.approx(1 / math.log2(3))
    assert ndcg(found("b.py"), ["a.py"]) == 0.0


def test_a_perfect_answer_to_several_targets_scores_one(ndcg):
    assert ndcg(found("a.py", "b.py"), ["b.py", "a.py"]) == pytest.approx(1.0)


def test_a_path_may_be_given_from_another_root(ndcg):
    assert ndcg(found("src/a.py"), ["a.py"]) == ndcg(found("a.py"), ["src/a.py"]) == 1.0
    assert ndcg(found("xa.py"), ["a.py"]) == 0.0


def test_lines_must_overlap_where_the_target_has_lines(ndcg):
    assert ndcg(found("a.py"), [{"path": "a.py", "start_line": 20, "end_line": 30}]) == 1.0
    assert ndcg(found("a.py"), [{"path": "a.py", "start_line": 21, "end_line": 30}]) == 0.0


def test_results_after_the_tenth_do_not_count(ndcg):
    assert ndcg(found(*"0123456789", "a.py"), ["a.py"]) == 0.0


def test_recall_counts_the_places_that_the_beginning_of_the_text_names(benchmark_):
    places = [{"path": path, "line": 10, "start_line": 10, "end_line": 20} for path in ("a.py", "b.py")]
    text = f"1. a.py:10 foo\n{'x' * 100_000}\n2. b.py:10"
    assert benchmark_.recall(text, places, ["a.py"]) == 1.0
    assert benchmark_.recall(text, places, ["a.py", "b.py"]) == 0.5
    assert benchmark_.recall(text, places, [{"path": "a.py", "start_line": 21, "end_line": 30}]) == 0.0


def test_a_place_that_is_only_named_has_its_path_whole_with_blanks_in_it(benchmark_):
    found = benchmark_.PLACE.findall
    assert found("watch app/Main View.swift:12 body") == [("watch app/Main View.swift", "12")]
    assert found("a.py:3") == [("a.py", "3")]
