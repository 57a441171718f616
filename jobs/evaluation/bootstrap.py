"""Figures with intervals: the bootstrap, over weights of rows.

A resample of n rows is how often each row was drawn: weights that add up to n. A statistic takes many such weights at
once, so that a thousand resamples are a few matrix products.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.evaluation import Figure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Statistic = Callable[[Floats], Floats]
"""Weights of shape (resamples, rows) to values of shape (resamples,); NaN where it is not defined."""

_WEIGHTS_AT_ONCE = 4_000_000
_WEIGHTS_IN_ALL = 200_000_000
_LEAST_RESAMPLES = 100


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn: 95 %, percentiles; of very many rows fewer resamples, but at least 100."""

    resamples: int = 1000
    seed: int = 0

    def figure(
        self, statistic: Statistic, num_rows: int, about: str, higher_is_better: bool | None = True
    ) -> Figure | None:
        """A statistic of all rows with its interval; None where it is not defined."""
        if num_rows == 0 or not np.isfinite(value := statistic(np.ones((1, num_rows)))[0]):
            return None
        low, high = self._interval(statistic, num_rows)
        return Figure(
            value=float(value), low=low, high=high, rows=num_rows, about=about, higher_is_better=higher_is_better
        )

    def _interval(self, statistic: Statistic, num_rows: int) -> tuple[float | None, float | None]:
        rng = np.random.default_rng(self.seed)
        left = min(self.resamples, max(_LEAST_RESAMPLES, _WEIGHTS_IN_ALL // num_rows))
        found: list[Floats] = []
        while left > 0:
            number = min(left, max(1, _WEIGHTS_AT_ONCE // num_rows))
            found.append(statistic(np.stack([draw_weights(rng, num_rows) for _ in range(number)])))
            left -= number
        values = np.concatenate(found) if found else np.empty(0)
        values = values[np.isfinite(values)]
        if len(values) < 2:
            return None, None
        low, high = np.percentile(values, (2.5, 97.5))
        return float(low), float(high)


def draw_weights(rng: np.random.Generator, num_rows: int) -> Floats:
    """How often each row is drawn when as many are drawn as there are, with replacement."""
    return np.bincount(rng.integers(num_rows, size=num_rows), minlength=num_rows).astype(np.float64)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element by element; NaN where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def mean_of(values: Floats) -> Statistic:
    """The weighted mean."""
    return lambda weights: ratio(weights @ values, weights.sum(axis=1))


def correlation_of(one: Floats, other: Floats) -> Statistic:
    """The weighted Pearson correlation; NaN where one of both is constant."""
    one, other = one - one.mean(), other - other.mean()
    moments = np.stack([one, other, one * one, other * other, one * other, np.ones_like(one)], axis=1)

    def statistic(weights: Floats) -> Floats:
        sums = weights @ moments
        mean_one, mean_other, one_one, other_other, both, _ = (sums / sums[:, 5:]).T
        spread = (one_one - mean_one**2) * (other_other - mean_other**2)
        spread = np.where(spread > 1e-24, spread, 0.0)
        return np.clip(ratio(both - mean_one * mean_other, np.sqrt(spread)), -1, 1)

    return statistic
