"""What a report counts and says, against plain Python."""

import math
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.report.fields import FieldTally
from jobs.report.groups import Grouping, range_names
from jobs.report.measure import encoded
from jobs.report.run_blocks import rates
from jobs.report.tally import Best
from jobs.report.words import number, percent, share_of, short_number, shown, signed

VALUES = st.sampled_from(["a", "b", "ü", "", None])
ROWS = st.lists(st.tuples(VALUES, st.sampled_from(["good", "bad", None]), st.floats(-1, 1)), max_size=40)


@given(ROWS, st.integers(1, 7))
def test_groups_are_counted_as_by_hand_however_the_batches_are_cut(rows, size: int) -> None:
    grouping = Grouping("column")
    for start in range(0, len(rows), size):
        values, classes, scores = zip(*rows[start : start + size], strict=True)
        grouping.add(pa.array(values, pa.string()), encoded(pa.array(classes, pa.string())), np.array(scores))
    known = [(value, name, score) for value, name, score in rows if value is not None and name is not None]
    assert {v: dict(g.classes) for v, g in grouping.groups.items() if g.rows} == {
        v: dict(Counter(name for value, name, _ in known if value == v)) for v in {value for value, _, _ in known}
    }
    for value, group in grouping.groups.items():
        mine = [score for v, _, score in known if v == value]
        if mine:
            assert math.isclose(group.mean, sum(mine) / len(mine), abs_tol=1e-9)
            assert math.isclose(group.error(0.0), np.std(mine) / math.sqrt(len(mine)), abs_tol=1e-6)


@given(st.lists(st.one_of(st.floats(-9, 9), st.just(math.nan)), max_size=60), st.integers(1, 9), st.integers(1, 20))
def test_the_best_rows_are_those_that_sorting_finds(numbers: list[float], size: int, cut: int) -> None:
    best = Best(size)
    for start in range(0, len(numbers), cut):
        best.add(0, start, np.array(numbers[start : start + cut]))
    found = [numbers[row] for _, row in best.positions()]
    assert found == sorted((n for n in numbers if not math.isnan(n)), reverse=True)[:size]


@given(st.lists(st.one_of(st.none(), st.integers(-50, 50)), max_size=50))
def test_a_column_of_numbers_is_described_as_it_is(values: list[int | None]) -> None:
    one = FieldTally("n", pa.int64())
    for start in range(0, len(values), 7):
        one.add(pa.array(values[start : start + 7], pa.int64()))
    known = [value for value in values if value is not None]
    assert (one.rows, one.filled) == (len(values), len(known))
    assert sorted(one.sample) == sorted(known)
    if known:
        assert (one.low, one.high) == (min(known), max(known))


def test_whole_numbers_that_no_float_has_are_counted() -> None:
    one = FieldTally("n", pa.int64())
    one.add(pa.array([2**53 + 1, 2**62 + 1, None], pa.int64()))
    assert (one.low, one.high) == (2.0**53, 2.0**62)


def test_ranges_of_large_numbers_stay_apart() -> None:
    edges = (1_700_000_000.0, 1_700_000_500.0, 1_700_001_000.0)
    assert range_names(edges) == ["1,700,000,000 – 1,700,000,500", "1,700,000,500 – 1,700,001,000"]
    assert range_names((0.0, 0.5, 1.0)) == ["0 – 0.5", "0.5 – 1"]
    grouping = Grouping("n", edges=edges)
    classes = encoded(pa.array(["good"] * 5))
    values = pa.array([1_700_000_001.0, 1_700_000_999.0, 1_700_000_500.0, math.inf, None])
    grouping.add(values, classes, None)
    assert {name: group.rows for name, group in grouping.groups.items()} == {0: 1, 1: 2}


@given(st.lists(st.tuples(st.floats(0.1, 9), st.integers(0, 50)), min_size=4, max_size=60))
def test_the_rates_of_a_run_add_up_to_its_rows(steps: list[tuple[float, int]]) -> None:
    seconds = np.cumsum([s for s, _ in steps]).tolist()
    rows = np.cumsum([n for _, n in steps]).tolist()
    points = rates(seconds, rows)
    done = sum((at - before) * rate for (before, _), (at, rate) in pairwise(points))
    assert math.isclose(done, rows[-1], rel_tol=1e-6, abs_tol=1e-6)


@given(st.text(), st.integers(4, 50), st.booleans())
def test_what_is_shown_is_short_and_steers_nothing(text: str, limit: int, lines: bool) -> None:
    found = shown(text * 3, limit, lines)
    assert len(found) <= limit
    kept = {"\u200c", "\u200d", "\n"} if lines else {"\u200c", "\u200d"}
    assert not [c for c in found if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in kept]


def test_direction_marks_controls_and_piles_of_accents_are_made_harmless() -> None:
    assert shown("a\u202egnp.exe\x1b[31m\x00", 80) == "a\\u202egnp.exe\\x1b[31m\\x00"
    assert shown("z" + "\u0301" * 90 + "!", 80) == "z" + "\u0301" * 4 + "!"
    assert shown(b"caf\xe9", 80) == "caf\ufffd"
    assert shown("👩‍🚀", 80) == "👩‍🚀"


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (2 / 3, "Two of three reviews are"),
        (0.66, "Two of three reviews are"),
        (0.25, "One of four reviews is"),
        (0.5, "Half of the reviews are"),
        (1.0, "All reviews are"),
        (0.0, "None of the reviews is"),
        (0.62, "62\u00a0% of the reviews are"),
    ],
)
def test_shares_are_told_in_words(share: float, words: str) -> None:
    assert share_of(share, "reviews") == words


def test_numbers_are_written_for_people() -> None:
    assert [percent(x) for x in (0, 0.0001, 0.5, 0.9999, 1)] == [
        "0\u00a0%",
        "<\u00a01\u00a0%",
        "50\u00a0%",
        ">\u00a099\u00a0%",
        "100\u00a0%",
    ]
    assert [number(x) for x in (0, 0.0004, -0.05, 0.5, 12.345, 1234.5, math.nan, math.inf)] == [
        *("0", "0.0004", "-0.05", "0.5", "12.3", "1,234", "–", "–")
    ]
    assert [signed(x) for x in (-0.123, 0.001, 0.5)] == ["−0.12", "0.00", "+0.50"]
    assert [short_number(x) for x in (12, 1234, 245_376, 4_560_000)] == ["12", "1,234", "245\u00a0k", "4.56\u00a0M"]
