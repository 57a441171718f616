"""The promise, tested by repetition: the share of draws that miss the target is at most delta."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from jobs.cascading.guarantee import (
    Answered,
    Score,
    answered_of,
    fewest_rows,
    fit_score,
    learn_thresholds,
    lowest_cut,
    most_errors,
)
from schemas.cascade import Thresholds

LABELS = ("good", "bad", "neither", "both", "rare")


@given(rows=st.integers(1, 3000), risk=st.floats(0.005, 0.4), delta=st.floats(0.001, 0.3))
def test_the_allowed_errors_are_the_most_that_a_binomial_tail_proves(rows: int, risk: float, delta: float) -> None:
    allowed = most_errors(rows, risk, delta)
    tails = [sum(math.comb(rows, i) * risk**i * (1 - risk) ** (rows - i) for i in range(k + 1)) for k in range(3)]
    for k, tail in enumerate(tails):
        if abs(tail - delta) > 1e-9:
            assert (k <= allowed) == (tail <= delta) or k > rows
    assert allowed == -1 or binom.cdf(allowed, rows, risk) <= delta
    assert (allowed >= 0) == (rows >= fewest_rows(risk, delta)) or abs((1 - risk) ** rows - delta) < 1e-9


def population(rows: int, seed: int, overconfident: float = 0.0) -> Answered:
    """Answers of a model whose labels are differently reliable; `overconfident` breaks what its probabilities mean."""
    rng = np.random.default_rng(seed)
    which = rng.choice(len(LABELS), rows, p=[0.4, 0.3, 0.2, 0.09, 0.01])
    p = rng.beta(3, 1, rows) * 0.75 + 0.25
    shift = np.array([1.0, 0.3, -1.0, -2.0, 0.0])[which]
    right = 1 / (1 + np.exp(-(np.log(p / (1 - p)) * (1 - overconfident) + shift)))
    return Answered(tuple(LABELS[i] for i in which), p, rng.random(rows) < right)


def taken(answers: Answered, rows: "np.ndarray") -> Answered:
    return answered_of([answers.labels[i] for i in rows], answers.probabilities[rows], answers.agrees[rows])


def wrong_share(answers: Answered, which: "np.ndarray", thresholds: Thresholds) -> tuple[float, float]:
    at = np.array([thresholds.by_label.get(label, thresholds.otherwise) for label in LABELS])[which]
    kept = answers.probabilities >= at
    return float((kept & ~answers.agrees).mean()), float(kept.mean())


@pytest.mark.parametrize(
    ("rows", "sample", "target", "overconfident"),
    [(20_000, 450, 0.95, 0.0), (20_000, 450, 0.9, 0.9), (20_000, 1500, 0.99, 0.0), (1_000, 300, 0.9, 0.0)],
    ids=["usual", "probabilities that mean little", "a high target", "a sample that is much of the input"],
)
def test_the_target_is_missed_in_at_most_delta_of_all_draws(
    rows: int, sample: int, target: float, overconfident: float
) -> None:
    answers, repetitions, delta = population(rows, 7, overconfident), 300, 0.1
    rng, which = np.random.default_rng(1), np.array([LABELS.index(label) for label in answers.labels])
    missed, kept = 0, []
    for _ in range(repetitions):
        drawn = rng.choice(rows, sample, replace=False)
        fitted, proof = taken(answers, drawn[: sample // 3]), taken(answers, drawn[sample // 3 :])
        found = learn_thresholds(fitted, proof, len(proof.labels), 1 - target, delta)
        wrong, share = wrong_share(answers, which, found)
        missed, kept = missed + (wrong > 1 - target), [*kept, share]
    chance = norm.ppf(0.999) * math.sqrt(delta * (1 - delta) / repetitions)
    assert missed / repetitions <= delta + chance
    assert np.mean(kept) > 0.05  # it is not kept by never saving anything


def test_a_sample_that_is_too_small_proves_nothing() -> None:
    answers = answered_of(["good"] * 200, [0.99] * 200, [True] * 200)
    assert learn_thresholds(answers, answers, 200, 0.01, 0.05) == Thresholds()
    assert fewest_rows(0.01, 0.05) == 299
    many = answered_of(["good"] * 299, [0.99] * 299, [True] * 299)
    assert learn_thresholds(many, many, 299, 0.01, 0.05).keeps("good", 0.01)
    assert learn_thresholds(many, many, 299, 0.01, 0.05, unknown=1) == Thresholds()


@pytest.mark.parametrize("score", [Score(1.0, {"a": 0.0}), Score(0.7, {"a": 0.3}), Score(20.0, {"a": -9.0})])
def test_a_threshold_lies_above_the_tie(score: Score) -> None:
    for p in (0.0, 1e-13, *(k / 200 for k in range(1, 200)), 1 - 1e-12, 1.0):
        cut = score.of(answered_of(["a"], [p], [False]))[0]
        assert not score.thresholds(cut).keeps("a", p), p


def test_ties_with_what_is_wrong_are_not_kept_nor_are_labels_that_were_never_seen() -> None:
    answers = answered_of(["a", "b"] * 100, [0.8] * 200, [True, False] * 100)
    found = learn_thresholds(answers, answers, 200, 0.05, 0.05)
    assert not found.keeps("b", 0.8)
    assert not found.keeps("c", 1.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.001, 0.999), st.booleans()), min_size=1, max_size=60))
def test_thresholds_keep_what_the_score_keeps(rows: list[tuple[str, float, bool]]) -> None:
    labels, probabilities, agrees = zip(*rows, strict=True)
    answers = answered_of(labels, probabilities, agrees)
    score = fit_score(answers)
    cut = lowest_cut(score.of(answers), answers.agrees, len(rows), 0.3, 0.2)
    if cut is not None:
        thresholds, scores = score.thresholds(cut), score.of(answers)
        for label, p, s in zip(labels, probabilities, scores, strict=True):
            assert not thresholds.keeps(label, p) or s >= cut - 1e-6
            assert thresholds.keeps(label, p) or s <= cut + 1e-2 or p > 1 - 1e-6
