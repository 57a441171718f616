"""Figures of ratings, against scipy's, and the human ceiling."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from jobs.evaluation.bootstrap import Resampling, correlation_of
from jobs.evaluation.gates import FIGURES
from jobs.evaluation.ratings import Rated, Scale, human_ceiling

SCALE = Scale(-4, 4, 0.5)
RNG = np.random.default_rng(5)


def rated(predicted, human) -> Rated:
    return Rated(np.ones(len(human), np.bool_), np.asarray(predicted, float), np.asarray(human, float), SCALE)


def test_correlations_are_scipys() -> None:
    human = RNG.normal(size=100).round(1)
    predicted = (human + RNG.normal(size=100)).round(1)
    found = rated(predicted, human).figures(Resampling(200))
    assert set(found) <= set(FIGURES)
    assert found["pearson_r"].value == pytest.approx(pearsonr(predicted, human).statistic)
    assert found["spearman_r"].value == pytest.approx(spearmanr(predicted, human).statistic)
    assert found["mae"].value == pytest.approx(np.mean(np.abs(predicted - human)))
    assert "-4 … 4" in found["mae"].about
    low, high = pearsonr(predicted, human).confidence_interval()
    assert found["pearson_r"].low == pytest.approx(low, abs=0.06)
    assert found["pearson_r"].high == pytest.approx(high, abs=0.06)


def test_weights_are_repeated_rows() -> None:
    one, other = RNG.normal(size=(2, 12))
    weights = RNG.integers(0, 4, size=(5, 12)).astype(float)
    expected = [
        np.corrcoef(np.repeat(one, row.astype(int)), np.repeat(other, row.astype(int)))[0, 1] for row in weights
    ]
    assert correlation_of(one, other)(weights) == pytest.approx(expected)


def test_what_is_constant_has_no_correlation() -> None:
    assert "pearson_r" not in rated([1, 1, 1], [0, 1, 2]).figures(Resampling(10))
    assert "polarity" not in rated([1, 2, 1], [0, 0.1, 0.2]).figures(Resampling(10))


def test_polarity_is_of_rows_that_are_not_neutral() -> None:
    found = rated([1, -1, 1, 3], [0.2, -2, -2, 1]).figures(Resampling(0))["polarity"]
    assert (found.value, found.rows) == (pytest.approx(2 / 3), 3)


def test_other_scales_have_another_middle() -> None:
    stars = Scale(1, 5, 0.5)
    assert stars.label_numbers(np.array([1.0, 3.2, 5.0])).tolist() == [2, 1, 0]
    assert stars.to_ratings(np.array([-1.0, 0.0, 1.0])).tolist() == [1, 3, 5]


def test_one_human_is_compared_with_the_others() -> None:
    """Raters that say the truth with noise of standard deviation s: r = sqrt(v / (v + s²)) times the means'."""
    truth = RNG.normal(size=2000)
    ratings = (truth[:, None] + RNG.normal(size=(2000, 20))).tolist()
    found = human_ceiling(ratings, SCALE, seed=0)
    assert found is not None
    assert (found.rows, found.ratings, found.draws) == (2000, 40_000, 20)
    assert found.figures["pearson_r"] == pytest.approx(np.sqrt(1 / 2) * np.sqrt(1 / (1 + 1 / 19)), abs=0.02)
    assert {"accuracy", "macro_f1", "polarity", "mae", "spearman_r"} <= set(found.figures)
    assert found == human_ceiling(ratings, SCALE, seed=0)


def test_single_ratings_have_no_ceiling() -> None:
    assert human_ceiling([[1.0], None, []], SCALE, seed=0) is None


def test_single_ratings_that_are_missing_are_not_negative() -> None:
    whole = [[1.0, 2.0], [2.0, 2.5], [-2.0, -1.0]]
    holed = [[1.0, None, 2.0], [2.0, 2.5, float("nan")], [-2.0, -1.0], [1.0, None]]
    assert human_ceiling(holed, SCALE, seed=0) == human_ceiling(whole, SCALE, seed=0)
