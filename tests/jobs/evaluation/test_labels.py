"""Figures of labels, against other code's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, recall_score

from jobs.evaluation.bootstrap import Resampling
from jobs.evaluation.gates import FIGURES
from jobs.evaluation.labels import NUM_BINS, Labelled

ONCE = Resampling(resamples=0)


def labelled(gold, predicted, p=None, names=("a", "b", "c")) -> Labelled:
    gold, predicted = np.array(gold, np.int64), np.array(predicted, np.int64)
    return Labelled(names, np.ones(len(gold), np.bool_), gold, predicted, p)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
@settings(max_examples=60)
def test_figures_are_sklearns(pairs) -> None:
    gold, predicted = zip(*pairs, strict=True)
    found = labelled(gold, predicted).figures(ONCE)
    present = sorted(set(gold))
    assert found["accuracy"].value == pytest.approx(accuracy_score(gold, predicted))
    for name, score in (("macro_f1", f1_score), ("macro_recall", recall_score)):
        expected = score(gold, predicted, labels=present, average="macro", zero_division=0)
        assert found[name].value == pytest.approx(expected)


def test_the_summary_counts_who_is_taken_for_whom() -> None:
    summary = labelled([0, 0, 0, 1], [0, 1, 1, 1]).summary("column x", {})
    assert summary.confusion == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]
    a, b, c = summary.per_label
    assert (a.precision, a.recall, a.gold, a.predicted) == (1, pytest.approx(1 / 3), 3, 1)
    assert (b.precision, b.recall) == (pytest.approx(1 / 3), 1)
    assert (c.precision, c.recall, c.f1) == (None, None, None)


def test_calibration_errors_are_what_their_definitions_say() -> None:
    rng = np.random.default_rng(3)
    p = rng.dirichlet((1, 1, 1), size=300)
    gold = np.array([rng.choice(3, p=row) for row in p])
    rows = labelled(gold, p.argmax(axis=1), p)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == gold
    gap = 0.0
    for number in range(NUM_BINS):
        inside = [i for i in range(300) if number / NUM_BINS < confidence[i] <= (number + 1) / NUM_BINS]
        if inside:
            gap += len(inside) / 300 * abs(np.mean(confidence[inside]) - np.mean(right[inside]))
    found = rows.figures(ONCE)
    assert set(found) <= set(FIGURES)
    assert found["ece"].value == pytest.approx(gap)
    assert found["brier"].value == pytest.approx(sum(brier_score_loss(gold == k, p[:, k]) for k in range(3)))
    table = rows.reliability("digest")
    assert table is not None
    assert sum(one.rows for one in table.bins) == 300
    assert (table.ece, table.calibration) == (pytest.approx(gap), "digest")


def test_intervals_are_seeded_and_hold_the_value() -> None:
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, 200)
    predicted = np.where(rng.random(200) < 0.8, gold, 1 - gold)
    rows = labelled(gold, predicted)
    one, again, other = (rows.figures(Resampling(500, seed)) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    accuracy = one["accuracy"]
    assert accuracy.low < accuracy.value < accuracy.high
    error = 1.96 * np.sqrt(accuracy.value * (1 - accuracy.value) / 200)
    assert accuracy.high - accuracy.low == pytest.approx(2 * error, rel=0.15)


def test_a_label_that_a_resample_does_not_have_says_nothing_about_it() -> None:
    """Or else the interval of a perfect classifier with rare labels would end far below 1."""
    numbers = [0] * 48 + [1, 2]
    found = labelled(numbers, numbers).figures(Resampling(200))
    for name in ("macro_f1", "macro_recall"):
        assert (found[name].low, found[name].value, found[name].high) == (1, 1, 1)


def test_a_slice_has_its_own_rows_only() -> None:
    rows = labelled([0, 0, 1, 1], [0, 1, 1, 1])
    some = rows.among(np.array([True, True, False, False]))
    assert some.figures(ONCE)["accuracy"].value == 0.5
    assert not rows.among(np.zeros(4, np.bool_)).figures(ONCE)
