"""Figures of written texts, which need no gold."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.evaluation.bootstrap import Resampling
from jobs.evaluation.gates import FIGURES
from jobs.evaluation.texts import read_checked, read_written


def check(name: str, passed: bool) -> dict[str, object]:
    return {"name": name, "passed": passed, "detail": None}


def test_checks_are_counted_one_by_one_and_together() -> None:
    checks = [[check("a", True), check("b", True)], [check("a", True), check("b", False)], [check("a", False)]]
    checked = read_checked(pa.table({"checks": checks}))
    assert checked is not None
    rates = checked.rates()
    assert {name: (rate.passed, rate.failed) for name, rate in rates.items()} == {"a": (2, 1), "b": (1, 1)}
    assert checked.figures(Resampling(0))["strict_pass_rate"].value == pytest.approx(1 / 3)
    some = checked.among(np.array([True, False, False]))
    assert some.figures(Resampling(0))["strict_pass_rate"].value == 1
    assert read_checked(pa.table({"x": [1]})) is None


def test_what_repeats_is_not_distinct() -> None:
    table = pa.table({"title": ["One", None, "one"], "body": ["two two", "three", "Two  two"]})
    written = read_written(table)
    assert written is not None
    found = written.figures(Resampling(0))
    assert set(found) <= set(FIGURES)
    assert found["distinct_1"].value == pytest.approx(3 / 7)
    assert found["distinct_2"].value == pytest.approx(2 / 4)
    assert found["duplicates"].value == pytest.approx(1 / 3)
    assert read_written(pa.table({"label": ["x"]})) is None
    some = written.among(np.array([True, True, False])).figures(Resampling(0))
    assert (some["distinct_1"].value, some["duplicates"].value) == (pytest.approx(3 / 4), 0)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=6))
def test_distinct_n_grams_are_those_of_a_set(texts: list[list[str]]) -> None:
    written = read_written(pa.table({"reply": [" ".join(words) for words in texts]}))
    assert written is not None
    found = written.figures(Resampling(0))
    for n in (1, 2, 3):
        grams = [tuple(words[i : i + n]) for words in texts for i in range(len(words) - n + 1)]
        assert (f"distinct_{n}" in found) == bool(grams)
        if grams:
            assert found[f"distinct_{n}"].value == pytest.approx(len(set(grams)) / len(grams))


def test_n_grams_of_many_texts_take_little_memory() -> None:
    """Of 1,000 texts with 100 words each that all differ: 100,000 words; a tuple for each 3-gram would be 25 MB."""
    table = pa.table({"reply": [" ".join(f"w{100 * i + j}" for j in range(100)) for i in range(1000)]})
    written = read_written(table)
    assert written is not None
    tracemalloc.start()
    figures = written.figures(Resampling(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert figures["distinct_3"].value == 1
    assert peak < 5_000_000
