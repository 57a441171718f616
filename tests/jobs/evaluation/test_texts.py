"""Figures of written texts, which need no gold."""

import numpy as np
import pyarrow as pa
import pytest

from jobs.evaluation.bootstrap import Resampling
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
    assert found["distinct_1"].value == pytest.approx(3 / 7)
    assert found["distinct_2"].value == pytest.approx(2 / 4)
    assert found["duplicates"].value == pytest.approx(1 / 3)
    assert read_written(pa.table({"label": ["x"]})) is None
