"""The figures of a comparison, held against independent computations, and against chance itself."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import jensenshannon
from scipy.stats import binomtest, kstest

from jobs.comparing.answer_columns import UNKNOWN, Kind, binned, kind_of
from jobs.comparing.drift import (
    Crossed,
    by_chance,
    cross,
    enough_exchanges,
    exchange,
    holm,
    jensen_shannon,
    population_stability,
    rise,
    wilson,
)
from jobs.comparing.pairing import pair_keys

histograms = hnp.arrays(np.int64, 5, elements=st.integers(0, 500))


@given(histograms, histograms)
def test_distances_are_those_of_the_books(a: np.ndarray, b: np.ndarray) -> None:
    p, q = (a + 0.5) / (a + 0.5).sum(), (b + 0.5) / (b + 0.5).sum()
    by_hand = sum((q[i] - p[i]) * math.log(q[i] / p[i]) for i in range(5))
    assert float(population_stability(a, b)) == pytest.approx(by_hand, abs=1e-12)
    assert float(jensen_shannon(a, b)) == pytest.approx(float(jensenshannon(p, q, base=2)), abs=1e-6)
    assert float(population_stability(a, a)) == float(jensen_shannon(b, b)) == 0


@given(st.integers(0, 400), st.integers(1, 400))
def test_the_interval_of_a_share_is_wilsons(hits: int, more: int) -> None:
    found, expected = wilson(hits, hits + more), binomtest(hits, hits + more).proportion_ci(method="wilson")
    assert found == pytest.approx((expected.low, expected.high), abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_adjusted_p_values_are_holms(p_values: list[float]) -> None:
    ordered = sorted(p_values)
    steps = [min(1, (len(ordered) - i) * p) for i, p in enumerate(ordered)]
    assert sorted(holm(p_values)) == pytest.approx([max(steps[: i + 1]) for i in range(len(steps))])
    assert all(adjusted >= p for adjusted, p in zip(holm(p_values), p_values, strict=True))


codes = st.lists(st.integers(-1, 3), max_size=60)


@given(codes, codes, st.integers(0, 20), st.booleans())
def test_every_known_row_is_counted_once(a: list[int], b: list[int], common: int, both_only: bool) -> None:
    common = min(common, len(a), len(b))
    rows = np.arange(common)
    found = cross(np.array(a, np.int64), np.array(b, np.int64), rows, rows, 4, both_only)
    pairs = Counter((x, y) for x, y in zip(a[:common], b[:common], strict=True) if x >= 0 and y >= 0)
    assert {(i, j): n for (i, j), n in np.ndenumerate(found.pairs) if n} == pairs
    if both_only:
        assert found.only_a.sum() == found.only_b.sum() == 0
    else:
        assert found.a.tolist() == [a.count(i) for i in range(4)]
        assert found.b.tolist() == [b.count(i) for i in range(4)]
    one, other = exchange(found, 20, np.random.default_rng(0))
    assert (one + other == found.a + found.b).all()
    assert (one.sum(1) == found.a.sum()).all()
    assert min(one.min(), other.min()) >= 0


def test_an_exchange_is_that_of_single_rows() -> None:
    """Held against swapping and dealing row by row."""
    rng = np.random.default_rng(1)
    pairs, only_a, only_b = rng.integers(0, 3, (40, 2)), rng.integers(0, 3, 30), rng.integers(0, 3, 20)
    cells = np.zeros((3, 3), np.int64)
    np.add.at(cells, (pairs[:, 0], pairs[:, 1]), 1)
    counted = Crossed(cells, np.bincount(only_a, minlength=3), np.bincount(only_b, minlength=3))
    quick = population_stability(*exchange(counted, 3_000, rng))
    slow = []
    for _ in range(3_000):
        swapped = np.where(rng.random(40)[:, None] < 0.5, pairs, pairs[:, ::-1])
        dealt = rng.permutation(np.r_[only_a, only_b])
        a = np.bincount(np.r_[swapped[:, 0], dealt[:30]], minlength=3)
        b = np.bincount(np.r_[swapped[:, 1], dealt[30:]], minlength=3)
        slow.append(float(population_stability(a, b)))
    assert kstest(quick, slow).pvalue > 0.001


@pytest.mark.parametrize("paired", [True, False])
def test_equal_runs_are_seldom_told_apart_and_others_are(paired: bool) -> None:
    rng = np.random.default_rng(2)
    found = []
    for number in range(200):
        first, second = rng.choice(4, (2, 150), p=(0.5, 0.3, 0.15, 0.05))
        rows = np.arange(150 if paired else 0)
        found.append(by_chance(cross(first, second, rows, rows, 4, False), population_stability, number).p)
    assert np.mean(np.array(found) < 0.05) < 0.1
    assert np.mean(found) > 0.4
    other = np.where(rng.random(150) < 0.9, 0, second)
    assert by_chance(cross(first, other, rows, rows, 4, False), population_stability, 0).p < 0.001
    worse = cross(np.r_[0, [0] * 99], np.r_[1, [1] * 19, [0] * 80], np.arange(100), np.arange(100), 2, True)
    assert float(rise(worse.a, worse.b)) == pytest.approx(0.2)
    assert by_chance(worse, rise, 0).p < 0.001


def test_many_figures_take_more_exchanges_and_constant_ones_cannot_be_tested() -> None:
    """One of 60 figures that could not be more extreme stands out among them, at a p below 0.01."""
    exchanges = enough_exchanges(60, 0.01)
    rows = np.arange(0)
    worse = cross(np.zeros(200, np.int64), np.ones(200, np.int64), rows, rows, 2, False)
    same = cross(np.zeros(200, np.int64), np.zeros(200, np.int64), rows, rows, 2, False)
    found = by_chance(worse, rise, 0, exchanges)
    assert found.testable
    assert holm([found.p, *[0.5] * 59])[0] < 0.01
    assert not by_chance(same, rise, 0, exchanges).testable
    assert not by_chance(same, population_stability, 0).testable


keys = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=12)


@given(keys, keys)
def test_rows_are_paired_as_a_dictionary_would(a: list[str], b: list[str]) -> None:
    found = pair_keys(*(pa.chunked_array([part], pa.large_string()) for part in (a, b)))
    numbered = [{(key, part[:i].count(key)): i for i, key in enumerate(part)} for part in (a, b)]
    expected = sorted((i, numbered[1][key]) for key, i in numbered[0].items() if key in numbered[1])
    assert list(zip(found.rows_a.tolist(), found.rows_b.tolist(), strict=True)) == expected
    assert (found.only_a, found.only_b) == (len(a) - len(expected), len(b) - len(expected))


def column(values: list[object], kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([0.5, None], pa.float64(), Kind.NUMBER),
        ([True, None], pa.bool_(), Kind.CATEGORY),
        (["yes", "no"], pa.string(), Kind.CATEGORY),
        (["a text", "another", "and more"], pa.string(), Kind.LENGTH),
        (["a text", "another"] * 4, pa.string(), Kind.CATEGORY),
        ([None, None], pa.string(), Kind.LENGTH),
        ([["a"], []], pa.list_(pa.string()), Kind.LENGTH),
        ([["a"], []] * 4, pa.list_(pa.string()), Kind.CATEGORY),
        ([["a"], []] * 4, pa.large_list(pa.string()), Kind.CATEGORY),
        ([{"a": 1}], pa.struct({"a": pa.int64()}), None),
    ],
)
def test_kinds_of_columns(values: list[object], kind: pa.DataType, expected: Kind | None) -> None:
    assert kind_of([column(values, kind)] * 2, frozenset({"yes", "no", "maybe"})) == expected


@given(st.lists(st.floats(-5, 5) | st.none() | st.integers(0, 2).map(float), max_size=80))
def test_tenths_hold_about_a_tenth_each(values: list[float | None]) -> None:
    found = binned([column(values, pa.float64())], Kind.NUMBER)
    known = [value for value in values if value is not None]
    assert (found.codes[0] == UNKNOWN).tolist() == [value is None for value in values]
    assert len(found.bins) <= 10
    by_code = sorted(zip(found.codes[0][found.codes[0] >= 0].tolist(), known, strict=True))
    assert [value for _, value in by_code] == sorted(known)
    most = max(Counter(known).values(), default=0)
    assert all(n <= len(known) / 10 + most + 1 for n in Counter(code for code, _ in by_code).values())
